"""The page of findings says what its sources say, number by number, and says in words what is missing."""

import re
from dataclasses import asdict, replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from simulated_study import rows_of, study
from threadpoolctl import threadpool_limits

from triphase.checkpoints.integrity.verdict import RULES
from triphase.phases.curves import Trajectory
from triphase.phases.model import model_phases
from triphase.phases.transitions import Settings
from triphase.report.numbers import estimate, factor, flops, percent, share_interval, shown, tokens
from triphase.report.pages import courses, remarks
from triphase.report.pages.blocks import Heading, Items, Table, Text, to_html, to_markdown
from triphase.report.pages.findings import summary
from triphase.report.pages.sources import Sources
from triphase.report.pages.tables import tables
from triphase.responses.ceiling import GROUP

HEADLINE = {"roi": "language", "tasks": ["agreement", "world"], "adherence": ["world"]}
QUICK = Settings(simulations=60, draws=100)
MODELS = {"neox": "triple", "olmo": "rise-plateau"}


def phases_of(table, boot, model):
    rows, mine = table[table["model"] == model], boot.isel(series=boot["model"].values == model)
    found = model_phases(rows, mine, model, HEADLINE, QUICK, seed=0)
    return found | {"excluded": [], "provenance": {"settings": asdict(QUICK)}}


def specifications_of(model, verdict):
    choices = [("zscore", 0.071), ("center", 0.0421)]
    table = pd.DataFrame(
        [{"model": model, "layer_rule": "headline", "depth": np.nan, "scaling": scaling, "nuisance": "N1",
          "delays": "headline", "ceiling": "raw", "roi": "language", "pattern": "rise", "legs": "+",
          "verdict": verdict, "reason": verdict, "power": 0.43, "p": p, "n_checkpoints": 9,
          "headline": scaling == "zscore"} for scaling, p in choices]
    )  # fmt: skip
    counts = {name: 2 * (name == verdict) for name in ("supported", "not supported", "undetermined")}
    missing = [{"what": "delays", "count": 3, "why": "no alternative was measured"}]
    table.attrs = {"counts": counts, "n": 2, "same_pattern": 0.5, "not_computed": missing}
    return table


def power_of(model, why=None):
    sizes = [("fall", 0.1, 0.115), ("fall", 0.2, 0.455), ("fall", 0.5, 0.93), ("lag", 2.0, 0.31), ("lag", 5.0, np.nan)]
    table = pd.DataFrame(sizes, columns=["quantity", "size", "power"]).assign(model=model, n_simulations=200)
    table = table if why is None else table.assign(power=np.nan)
    table.attrs = {"noise": None if why else 0.213, "fall": why, "lag": why}
    return table


def integrity_of(model, fault=None):
    rows = []
    for step in (0, 4, 8):
        for rule in RULES:
            wrong = rule == "finite values" and step == fault
            rows.append((model, f"step{step}", step, rule, "fault" if wrong else "ok", "7 NaN" if wrong else ""))
    return pd.DataFrame(rows, columns=["model", "checkpoint", "step", "rule", "verdict", "detail"])


POOLED = {"n": 2, "mean": 21_300.0, "interval": [11_100.0, 41_700.0], "tau": 1.44, "i2": 0.3,
          "prediction": [5_300.0, 91_000.0], "p_heterogeneity": 0.2, "left_out": {}, "reason": None}  # fmt: skip
COMPUTE = POOLED | {"mean": 3.1e15, "interval": [1.2e15, 6.7e15], "prediction": [2.3e14, 9.8e15]}
CHANGE = POOLED | {"mean": 0.1234, "interval": [0.0871, 0.1597], "tau": 0.0213, "prediction": [0.0517, 0.1951]}
ACROSS = {
    "n_models": 2, "n_runs": 2, "remarks": ["two models are no sample"], "language": "en", "models": {}, "order": [],
    "controls": [],
    "verdicts": {"supported": 1, "not supported": 1, "undetermined": 0}, "compute": "6 x parameters x tokens",
    "legs": [{"place": 1, "phase": "rise", "signs": {"rise": 2, "fall": 0, "none": 0}, "n": 2, "consistent": 1.0}],
    "positions": {"onset": {"tokens": POOLED, "compute": COMPUTE, "closer_on": "tokens"}},
    "changes": {"rise": CHANGE},
    "language_share": {"n": 2, "relations": [{"of": "onset", "rho": -0.37, "p": None, "n": 2}], "reason": None},
}  # fmt: skip


@pytest.fixture(scope="module")
def sources():
    with threadpool_limits(1):
        return simulated()


def simulated():
    """Sources of a simulated study of two models."""
    table, boot = study(MODELS)
    known, _ = rows_of("neox", [0, 1024], [0.0, 0.0213], 0.011, None, "contamination")
    more, _ = rows_of("neox", [0, 1024], [0.1, -0.734], 0.082, None, "contamination_surprisal")
    table = pd.concat([table, pd.DataFrame(known + more)], ignore_index=True)
    phases = {model: phases_of(table, boot, model) for model in MODELS}
    row = {"subject": GROUP, "roi": "language", "ceiling": 0.5296, "low": 0.4291, "high": 0.6095, "n_subjects": 3}
    return Sources(
        study="simulated",
        dataset={"name": "embedded", "title": "Simulated listeners", "version": "1.0.0"},
        table=table,
        boot=boot,
        phases=phases,
        power={model: power_of(model) for model in MODELS},
        specifications={model: specifications_of(model, phases[model]["verdict"]) for model in MODELS},
        across=ACROSS,
        integrity=pd.concat([integrity_of("neox"), integrity_of("olmo", fault=4)]),
        ceilings=pd.DataFrame([row | {"kind": "repeats"}]),
    )


def test_what_is_more_than_words_stands_beside_the_verdict_with_its_intervals():
    def told(value, change):
        around = None if change is None else [change - 0.02, change + 0.02]
        told = {"value": value, "interval": [value - 0.011, value + 0.011], "checkpoint": "step9", "since": "step0"}
        return told | {"change": change, "change_interval": around}

    over, unique = {"N1": told(0.1, 0.08), "N1+static": told(0.04, None)}, {"model": told(0.013, 0.01)}
    said = remarks.content({"content": {"over": over, "unique": unique}})
    assert (
        "at step9 over the nuisance features (N1) 0.100 [0.089, 0.111] (since step0 +0.080 [+0.060, +0.100]); " in said
    )
    assert "over N1 and the static embedding (contextual gain) 0.040 [0.029, 0.051] (since step0 –)" in said
    assert said.endswith("Unique variance there: the layer 0.013 [0.002, 0.024].")
    assert remarks.content({"content": {"over": {"N1": told(0.1, 0.08)}, "unique": {}}}) is None


def test_a_control_stands_beside_the_verdict_of_its_model_and_its_own():
    entry = {
        "model": "shuffled", "of": "neox", "nuisance": "N2", "since": "step0", "checkpoint": "step9", "change": 0.003,
        "interval": [-0.004, 0.01], "expected": 0.08, "verdict": "holds", "reason": "its change is below 0.2",
    }  # fmt: skip
    (of_model,) = remarks.controls([entry], "neox")
    assert of_model == (
        "**Negative control** shuffled [ours]: change of alignment over N1 and word identity (N2) from step0 to step9 "
        "+0.003 [-0.004, +0.010], holds: its change is below 0.2 (its model's +0.0800)."
    )
    (own,) = remarks.controls([entry], "shuffled")
    assert own.startswith("**Negative control** of neox") and remarks.controls([entry], "olmo") == []
    unknown = entry | dict.fromkeys(("nuisance", "change", "interval", "expected"), None)
    (said,) = remarks.controls([unknown | {"verdict": "undecided", "reason": "nothing"}], "neox")
    assert said == "**Negative control** shuffled [ours]: undecided: nothing."


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (shown(0.123456), "0.123"), (shown(12.3456), "12.3"), (shown(1234567), "1,234,567"), (shown(None), "–"),
        (shown(float("nan")), "–"), (shown(-0.0004, 2), "0.00"), (shown(0.5, sign=True), "+0.500"), (shown(0), "0"),
        (estimate(0.12345, (0.1171, 0.1298)), "0.123 [0.117, 0.130]"),
        (estimate(12.0, (11.9, 12.1)), "12.00 [11.90, 12.10]"),
        (estimate(0.3, None), "0.300 (no interval)"), (estimate(None, None), "–"),
        (estimate(1.0, (1.0, 1.0)), "1.0 [1.0, 1.0]"),
        (factor(2.137, (0.25, 16.2)), "2.14 [0.250, 16.2]"),
        (tokens(640), "640"), (tokens(1_048_576), "1.05 M"), (tokens(999_950), "1.00 M"), (tokens(3.9e12), "3.90 T"),
        (tokens(4096, (2048, 8192)), "4.10 k [2.05 k, 8.19 k]"),
        (flops(4.23e22, (1e22, 9.87e22)), "4.2e22 [1.0e22, 9.9e22]"),
        (percent(0.2), "20 %"), (percent(0.0021), "0.2 %"), (percent(0.9979), "99.8 %"), (percent(1.0), "100 %"),
    ],
)  # fmt: skip
def test_numbers_are_written_by_one_rule(written, expected):
    assert written == expected


def test_a_share_of_no_success_has_an_interval():
    low, high = share_interval(0, 10)
    assert low == 0 and 0.25 < high < 0.33  # 0.321 by Agresti and Coull's formula
    low, high = share_interval(0.5, 100)
    assert (low, high) == pytest.approx((0.4038, 0.5962), abs=1e-4)  # Brown, Cai, DasGupta (2001): Wilson's here too


# ---- every number of the page ----


def numbers_in(content):
    """All numbers in nested dicts and lists."""
    if isinstance(content, dict):
        content = content.values()
    elif isinstance(content, bool) or content is None or isinstance(content, str):
        return []
    elif not isinstance(content, list | tuple):
        return [float(content)]
    return [number for part in content for number in numbers_in(part)]


def texts_in(content):
    """All texts in nested dicts and lists, and the keys."""
    if isinstance(content, str):
        return [content]
    if isinstance(content, dict):
        return [*content, *texts_in(list(content.values()))]
    return [text for part in content for text in texts_in(part)] if isinstance(content, list | tuple) else []


def derived(sources):
    """What the page takes from tables: first and last values with n, intervals of shares and of errors, counts."""
    found = [0, 1, 95, 1.96]
    for model, phases in sources.phases.items():
        rows = sources.table[sources.table["model"] == model]
        for step in (rows["step"].min(), rows["step"].max()):
            here = rows[rows["step"] == step]
            found.append(float(here["tokens"].iloc[0]))
            aligned = here[(here["measure"] == "alignment") & (here["roi"] == "language")]
            pick = (sources.boot["model"].values == model) & (sources.boot["measure"].values == "alignment")
            pick &= (sources.boot["roi"].values == "language") & (sources.boot["step"].values == step)
            error = sources.boot["boot"].values[pick].mean(axis=0).std(ddof=1)
            estimates = [(aligned["value"].mean(), error)]
            for measure in ("surprisal", "accuracy_rescaled", "adherence"):
                picked = here[here["measure"] == measure]
                estimates.append((picked["value"].mean(), np.sqrt((picked["se"] ** 2).sum()) / len(picked)))
                found.append(picked["n"].sum())
            more = here[here["measure"] == "contamination_surprisal"]
            estimates += list(zip(more["value"], more["se"], strict=True))
            for share, n in here[here["measure"] == "contamination"][["value", "n"]].to_numpy(float):
                found += [share, n, *share_interval(share, n)]
            found += [value + half * error for value, error in estimates for half in (-1.96, 0, 1.96)]
        grid = np.array([count for count, _ in phases["fitted"]])
        found += [((grid >= s["from"]) & (grid <= s["to"])).sum() for s in phases["segments"]] + [len(grid)]
        found.append(sources.power[model].attrs["noise"])
        for row in sources.power[model].dropna().itertuples():
            found += [row.size, row.power, row.n_simulations, *share_interval(row.power, row.n_simulations)]
        found += [len(sources.specifications[model])]
        found += [sources.integrity.query("model == @model")["checkpoint"].nunique()]
    return found + sources.ceilings[["ceiling", "low", "high", "n_subjects"]].to_numpy(float).ravel().tolist()


WRITTEN = re.compile(r"(?<![\w.])([+-]?\d[\d,]*(?:\.\d+)?(?:e\d+)?)(?: ([kMBT%])(?![a-z]))?")
SCALE = {"k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12, "%": 0.01, "": 1}


def test_every_number_is_one_of_the_sources(sources):
    contents = [sources.phases, sources.across, {m: t.attrs for m, t in sources.specifications.items()}]
    known = np.array(numbers_in(contents) + derived(sources))
    page = to_markdown(summary(sources)).split("Verdicts")[1]
    for text in sorted({t for t in texts_in(contents) if re.search(r"\d", t)}, key=len, reverse=True):
        page = page.replace(text, "").replace(text[0].upper() + text[1:], "")
    page = re.sub(r"step\d+|sub-\d+|arXiv [\d.]+|\(-1 to 1\)|\(0 chance, 1 perfect\)", "", page)
    checked = 0
    for text, unit in WRITTEN.findall(page):
        decimals = len(text.partition("e")[0].partition(".")[2])
        power = 10.0 ** int(text.partition("e")[2] or 0) * SCALE[unit]
        value = float(text.replace(",", "")) * SCALE[unit]
        step = 10.0**-decimals * power if unit or "e" in text else 10.0**-decimals
        # Three significant digits may leave fewer decimals than are written: 20 k for 19,960.
        step = max(step, abs(value) * 10**-3) if unit in ("k", "M", "B", "T") else step
        assert np.abs(known - value).min() <= 0.5001 * step, f"{text} {unit} is in no source"
        checked += 1
    assert checked > 150


def page_tables(sources):
    return [block for block in summary(sources) if isinstance(block, Table)]


def test_legs_and_verdicts_are_those_of_the_fit(sources):
    verdicts, neox, *_ = page_tables(sources)
    phases = sources.phases["neox"]
    assert verdicts.rows[0][:2] == ["neox", "supported"] and verdicts.rows[1][:2] == ["olmo", "not supported"]
    assert verdicts.rows[0][5] == "3 of 3" and verdicts.rows[0][6] == "2 of 2"
    assert [row[0] for row in neox.rows] == ["rise", "fall", "rise"]
    for row, segment, bend, interval in zip(
        neox.rows, phases["segments"], [*phases["breakpoints"], None], [*phases["intervals"], None], strict=True
    ):
        assert row[3] == estimate(segment["change"], segment["change_interval"], sign=True)
        if bend:
            assert row[2] == tokens(bend, interval)


def test_a_null_verdict_stands_beside_its_power_and_a_positive_one_does_not(sources):
    items = [block.texts for block in summary(sources) if isinstance(block, Items)]
    assert not any(text.startswith("**Power**") for text in items[0])
    (said,) = [text for text in items[1] if text.startswith("**Power**")]
    assert (
        "falls by share of the first rise found: 10 % in 12 % [8 %, 17 %], 20 % in 46 % [39 %, 52 %], 50 % in" in said
    )
    assert "of 200 simulations, the smallest with 80 % is 50 %" in said and "2 in 31 % [25 %, 38 %]" in said
    assert "none is large enough" in said and "5 in" not in said, "a power that was not simulated"
    assert said.endswith("Noise of one checkpoint: 21 % of the first rise.")


def test_faults_and_what_was_left_out_are_named(sources):
    phases = sources.phases | {"olmo": sources.phases["olmo"] | {"excluded": [{"checkpoint": "step4"}]}}
    page = to_markdown(summary(replace(sources, phases=phases)))
    assert "1 of 3 at fault (step4: finite values); left out: step4." in page
    assert "0 of 3 at fault; none was left out." in page
    assert "step4 | 4 |" in (told := to_markdown(tables(sources))) and "7 NaN" in told


def test_what_is_our_own_is_marked_and_nothing_is_matched_with_the_paper(sources):
    page = to_markdown(summary(sources))
    for name in ("Verdicts", "Legs", "**Power**", "**Breadth**", "**Scale of features**", "**Other analyses**"):
        assert f"{name} [ours]" in page
    assert "no number here is meant to match one of the paper" in page
    assert not re.search(r"replicat|reproduces the paper|in line with|consistent with the paper", page)


def test_missing_parts_are_said_in_words(one_thread):
    table, boot = study({"neox": "flat"}, subjects=1, steps=np.array([0, 16, 64]), adherence=False)
    phases = phases_of(table, boot, "neox")
    specifications = specifications_of("neox", "undetermined")
    absent = table["measure"].isin(["surprisal"])
    across = ACROSS | {"remarks": ["one model: nothing to compare"], "legs": [], "positions": {}, "changes": {}}
    across |= {"n_models": 1, "n_runs": 0, "language_share": {"n": 0, "relations": [], "reason": "one model"}}
    page = to_markdown(
        summary(
            Sources("tiny", {"name": "embedded", "title": "Simulated", "version": "1"}, table[~absent], boot,
                    {"neox": phases}, {"neox": power_of("neox", "grid too coarse")}, {"neox": specifications}, across,
                    integrity_of("neox"), pd.DataFrame(columns=["subject", "roi", "ceiling"]))
        )
    )  # fmt: skip
    for said in (
        "**Undetermined: grid too coarse: 2 checkpoints after step 0", "could be predicted at all is not known",
        "falls by share of the first rise could not be simulated (grid too coarse)",
        "adherence is absent", "one model: nothing to compare.",
        "**Contamination** of the stimulus: not measured",
    ):  # fmt: skip
        assert said.lower() in page.lower(), said
    assert "nan" not in page.lower().replace("not", "") and "None" not in page
    assert "surprisal (bits" not in page and "Legs" not in page.replace("legs", "")


# ---- the two forms of a page ----


class Cells(HTMLParser):
    """Texts of the cells of all tables, by row."""

    def __init__(self):
        super().__init__()
        self.rows, self.inside = [], False

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += data


def cells(html):
    parser = Cells()
    parser.feed(html)
    return [[cell.strip() for cell in row] for row in parser.rows]


AWKWARD = [
    Heading(1, "A page"),
    Text("Model *a*, _b_, `c` and <d> | e with **bold**."),
    Table(["name", "what"], [["a|b", "1 [0, 2]"], ["_x_ alignment_over_step0", "<script>"]]),
    Items(["one", "two\nlines"]),
]


def test_markdown_and_html_hold_the_same_tables(sources):
    render = MarkdownIt("commonmark").enable("table").render
    for blocks in (summary(sources), tables(sources), AWKWARD):
        expected = [row for block in blocks if isinstance(block, Table) for row in (block.head, *block.rows)]
        markdown, html = render(to_markdown(blocks)), to_html(blocks)
        assert cells(markdown) == cells(html) == expected
        assert markdown.count("<table>") == sum(isinstance(block, Table) for block in blocks)


def test_names_are_no_markup():
    markdown, html = MarkdownIt("commonmark").enable("table").render(to_markdown(AWKWARD)), to_html(AWKWARD)
    assert "<em>" not in markdown and "<code>" not in markdown and "<strong>bold</strong>" in markdown
    assert "<d>" not in html and "<script>alert" not in html and "&lt;script&gt;" in html and "<b>bold</b>" in html
    assert markdown.count("<li>") == 2


def test_intervals_end_where_the_range_of_a_measure_does():
    steps = np.array([0.0, 1000.0])
    curve = Trajectory(["a", "b"], steps, steps, np.array([0.0, 1.0]), np.array([0.01, 0.02]))
    assert courses._row("adherence", curve, ["9 items"] * 2, (-1, 1))[-2] == "1.000 [0.961, 1.000]"
    assert courses._row("alignment", curve, ["9 items"] * 2)[-2] == "1.000 [0.961, 1.039]"
