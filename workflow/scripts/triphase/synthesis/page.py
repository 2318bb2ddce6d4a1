"""What a synthesis found, as a page: the verdict over all first, then courses side by side, and what rests on them."""

from functools import partial

from triphase.core.types import Section
from triphase.phases.order import EVENTS
from triphase.report.numbers import UNKNOWN, counted, estimate, factor, percent, shown, tokens
from triphase.report.pages.blocks import Block, Heading, Items, Table, Text
from triphase.stats.intervals import LEVEL
from triphase.synthesis.agreement import EACH
from triphase.synthesis.courses import LEGS
from triphase.synthesis.join import QUANTITIES

UNITS = {"rise": "r", "fall": "shares of the first rise", "return": "shares of the first rise"}
ALL = "all models"


def synthesis_page(joined: Section) -> list[Block]:
    """The page, from synthesis.json, without its figure."""
    studies = "; ".join(
        f"{study['name']} ({study['dataset']}, {study['language']}, {counted(study['n_subjects'], 'subject')})"
        for study in joined["studies"]
    )
    blocks: list[Block] = [
        Heading(1, f"Synthesis {joined['synthesis']}"),
        Text(f"{shown(len(joined['studies']))} studies joined: {studies}."),
        Heading(2, "Verdict over all [ours]"),
        verdicts(joined),
    ]
    if joined["remarks"]:
        blocks += [Items([f"{remark}." for remark in joined["remarks"]])]
    return [
        *blocks,
        Heading(2, "Courses side by side"),
        Text(
            "Places as tokens, and sizes: the rise in r, fall and return in shares of the first rise; "
            f"{percent(LEVEL)} intervals."
        ),
        side_by_side(joined),
        Heading(2, "Over data sets"),
        Text(
            "Random-effects summary (restricted maximum likelihood; interval of Hartung and Knapp, which holds for few "
            "data sets; prediction interval for one more). Places are summarised as logarithms, their "
            "spread as a factor."
        ),
        summaries(joined),
        signs(joined),
        Heading(2, "Agreement of courses"),
        Text(
            f"Equal: at every checkpoint the {percent(EACH)} interval of the difference, in shares of the first rise, "
            f"lies within the declared bound of {shown(joined['bound'])}."
        ),
        agreements(joined),
        Heading(2, "Share of the language"),
        Text(
            "What goes with the share of the stimuli's language in a model's training data, beyond what models and "
            "studies differ by: the change from share 0 to share 1."
        ),
        language(joined),
    ]


def verdicts(joined: Section) -> Table:
    """Verdicts counted, with the heterogeneity of the fall."""
    rows = []
    for model, entry in joined["verdicts"].items():
        fall = joined["summaries"][model]["fall"]
        rows.append(
            [
                ALL if model == "all" else model,
                entry["verdict"],
                f"{entry['counts']['supported']} of {entry['n']}",
                percent(entry["share"], entry["interval"]),
                entry["reason"],
                percent(fall["i2"]),
                shown(fall["tau2"]),
            ]
        )
    head = ["model", "three phases", "supported", "share [95 %]", "studies", "I² of the fall", "tau² of the fall"]
    return Table(head, rows, text=(0, 1, 4))


def side_by_side(joined: Section) -> Table:
    """Every model in every study, one row each."""
    rows = []
    for model, entries in joined["courses"].items():
        for study, entry in entries.items():
            places = [tokens(at, span) for at, span in zip(entry["breakpoints"], entry["intervals"], strict=True)]
            sizes = [_size(entry["quantities"].get(leg)) for leg in LEGS]
            course, bends = entry["pattern"] or UNKNOWN, ", ".join(places) or UNKNOWN
            rows.append([model, study, entry["verdict"], course, bends, *sizes, percent(entry["language_share"])])
    head = ["model", "study", "three phases", "course", "bends in tokens", *LEGS, "share of the language"]
    return Table(head, rows, text=(0, 1, 2, 3, 4))


def summaries(joined: Section) -> Table:
    """Random-effects summaries of all models."""
    rows = []
    for model, entry in joined["summaries"].items():
        for name in QUANTITIES:
            found, place = entry[name], name in EVENTS
            if not found["n"]:
                continue
            form = tokens if place else partial(estimate, sign=True)
            cells = [form(found["mean"], found[key]) if found[key] else UNKNOWN for key in ("interval", "prediction")]
            cells[0] = (
                cells[0] if found["interval"] else f"{tokens(found['mean']) if place else shown(found['mean'])} (one)"
            )
            spread = UNKNOWN if found["tau"] is None else factor(found["tau"], None) if place else shown(found["tau"])
            unit = "tokens" if place else UNITS[name]
            label = ALL if model == "all" else model
            rows.append(
                [label, name, unit, *cells, spread, shown(found["tau2"]), percent(found["i2"]), shown(found["n"])]
            )
    head = ["model", "quantity", "unit", "mean [95 %]", "further data set [95 %]", "tau", "tau²", "I²", "data sets"]
    return Table(head, rows, text=(0, 1, 2))


def signs(joined: Section) -> Table:
    """How many studies have each leg of the triple with its sign."""
    rows = [
        [
            model,
            leg["phase"],
            f"{leg['signs'][leg['expected']]} of {leg['n']}",
            percent(leg["consistent"], leg["interval"]),
        ]
        for model, legs in joined["legs"].items()
        for leg in legs
        if leg["n"]
    ]
    return Table(["model", "leg", "studies with its sign", "share [95 %]"], rows, text=(0, 1))


def agreements(joined: Section) -> Table:
    """Equivalence tests, pair by pair."""
    rows = []
    for entry in joined["agreement"]:
        first, second = (f"{model} in {study}" for model, study in zip(entry["models"], entry["studies"], strict=True))
        distance = UNKNOWN if entry["distance"] is None else shown(entry["distance"], 2)
        at = UNKNOWN if entry["at"] is None else tokens(entry["at"])
        reach = UNKNOWN if entry["reach"] is None else shown(entry["reach"], 2)
        rows.append([first, second, entry["verdict"], distance, at, reach, shown(entry["n"]), entry["reason"]])
    head = [
        "course",
        "other course",
        "they are",
        "largest difference",
        "at (tokens)",
        "intervals reach",
        "checkpoints",
        "",
    ]
    return Table(head, rows, text=(0, 1, 2, 7))


def language(joined: Section) -> Table:
    """Interactions with the share of the language."""
    rows = []
    for name, entry in joined["language"].items():
        unit = "decades of tokens" if name in EVENTS else UNITS[name]
        value = estimate(entry["slope"], entry["interval"], sign=True) if entry["interval"] else UNKNOWN
        power = f"{percent(entry['power'])} for {shown(entry['smallest'])}" if entry["power"] is not None else UNKNOWN
        rows.append([name, unit, value, shown(entry["p"]), power, shown(entry["n"]), entry["reason"] or ""])
    return Table(["quantity", "unit", "interaction [95 %]", "p", "power", "n", ""], rows, text=(0, 1, 6))


def _size(quantity):
    if quantity is None:
        return UNKNOWN
    half = 1.96 * quantity["error"]
    return estimate(quantity["value"], (quantity["value"] - half, quantity["value"] + half), sign=True)
