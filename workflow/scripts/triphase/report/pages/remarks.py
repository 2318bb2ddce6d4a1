"""Remarks on one model beside its verdict: each a sentence with its numbers, their intervals and n."""

import pandas as pd

from triphase.checkpoints.integrity.verdict import faulty, undecided
from triphase.phases.behaviour import LAG_FACTOR, LAG_LEVEL
from triphase.report.numbers import (
    counted,
    estimate,
    factor,
    known,
    percent,
    share_interval,
    shown,
    tokens,
)
from triphase.report.pages.courses import NORMAL_95
from triphase.table.selection import Selection

FACTOR = "in tokens (1: together)"
NUISANCE = {
    "N1": "the nuisance features (N1)",
    "N2": "N1 and word identity (N2)",
    "N1+static": "N1 and the static embedding (contextual gain)",
    "N1+surprisal": "N1 and the model's own surprisal",
    "N2+surprisal": "N2 and the model's own surprisal",
}
PARTS = {"model": "the layer", "identity": "word identity", "surprisal": "surprisal"}
POWERS = {"fall": "falls by share of the first rise", "lag": "lags of behaviour by factor in tokens"}


def subjects(phases: dict) -> str:
    """How many subjects show it when judged singly."""
    each, n = phases["subjects"], phases["n_subjects"]
    if not n:
        return "**Subjects**: none has the headline's measure."
    if not each:
        text = (
            f"**Subjects**: {shown(n)}, resampled in every bootstrap draw as a sample of people; none is judged singly"
        )
        changes = [
            f"{entry['kind']} {estimate(entry['change'], entry['interval'], sign=True)}, alike in "
            f"{shown(entry['alike'])}, p = {entry['p']:.2g}"
            for entry in phases["group"] or []
        ]
        return text + (f". Each one's own change over these phases [ours]: {'; '.join(changes)}." if changes else ".")
    verdicts = [f"{', '.join(names)} {verdict}" for verdict, names in _by_verdict(each).items()]
    return (
        f"**Subjects** [ours]: {shown(phases['subjects_supported'])} of {shown(n)} supported when judged singly "
        f"({'; '.join(verdicts)}). Fewer than ten subjects are no sample: the verdict is on these people."
    )


def _by_verdict(each):
    groups = {}
    for name, entry in each.items():
        groups.setdefault(entry["verdict"], []).append(name)
    return groups


def analyses(specifications: pd.DataFrame) -> str:
    """Share of analysis choices with each verdict, of the specification table."""
    about, n = specifications.attrs, len(specifications)
    if not n:
        text = "**Other analyses** [ours]: none could be made"
    else:
        shares = ", ".join(f"{name} {shown(count)} ({percent(count / n)})" for name, count in about["counts"].items())
        text = f"**Other analyses** [ours], the headline among them: of {shown(n)}, {shares}"
        if known(about["same_pattern"]):
            text += f"; the headline's own course in {percent(about['same_pattern'])}"
    missing = [f"{entry['what']} ({shown(entry['count'])}: {entry['why']})" for entry in about["not_computed"]]
    return text + (f". Not computed: {'; '.join(missing)}." if missing else ".")


def behaviour(phases: dict) -> list[str]:
    """How accuracy and adherence go, and whether their onsets coincide with those of alignment."""
    sentences, names = [], {"adherence": "**Instruction adherence**", "accuracy": "**Accuracy**"}
    for kind, name in names.items():
        entry = phases["behaviour"][kind]
        if entry["pattern"] is None:
            sentences.append(f"{name}: {'; '.join(entry['remarks'])}.")
            continue
        bends = [tokens(at, span) for at, span in zip(entry["breakpoints"], entry["intervals"], strict=True)]
        text = f"{name}: {entry['pattern']} over {counted(entry['n_checkpoints'], 'checkpoint')}"
        if bends:
            text += f", bends at {', '.join(bends)} tokens ({percent(entry['interval_level'])} intervals)"
        sentences.append(f"{text}. {coincidence(entry['coincidence'], kind)}")
    return sentences


def coincidence(onset: dict, kind: str) -> str:
    """Whether an onset of behaviour coincides with alignment's."""
    verdict = {True: "shown", False: "not shown", None: "not decided"}[onset["coincides"]]
    event = "the onset of alignment's rise after its fall" if kind == "accuracy" else "the onset of alignment's rise"
    text = f"Coincidence of its onset with {event} [ours]: {verdict}"
    if known(onset["lag_factor"]):
        text += f", lag {factor(onset['lag_factor'], onset['lag_interval'])} {FACTOR}, {percent(LAG_LEVEL)} interval"
        return text + f"; within one grid step or a factor of {shown(LAG_FACTOR)} is called coinciding."
    return f"{text} ({onset['reason']})."


def competence(phases: dict) -> list[str]:
    """Which groups of tasks emerge together with alignment, and whether the controls hold; none without groups."""
    entry = phases.get("competence")
    if not entry:
        return []
    words = {True: "emerges together with alignment", False: "does not emerge together with alignment"}
    parts = []
    for group, found in entry["groups"].items():
        lag = found["coincidence"]
        text = f"{group} ({', '.join(found['tasks'])}) {words.get(found['co_emerges'], 'is not decided')}"
        if known(lag["lag_factor"]):
            text += f", lag {factor(lag['lag_factor'], lag['lag_interval'])} {FACTOR}, {percent(LAG_LEVEL)} interval"
        elif found["pattern"] is None:
            text += f" ({'; '.join(found['remarks'])})"
        else:
            text += f" ({lag['reason']})"
        parts.append(text)
    text = f"**Competence** [ours], by groups of tasks: {'; '.join(parts)}."
    if "control" in entry["groups"]:
        held = {True: "hold", False: "**fail**: what emerges is not particular to language", None: "decide nothing"}
        text += f" The negative controls {held[entry['controls_hold']]}."
    if entry["ungrouped"]:
        text += f" Without a group, and in no curve of these: {', '.join(entry['ungrouped'])}."
    return [text]


def stagnation(phases: dict) -> str:
    """Whether accuracy stands still while alignment falls."""
    entry = phases["behaviour"]["stagnation"]
    verdict = {True: "shown", False: "not shown", None: "not decided"}[entry["stagnates"]]
    verdict = "no, it collapses" if entry["collapses"] else verdict
    return f"**Stagnation** of accuracy while alignment falls [ours]: {verdict} ({entry['reason']})."


def order(phases: dict) -> str:
    """Lags between the events of two perspectives."""
    lags = [lag for lag in phases["order"]["lags"] if lag["first"] == "alignment" and known(lag["factor"])]
    if not lags:
        return "**Order**: no event of another perspective can be compared with one of alignment."
    events = [
        f"{lag['event']} of {lag['second']} {factor(lag['factor'], lag['interval'])}, {lag['order']}" for lag in lags
    ]
    level = percent(lags[0]["interval_level"])
    what = f"lag behind the same event of alignment, as a factor {FACTOR} with {level} interval"
    return f"**Order**, {what}: {'; '.join(events)}. It is a {phases['order']['scope']}."


def breadth(phases: dict) -> str:
    """How much of the brain moves in each phase."""
    entry = phases["breadth"]
    parts = [f"**Breadth** [ours]: {entry['reason'].removesuffix('.')}"]
    for phase in entry["phases"]:
        text = f"{phase['kind']} from {tokens(phase['from'])} to {tokens(phase['to'])} tokens: "
        text += f"{shown(phase['moving'])} of {counted(phase['n_parcels'], 'parcel')} move "
        text += f"({shown(phase['rising'])} up, {shown(phase['falling'])} down)"
        if known(phase["ratio"]):
            text += f", change inside over outside language areas {estimate(phase['ratio'], phase['ratio_interval'])}"
        parts.append(text)
    return "; ".join(parts) + "."


def scale(phases: dict) -> str:
    """Whether a fall hangs on how features are scaled."""
    dependent, course = phases["scale_dependent"], phases["pattern"]
    courses = [f"{entry['analysis']}: {entry['pattern'] or 'undetermined'}" for entry in phases["sensitivity"]]
    listed = f" Courses under other choices: {'; '.join(courses)}." if courses else ""
    if dependent is None:
        why = "no other scaling tells whether the fall stays" if "fall" in (course or "") else "nothing falls"
        why = why if course else "no curve could be fitted"
        return f"**Scale of features** [ours]: {why}.{listed}"
    kept = "vanishes under another scaling: scale-dependent" if dependent else "stays under every scaling"
    return f"**Scale of features** [ours]: the fall {kept}.{listed}"


def training_size(phases: dict) -> str:
    """Whether a fall hangs on how much data the fits were trained on."""
    entry = phases["training_size"]
    text = "**Size of the training set** [ours]: "
    if not entry["shares"]:
        return f"{text}{entry['reason']}."
    shares = [
        f"{percent(of['share'], of['interval'])} with {'all' if name == 'all' else f'a {name}'} of the stimuli"
        for name, of in entry["shares"].items()
    ]
    left = percent(entry["limit"]["share"], entry["limit"]["interval"])
    kept = (
        "so it may be no loss of what the layer holds" if entry["dependent"] else "so too little data is not its cause"
    )
    return f"{text}of the gain the fall takes {', '.join(shares)}; {left} with ever more of them, {kept}."


def content(phases: dict) -> str | None:
    """How much of alignment is more than words by themselves, at the last checkpoint."""
    over, unique = phases["content"]["over"], phases["content"]["unique"]
    parts = [
        f"over {NUISANCE[name]} {estimate(of['value'], of['interval'])} "
        f"(since {of['since']} {estimate(of['change'], of['change_interval'], sign=True)})"
        for name, of in over.items()
    ]
    if len(parts) < 2 and not unique:
        return None
    last = next(iter(over.values()))["checkpoint"]
    text = f"**Content** [ours]: alignment at {last} {'; '.join(parts)} (95 % intervals)"
    shares = [f"{PARTS[part]} {estimate(of['value'], of['interval'])}" for part, of in unique.items()]
    return f"{text}. Unique variance there: {'; '.join(shares)}." if shares else f"{text}."


def controls(found: list[dict], model: str) -> list[str]:
    """What a model's negative controls say of it, and, of a control, of which model it is one."""
    sentences = []
    for entry in found:
        if model not in (entry["model"], entry["of"]):
            continue
        over = f"over {NUISANCE[entry['nuisance']]} " if entry["nuisance"] else ""
        change = f"change of alignment {over}from {entry['since']} to {entry['checkpoint']} " if over else ""
        change += f"{estimate(entry['change'], entry['interval'], sign=True)}, " if over else ""
        expected = f" (its model's {shown(entry['expected'], sign=True)})" if over else ""
        who = f"of {entry['of']}" if model == entry["model"] else entry["model"]
        sentences.append(f"**Negative control** {who} [ours]: {change}{entry['verdict']}: {entry['reason']}{expected}.")
    return sentences


def power(phases: dict, table: pd.DataFrame) -> str | None:
    """Beside a verdict that is not positive: which fall and which lag this study could have found."""
    if phases["verdict"] == "supported":
        return None
    needed = phases["provenance"]["settings"]["needed_power"]
    noise, parts = table.attrs["noise"], []
    for quantity, what in POWERS.items():
        rows = table[(table["quantity"] == quantity) & table["power"].notna()]
        if rows.empty:
            parts.append(f"{what} could not be simulated ({table.attrs[quantity]})")
            continue
        size = percent if quantity == "fall" else shown
        intervals = [share_interval(row.power, row.n_simulations) for row in rows.itertuples()]
        powers = map(percent, rows["power"], intervals)
        shares = [f"{size(value)} in {share}" for value, share in zip(rows["size"], powers, strict=True)]
        enough = rows.loc[rows["power"] >= needed, "size"]
        least = (
            f"the smallest with {percent(needed)} is {size(enough.min())}" if len(enough) else "none is large enough"
        )
        parts.append(
            f"{what} found: {', '.join(shares)} of {shown(rows['n_simulations'].iloc[0])} simulations, {least}"
        )
    text = f"**Power** [ours], with 95 % interval: {'; '.join(parts)}"
    return f"{text}. Noise of one checkpoint: {percent(noise)} of the first rise." if known(noise) else f"{text}."


def checkpoints(phases: dict, findings: pd.DataFrame) -> str:
    """What the integrity gate found and what was left out."""
    wrong, torn = faulty(findings), undecided(findings)
    n = findings["checkpoint"].nunique()
    text = f"**Integrity of checkpoints**: {shown(len(wrong))} of {shown(n)} at fault"
    if wrong:
        text += f" ({'; '.join(f'{name}: {rules[0]}' for _, name, rules, _ in wrong)})"
    if torn:
        text += f"; in a contradiction that is not resolved: {', '.join(name for _, name, _, _ in torn)}"
    gone = [entry["checkpoint"] for entry in phases["excluded"]]
    return text + (f"; left out: {', '.join(gone)}." if gone else "; none was left out.")


def contamination(table: pd.DataFrame) -> str:
    """Whether the model knows the stimulus by heart, at its last checkpoint."""
    name, share = "**Contamination** of the stimulus", Selection("contamination").rows(table).sort_values("step")
    if share.empty:
        return f"{name}: not measured, states/mechanism of the config is off."
    last = share.iloc[-1]
    if not known(last["value"]):
        return f"{name}: could not be measured; the files of states/mechanism say why."
    reproduced = percent(last["value"], share_interval(last["value"], last["n"]))
    text = f"{name}: {reproduced} of {counted(last['n'], 'window')} reproduced at the last checkpoint (95 % interval)"
    more = Selection("contamination_surprisal").rows(table).sort_values("step")
    if len(more) and known(more.iloc[-1]["value"]):
        value, se, n = more.iloc[-1][["value", "se", "n"]]
        difference = estimate(value, (value - NORMAL_95 * se, value + NORMAL_95 * se), sign=True)
        text += f"; its surprisal minus that of unseen text {difference} bits per token (n = {shown(n)})"
    return text + "."
