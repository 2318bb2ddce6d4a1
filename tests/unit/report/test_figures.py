"""Figures: places on the token axis, what they say of themselves, and the files that they become."""

import json
import re
import xml.etree.ElementTree as ElementTree

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from figure_checks import DEUTERANOPIA, PROTANOPIA, caption, off_page, overlapping, seen_by, words
from simulated_study import ROIS, STEPS, TOKENS_PER_STEP, content_of, study

from triphase.phases.model import model_phases
from triphase.phases.transitions import Settings
from triphase.report.figures.content import draw_content
from triphase.report.figures.curves import alignment_curves, tidy_curve
from triphase.report.figures.layers import draw_layers
from triphase.report.figures.panels import phase_names
from triphase.report.figures.probes import draw_probes
from triphase.report.figures.rois import draw_rois
from triphase.report.figures.style import CYCLE, TokenAxis, plt, power_of_ten, save, short_tokens
from triphase.report.figures.tasks import chance_level, draw_tasks
from triphase.report.figures.triple import draw_triple
from triphase.table.selection import Selection
from triphase.table.tidy import typed

HEADLINE = {"roi": "language", "tasks": ["agreement", "world"], "adherence": ["world"]}
REGIONS = [{"name": name, "language": name[1:] in ("Temp", "IFG")} for name in ROIS[:5]]
SETTINGS = Settings(simulations=50, draws=50)


def simulated(name="triple", **options):
    table, boot = study({"m": name}, **options)
    return table, boot, model_phases(table, boot, "m", HEADLINE, SETTINGS, 0) | {"excluded": []}


@pytest.fixture(scope="module")
def triple():
    return simulated()


@pytest.mark.parametrize(
    ("tokens", "text"),
    [(0, "0"), (4096, "4.1 k"), (1e6, "1 M"), (2097152, "2.1 M"), (3.496e9, "3.5 B"), (1.4e12, "1.4 T"),
     (999_900, "1 M"), (131072, "130 k")],
)  # fmt: skip
def test_token_counts_in_few_characters(tokens, text):
    assert short_tokens(tokens) == text


def test_step_zero_stands_left_of_the_break_and_the_rest_is_logarithmic():
    axis = TokenAxis([0, 1e3, 1e4, 1e6])
    zero, first, second, last = axis.place([0, 1e3, 1e4, 1e6])
    assert zero < axis.gap < first
    assert last - second == pytest.approx(2 * (second - first))


def test_the_line_is_interrupted_at_the_break():
    figure, panel = plt.subplots()
    TokenAxis([0, 1e3, 1e4]).curve(panel, [1e4, 0, 1e3], [3, 1, 2])
    assert [len(line.get_xdata()) for line in panel.lines] == [2, 1]
    np.testing.assert_allclose(panel.lines[0].get_ydata(), [2, 3])


def test_axis_without_step_zero_has_no_break():
    figure, panel = plt.subplots()
    TokenAxis([1e3, 1e4, 1e5]).apply(panel)
    assert "//" not in [text.get_text() for text in panel.texts]


def test_mean_curve_and_its_interval():
    table, boot = study({"m": "triple"}, subjects=3, noise=0.05)
    found = alignment_curves(table, boot, "language")
    assert list(found.subjects) == ["sub-01", "sub-02", "sub-03"]
    values = [curve.values for curve in found.subjects.values()]
    np.testing.assert_allclose(found.mean.values, np.mean(values, axis=0))
    expected = 1.96 * 0.05 * 0.12 / np.sqrt(3)
    np.testing.assert_allclose(found.half, expected, rtol=0.25)
    assert alignment_curves(table, boot, "nowhere") is None


def test_tidy_curve_keeps_unknown_errors_unknown():
    table, _ = study({"m": "flat"})
    tokens, values, half = tidy_curve(table[table["measure"] == "ceiling"])
    np.testing.assert_array_equal(tokens, STEPS * TOKENS_PER_STEP)
    np.testing.assert_allclose(values, 0.5)
    assert np.isnan(half).all()


@pytest.mark.parametrize(
    ("kinds", "names"),
    [
        ("rise fall rise", "1 alignment,2 detachment,3 realignment"),
        ("plateau rise plateau fall rise plateau", "plateau,1 alignment,plateau,2 detachment,3 realignment,plateau"),
        ("rise plateau", "rise,plateau"),
        ("fall rise", "fall,rise"),
    ],
)
def test_phases_are_named_only_where_there_are_three(kinds, names):
    assert phase_names([{"kind": kind} for kind in kinds.split()]) == names.split(",")


def test_the_triple_figure_says_verdict_n_and_units(triple, tmp_path):
    figure = draw_triple(*triple, "m")
    said = words(figure)
    for text in ("m: three phases supported", "n = 3", "95 % interval", "gain in r", "bits per word", "0 = chance",
                 "n = 100 items", "training tokens", "2 detachment", "3 of 3 subjects"):  # fmt: skip
        assert text in said
    save(figure, tmp_path / "a.png", tmp_path / "a.svg")
    height, width = matplotlib.image.imread(tmp_path / "a.png").shape[:2]
    assert width == pytest.approx(183 / 25.4 * 300, abs=1)  # 183 mm at 300 pixels an inch
    assert height < 247 / 25.4 * 300  # no longer than a page
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    assert any("detachment" in "".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text"))


def test_nothing_reaches_over_the_edge_of_the_page(triple):
    figure = draw_triple(*triple, "m")
    figure.canvas.draw()
    page = figure.bbox
    for panel in figure.axes:
        box = panel.get_legend().get_window_extent()
        assert box.x1 <= page.x1
        assert box.x0 >= panel.get_window_extent().x1


def test_texts_lie_on_the_page_and_not_on_each_other(triple):
    table, boot, phases = triple
    # As long as reasons get: checkpoints without a value, subjects, scale, power.
    long = phases | {"reason": phases["reason"] + "; left out, as not all subjects have a value: step 8 and 7 more" * 8}
    for figure in (
        draw_triple(table, boot, long, "pythia-160m-deduped"),
        draw_rois(table, boot, phases, REGIONS, "pythia-160m-deduped"),
        draw_layers(table, "language", "pythia-160m-deduped"),
        draw_tasks(table, phases, "pythia-160m-deduped"),
        draw_probes(table, phases, "pythia-160m-deduped"),
    ):
        assert not off_page(figure)
        assert not overlapping(figure)


def test_intervals_of_neighbouring_breakpoints_do_not_run_into_each_other(triple):
    table, boot, phases = triple
    figure = draw_triple(table, boot, phases, "m")
    bars = [line for line in figure.axes[0].lines if line.get_transform() == figure.axes[0].get_xaxis_transform()]
    spans = [line.get_ydata()[0] for line in bars if len(line.get_xdata()) == 2 and np.ptp(line.get_xdata())]
    assert len(spans) == 2 and spans[0] != spans[1]


def test_many_layers_are_drawn_and_a_few_of_them_named(triple):
    table, boot, phases = triple
    one = table[(table["measure"] == "intrinsic_dimension") & (table["layer"] == 0)]
    deep = pd.concat([table, *(one.assign(layer=layer) for layer in range(4, 33))], ignore_index=True)
    figure = draw_triple(deep, boot, phases, "m")
    names = [text.get_text() for text in figure.axes[2].get_legend().get_texts()]
    assert len(names) <= 8 and names[0] == "layer 0"
    assert len([line for line in figure.axes[2].lines if len(line.get_xdata()) > 2]) == 33


@pytest.mark.parametrize("cones", [DEUTERANOPIA, PROTANOPIA, np.eye(3)], ids=["deuteranopia", "protanopia", "all"])
def test_colours_of_lines_differ_for_readers_who_lack_a_kind_of_cones(cones):
    seen = [seen_by(colour, cones) for colour in CYCLE]
    distances = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
    assert min(distances) > 10  # a difference of 2 is just noticeable


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1e18, "$10^{18}$"), (3.162e19, r"$3{\cdot}10^{19}$"), (1e3, "$10^{3}$")]
)
def test_flop_are_written_as_powers_of_ten(value, text):
    assert power_of_ten(value) == text


@pytest.mark.parametrize("name", ["triple", "layers", "rois", "tasks", "probes", "content"])
def test_captions_say_n_and_what_is_uncertain(name):
    text = caption(name)
    assert re.search(r"\bn (in the title|words|items|=)|their number in each title|n items", text)
    assert "interval" in text or "standard errors" in text


def test_probes_show_the_best_layer_of_each_concept_and_all_layers(triple):
    table, _, phases = triple
    probe = Selection("selectivity", ("topic",)).rows(table)
    more = [probe.assign(measure=kind, value=0.5 + probe["value"]) for kind in ("probe", "probe_types")]
    of_none = typed(pd.DataFrame({"measure": ["probe_identity"], "target": ["topic"], "value": [0.61]}))
    figure = draw_probes(pd.concat([table, *more, of_none], ignore_index=True), phases, "m")
    said = words(figure)
    for text in ("topic: layer 3, n = 100 words", "95 % interval", "balanced accuracy", "training tokens",
                 "layer (0 = embedding)", "selectivity"):  # fmt: skip
        assert text in said
    assert any(np.allclose(line.get_ydata(), 0.61) for line in figure.axes[1].lines)
    image = next(axis.images[0] for axis in figure.axes if axis.images)
    assert image.get_array().shape == (4, len(STEPS))


@pytest.mark.parametrize("number", [1, 4, 5, 9])
def test_any_number_of_concepts_has_its_maps(triple, number):
    table, _, phases = triple
    one = Selection("selectivity", ("topic",)).rows(table)
    many = pd.concat([one.assign(target=f"c{i}") for i in range(number)], ignore_index=True)
    figure = draw_probes(many, phases, "m")
    assert sum(bool(axis.images) for axis in figure.axes) == number
    assert not off_page(figure)
    assert not overlapping(figure)


def test_probes_of_which_none_could_be_made_are_drawn_in_words(triple):
    table, _, phases = triple
    none = table.assign(value=table["value"].where(table["measure"] != "selectivity"))
    figure = draw_probes(none, phases, "m")
    assert "no probes" in words(figure)


def test_equal_figures_make_equal_files(triple, tmp_path):
    """Of one name: a picture has its place as its title."""
    for folder in ("a", "b"):
        save(draw_tasks(triple[0], triple[2], "m"), *(tmp_path / folder / f"tasks.{kind}" for kind in ("png", "svg")))
    for name in ("tasks.png", "tasks.svg"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_three_checkpoints_without_tasks_or_states_are_drawn_in_words(tmp_path):
    table, boot = study({"m": "one rise"}, steps=np.array([0, 8, 64]), subjects=1)
    kept = table["measure"].isin(["alignment", "gain"])
    table, boot = table[kept], boot.isel(series=boot["measure"].values == "alignment")
    phases = json.loads(json.dumps(model_phases(table, boot, "m", HEADLINE, SETTINGS, 0)))
    phases["excluded"] = []
    figure = draw_triple(table, boot, phases, "m")
    said = words(figure)
    assert "undetermined whether there are three phases" in said
    assert "grid too coarse" in said.lower()
    for text in ("no surprisal", "no intrinsic dimension", "no probes", "no tasks"):
        assert text in said
    save(figure, tmp_path / "triple.png")
    save(draw_tasks(table, phases, "m"), tmp_path / "tasks.png")
    save(draw_layers(table, "language", "m"), tmp_path / "layers.png")
    save(draw_rois(table, boot, phases, REGIONS, "m"), tmp_path / "rois.png")
    save(draw_probes(table, phases, "m"), tmp_path / "probes.png")


def test_checkpoints_that_the_gate_left_out_are_named(triple):
    table, boot, phases = triple
    figure = draw_triple(table, boot, phases | {"excluded": [{"checkpoint": "step512"}]}, "m")
    assert "Left out, not what the name says: step512." in " ".join(words(figure).split())


def test_a_study_without_instructions_says_so():
    table, boot, phases = simulated(adherence=False)
    for figure in (draw_triple(table, boot, phases, "m"), draw_tasks(table, phases, "m")):
        assert "adherence is not measured" in words(figure)


def test_chance_is_what_rescaling_took_for_it():
    table, _ = study({"m": "flat"})
    rescaled = Selection("accuracy_rescaled", ("world",)).rows(table)
    plain = rescaled.assign(measure="accuracy", value=0.25 + 0.75 * rescaled["value"])
    assert chance_level(pd.concat([table, plain]), "world") == pytest.approx(0.25)
    assert np.isnan(chance_level(plain, "world"))


def test_layers_show_the_tables_values(triple):
    figure = draw_layers(triple[0], "language", "m")
    image = figure.axes[0].images[0].get_array()
    rows = triple[0].query("measure == 'gain' and roi == 'language'")
    expected = rows.groupby(["layer", "tokens"])["value"].mean().unstack().to_numpy(float)
    np.testing.assert_allclose(image, expected)
    assert "n = 3 subjects" in words(figure)


def test_controls_of_content_are_curves_with_intervals_over_every_set_and_of_every_part(triple, tmp_path):
    table, boot, phases = triple
    known = content_of("m", table, boot)
    figure = draw_content(*known, phases, "pythia-160m-deduped")
    gains, unique = figure.axes
    labels = [[text.get_text() for text in panel.get_legend().get_texts()] for panel in figure.axes]
    assert len(labels[0]) == 5 and "N1 and static embedding: contextual" in labels[0]
    assert labels[1] == ["the model's layer", "word identity", "its surprisal"]
    drawn = {line.get_label(): line.get_ydata() for line in gains.lines}
    shares = drawn["N1 and static embedding: contextual"] / drawn["rate, length and the like (N1)"]
    np.testing.assert_allclose(shares, 0.5)
    own = {line.get_label(): line.get_ydata() for line in unique.lines}["the model's layer"]
    assert own.max() == pytest.approx(0.06, rel=0.1), "the headline layer's, not a mean with others'"
    assert "n = 3 subjects, 95 % interval" in words(figure)
    assert not off_page(figure) and not overlapping(figure)
    save(figure, tmp_path / "content.png")
    bare = draw_content(table, boot, phases, "m")
    assert "not measured" in words(bare)


def test_every_region_has_its_panel_and_its_n(triple):
    figure = draw_rois(*triple, REGIONS, "m")
    titles = [panel.get_title(loc="left") for panel in figure.axes]
    assert titles[0] == "LTemp (language), 100 voxels"
    assert len(titles) == len(REGIONS) + 2
