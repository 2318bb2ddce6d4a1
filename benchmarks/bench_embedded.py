"""The embedded study: recovery of its planted truth, and its verdicts for other seeds (`make bench-embedded`).

`embedded`: trains both models of the study once (their seeds are their own), then simulates listeners with five seeds
and sends them through the workflow's scripts. `embedded pairs`: see `embedded_pairs.py`. With names of parts as
arguments only those are measured. Prints one line per figure, writes `benchmarks/results/embedded.json`, and ends with
status 1 when a figure falls short. Figures are listed in `benchmarks/README.md`.
"""

import json
import os
import stat
import sys
import tempfile
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "tests/helpers")]
# Two models train side by side, one core each; the scripts' own progress bars would hide the figures.
os.environ.update({"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "DATALAD_LOG_LEVEL": "warning"})
warnings.simplefilter("ignore")

import embedded_pairs  # noqa: E402
import pandas as pd  # noqa: E402
from embedded_truth import compare, load_config, run_scripts, train_models  # noqa: E402
from reporting import figure, measured, report  # noqa: E402

LIBRARIES = ["numpy", "torch", "transformers", "himalaya", "datalad"]
SEEDS = (1, 2, 3, 4, 5)


def worst(table):
    """The value that is nearest to breaking its bounds, with the row that it belongs to."""
    margin = pd.concat([table["value"] - table["low"], table["high"] - table["value"]], axis=1).min(axis=1)
    return table.loc[margin.idxmin()]


def figures(table):
    """One figure per criterion, over all seeds, models and listeners: list of dict."""
    rows = []
    for criterion, part in table.groupby("criterion", sort=False):
        row = worst(part)
        above = row["high"] == float("inf")
        rows.append(
            figure(
                f"embedded: {criterion}",
                round(float(row["value"]), 4),
                f">= {row['low']:g}" if above else f"{row['low']:g} to {row['high']:g}",
                part["ok"].all(),
                worst={"seed": int(row["seed"]), "model": row["model"], "subject": row["subject"]},
                held=f"{int(part['ok'].sum())} of {len(part)}",
            )
        )
    return rows


def measure(seeds):
    """Table of all criteria for all seeds, and the seconds that training took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begin = time.perf_counter()
        train_models(load_config(), folder)
        training = time.perf_counter() - begin
        tables = []
        for seed in seeds:
            config, here = load_config(seed), folder / f"seed-{seed}"
            here.mkdir()
            os.chdir(here)  # data sets are cloned below the working directory
            tables.append(compare(config, *run_scripts(config, here, folder / "demo" / "hub")).assign(seed=seed))
            print(f"seed {seed}: {int(tables[-1]['ok'].sum())} of {len(tables[-1])} criteria hold", flush=True)
        os.chdir(ROOT)
        for path, _, _ in os.walk(folder):
            os.chmod(path, stat.S_IRWXU)  # annexed files lie in write-protected folders
    return pd.concat(tables, ignore_index=True), training


def truth_figures():
    """Recovery of the truth, over all seeds."""
    table, training = measure(SEEDS)
    details = table[["seed", "model", "subject", "layer", "criterion", "value", "ok"]].to_json(orient="records")
    rows = figures(table)
    return [rows[0] | {"training_s": round(training, 1), "details": json.loads(details)}, *rows[1:]]


PARTS = {"embedded": truth_figures, "embedded pairs": embedded_pairs.figures}


def main(wanted):
    """Measure, print, write; the exit status."""
    return report("embedded", measured("embedded", PARTS, wanted, LIBRARIES), LIBRARIES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
