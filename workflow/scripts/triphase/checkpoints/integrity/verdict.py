"""From the fingerprints of a series to one table of verdicts, and what a study does about them.

Rules look at weights and files alone, never at loss, accuracy or alignment, so that no transition, however odd, can be
censored by the gate that guards it.
"""

import numpy as np
import pandas as pd

from triphase.checkpoints.integrity import files
from triphase.checkpoints.integrity.identity import equal_tensors, judge_equals
from triphase.checkpoints.integrity.initialisation import GAIN, Start
from triphase.checkpoints.integrity.mark import Fingerprint
from triphase.checkpoints.integrity.optimiser import Bound
from triphase.checkpoints.integrity.schedule import reach_of
from triphase.checkpoints.integrity.series import Series, trainable
from triphase.checkpoints.integrity.shards import Shards
from triphase.core.errors import InputError
from triphase.core.types import Entries, Section

MISSING = "revision present"
RULES = (
    MISSING,
    "files differ",
    "structure",
    "finite values",
    "config",
    "tokenizer",
    "weights differ",
    "initialisation",
    "optimiser's bound",
    "shards agree",
)
UNDECIDED = "one of the two is wrong, but weights do not prove which"
# Model, checkpoint, rules and the first detail.
Marked = tuple[str, str, list[str], str]
COLUMNS = ["model", "checkpoint", "step", "rule", "verdict", "detail"]


def check_series(
    model: str,
    entries: Entries,
    marks: dict[str, Fingerprint],
    schedule: Section | None = None,
    initialisation: Section | None = None,
) -> pd.DataFrame:
    """Verdicts of all rules on the checkpoints of one model.

    Parameters
    ----------
    model : str
    entries : list of dict
        name, step and optionally revision and missing of every checkpoint that the study asks for.
    marks : dict of name to Fingerprint, of those that are there
    schedule : dict or None
        See triphase.checkpoints.integrity.schedule; None: the optimiser's bound is not checked.
    initialisation : dict or None
        gains, biases, std or weights (see triphase.checkpoints.integrity.initialisation); None: not checked.

    Returns
    -------
    DataFrame
        model, checkpoint, step, rule, verdict (ok, fault, not checked or not applicable) and detail, one row per
        checkpoint and rule.
    """
    steps = {entry["name"]: entry["step"] for entry in entries}
    marks = {entry["name"]: marks[entry["name"]] for entry in entries if entry["name"] in marks}
    found = {rule: {name: ("not checked", "") for name in steps} for rule in RULES}
    found[MISSING].update(files.missing_revisions(entries, set(marks)))
    for rule, judge in (
        ("structure", files.structures),
        ("finite values", files.finite),
        ("config", files.configs),
        ("tokenizer", files.tokenizers),
    ):
        found[rule].update(judge(marks) if marks else {})
    usable = [name for name in marks if found["structure"][name][0] == found["finite values"][name][0] == "ok"]
    if len(usable) > 0:
        series = Series(
            usable, [steps[name] for name in usable], [marks[name].take(trainable(marks[name])) for name in usable]
        )
        for rule, findings in _weigh(series, schedule, initialisation).items():
            found[rule].update({series.names[at]: finding for at, finding in findings.items()})
    found["files differ"].update(_same_files(steps, marks, found["weights differ"]))
    rows = [(model, name, steps[name], rule, *found[rule][name]) for name in steps for rule in RULES]
    return pd.DataFrame(rows, columns=COLUMNS)


def _same_files(steps, marks, weights):
    """Files that are equal, read with what the weights say of which checkpoint is right."""
    entries = [{"name": name, "step": steps[name], "weights": mark.weights} for name, mark in marks.items()]
    found = files.hub_findings(entries)
    for name, (verdict, detail) in found.items():
        if verdict == "fault" and weights[name][0] == "ok" and weights[name][1]:
            found[name] = ("ok", detail.split(";")[0] + ", where they are wrong")
    return found


def _weigh(series, schedule, initialisation):
    """Findings of the rules on weights: dict of rule to dict of place to (verdict, detail)."""
    first, places = series.marks[0], range(len(series))
    start = Start(initialisation, first.config, first.names, first.shapes) if initialisation else None
    if start is not None and not (start.kind != "").any():
        start = None
    begun = _beginnings(series, start)
    found = {"initialisation": begun}
    wrong = {at for at, finding in begun.items() if finding[0] == "fault"}
    bound = Bound(series, reach_of(schedule, series.steps), start) if schedule else None
    early = bound.early() if bound and start else {}
    wrong |= set(early)

    groups = equal_tensors(series)
    split = Shards(series).judge_all({int(at) for members, _ in groups for at in members})
    wrong |= {at for at, finding in split.items() if finding[0] == "fault"}
    found["shards agree"] = {at: finding[:2] for at, finding in split.items()}

    untrained = next((at for at in places if at not in wrong and _untrained(series, at)), None)
    equals = judge_equals(series, groups, wrong, untrained, split)
    found["weights differ"] = equals if len(series) > 1 else {0: ("not applicable", "the only checkpoint")}
    wrong |= {at for at, finding in equals.items() if finding[0] == "fault"}
    found["optimiser's bound"] = _bounded(series, bound, start, early, wrong)
    return found


def _beginnings(series, start):
    found = {}
    for at, mark in enumerate(series.marks):
        if series.steps[at] > 0:
            found[at] = ("not applicable", "only step 0 holds the initialisation")
        elif start is None:
            found[at] = ("not checked", "the initialisation of this family is not known")
        else:
            worst, detail = max(start.departures(mark), key=lambda row: row[0])
            found[at] = ("fault", detail) if worst > 1 else ("ok", "")
    return found


def _untrained(series, at):
    """Whether step 0 shows no trace of training: every gain of a norm is one number, every bias too."""
    mark = series.marks[at]
    vectors = [
        i
        for i, name in enumerate(mark.names)
        if len(mark.shapes[i]) == 1 and (GAIN.search(name) or name.endswith(".bias"))
    ]
    return series.steps[at] == 0 and bool(vectors) and all(mark.std[i] == 0 for i in vectors)


def _bounded(series, bound, start, early, wrong):
    if bound is None:
        return {at: ("not checked", "the schedule of the learning rate is not known") for at in range(len(series))}
    found = {at: ("ok", "") for at in range(len(series))}
    if len(series) == 1 and start is None:
        found[0] = ("not applicable", "nothing to compare with")
    for at in wrong - set(early):
        found[at] = ("not checked", "another rule has found it wrong")
    for at, (excess, detail) in early.items():
        found[at] = ("fault", f"{detail} ({excess:.3g} times what the optimiser can have done since step 0)")
    far = bound.far_from_start(wrong)
    accused, undecided = bound.contradictions(wrong | set(far))
    for at, (excess, tensor, other) in (far | accused).items():
        found[at] = ("fault", _apart(series, excess, tensor, other))
    for at, (excess, tensor, other) in undecided.items():
        found[at] = ("not checked", f"{_apart(series, excess, tensor, other)}: {UNDECIDED}")
    return found


def _apart(series, excess, tensor, other):
    size = "further" if not np.isfinite(excess) else f"{excess:.3g} times as far"
    return f"{tensor} lies {size} from {series.names[other]} than the learning rates between them allow"


def faulty(table: pd.DataFrame) -> list[Marked]:
    """Checkpoints with a fault: list of (model, checkpoint, rules, first detail), in the order of the table."""
    found = []
    for (model, name), rows in table[table["verdict"] == "fault"].groupby(["model", "checkpoint"], sort=False):
        found.append((model, name, rows["rule"].tolist(), rows["detail"].iloc[0]))
    return found


def undecided(table: pd.DataFrame) -> list[Marked]:
    """Checkpoints of proven contradictions whose culprit is not known: list as of `faulty`, without those at fault."""
    known = {key[:2] for key in faulty(table)}
    rows = table[table["detail"].str.endswith(UNDECIDED)]
    found = [(row.model, row.checkpoint, [row.rule], row.detail) for row in rows.itertuples()]
    return [row for row in found if row[:2] not in known]


def report_lines(table: pd.DataFrame) -> list[str]:
    """What a user should read: a line per model, and one per checkpoint that is at fault or in a contradiction."""
    lines = []
    for model, rows in table.groupby("model", sort=False):
        wrong, torn = faulty(rows), undecided(rows)
        n = rows["checkpoint"].nunique()
        lines.append(f"{model}: {len(wrong)} of {n} checkpoints marked")
        lines += [f"{model} {name}: {', '.join(rules)}: {detail}" for _, name, rules, detail in wrong + torn]
    return lines


def enforce(table: pd.DataFrame, policy: str) -> set[tuple[str, str]]:
    """Apply `integrity` of the config: the set of (model, checkpoint) to leave out.

    `exclude` leaves out what is at fault, `warn` what is missing. Of a contradiction whose culprit is not known
    `exclude` leaves out nothing; `error` does not let it pass.

    Raises
    ------
    InputError
        `error`, and there is a fault or a contradiction.
    """
    wrong = faulty(table)
    stopping = wrong + undecided(table)
    if policy == "error" and stopping:
        model, name, rules, detail = stopping[0]
        n = table.groupby(["model", "checkpoint"]).ngroups
        raise InputError(
            f"integrity: {len(stopping)} of {n} checkpoints marked, the first is {model} {name} ({', '.join(rules)}: "
            f"{detail}); see integrity.parquet, take them out of `checkpoints`, or set `integrity: exclude` or `warn`"
        )
    return {(model, name) for model, name, rules, _ in wrong if policy == "exclude" or MISSING in rules}
