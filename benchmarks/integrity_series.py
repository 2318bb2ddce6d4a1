"""The integrity gate on 200 trained series, clean and with each published fault (for `make bench-activations`)."""

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
for folder in (ROOT / "workflow" / "scripts", ROOT / "tests/helpers", ROOT / "benchmarks"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from reporting import figure  # noqa: E402
from trained_series import GROUPS, HARD, PUBLISHED, SAVES, train_group  # noqa: E402

from triphase.checkpoints.integrity.verdict import check_series, faulty, undecided  # noqa: E402

PER_GROUP = 50


def clean(run, rng):
    """The series as it was trained."""
    return run.published(), set()


def judge(runs, fault, seed=7):
    """Counts of one fault over all runs: wrong, found, right, accused (right but called wrong), undecided."""
    counts = dict.fromkeys(("wrong", "found", "right", "accused", "undecided"), 0)
    for number, run in enumerate(runs):
        marks, wrong = fault(run, np.random.default_rng([seed, number]))
        table = check_series(run.name, run.entries(), marks, run.schedule, run.initialisation)
        named = {key[1] for key in faulty(table)}
        counts["wrong"] += len(wrong)
        counts["found"] += len(wrong & named)
        counts["right"] += len(SAVES) - len(wrong)
        counts["accused"] += len(named - wrong)
        counts["undecided"] += len(undecided(table))
    return counts


def integrity_figures(per_group=PER_GROUP):
    """Train the series, judge them clean and with each fault: list of figures. About 5 minutes on one core.

    Faults that weights and files can't prove everywhere are counted without a goal.
    """
    torch.set_num_threads(1)
    begin = time.perf_counter()
    runs = [run for group in range(len(GROUPS)) for run in train_group(group, per_group)]
    trained = round(time.perf_counter() - begin, 1)
    rows = []
    counts = judge(runs, clean)
    rows.append(
        figure("integrity: clean checkpoints accused", f"{counts['accused']} of {counts['right']}", "0",
               counts["accused"] + counts["undecided"] == 0, series=len(runs), training_s=trained)
    )  # fmt: skip
    for fault in PUBLISHED:
        counts = judge(runs, fault)
        name = fault.__name__.replace("_", " ")
        rows.append(
            figure(f"integrity: {name}", f"{counts['found']} of {counts['wrong']} found, {counts['accused']} accused",
                   "all found, 0 accused", counts["found"] == counts["wrong"] and not counts["accused"], **counts)
        )  # fmt: skip
    for fault in HARD:
        counts = judge(runs, fault)
        name = fault.__name__.replace("_", " ")
        found = f"{counts['found']} of {counts['wrong']} found"
        text = f"{found}, {counts['accused']} accused, {counts['undecided']} undecided"
        rows.append(figure(f"integrity: {name}", text, "none: not provable everywhere", True, **counts))
    return rows


if __name__ == "__main__":
    for row in integrity_figures():
        print(f"{row['figure']}: {row['value']} (goal {row['goal']}) {'ok' if row['ok'] else 'short'}", flush=True)
