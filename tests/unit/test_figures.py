"""Figures: places on the token axis, what they say of themselves, and the files that they become."""

import json
import xml.etree.ElementTree as ElementTree

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from simulated_study import ROIS, STEPS, TOKENS_PER_STEP, course, study

from triphase.figures.brain import draw_brain, to_image, turning_points
from triphase.figures.curves import subject_curves, tidy_curve
from triphase.figures.layers import draw_layers
from triphase.figures.rois import draw_rois
from triphase.figures.style import TokenAxis, plt, save, short_tokens
from triphase.figures.tasks import chance_level, draw_tasks
from triphase.figures.triple import draw_triple, phase_names
from triphase.phases.model import model_phases
from triphase.phases.transitions import Settings

HEADLINE = {"measure": "alignment", "roi": "language", "tasks": ["agreement", "world"], "adherence": ["world"]}
REGIONS = [{"name": name, "language": name[1:] in ("Temp", "IFG")} for name in ROIS[:5]]
SETTINGS = Settings(calibration=50, power=20, draws=50)


def simulated(name="triple", **options):
    table, boot = study({"m": name}, **options)
    return table, boot, model_phases(table, boot, "m", HEADLINE, SETTINGS, 0) | {"excluded": []}


@pytest.fixture(scope="module")
def triple():
    return simulated()


def words(figure):
    return " ".join(text.get_text() for text in figure.findobj(plt.Text) if text.get_visible())


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
    plt.close(figure)


def test_axis_without_step_zero_has_no_break():
    figure, panel = plt.subplots()
    TokenAxis([1e3, 1e4, 1e5]).apply(panel)
    assert "//" not in [text.get_text() for text in panel.texts]
    plt.close(figure)


def test_mean_curve_and_its_interval():
    table, boot = study({"m": "triple"}, subjects=3, noise=0.05)
    mean, curves = subject_curves(table, boot, "alignment", "language")
    assert list(curves) == ["sub-01", "sub-02", "sub-03"]
    np.testing.assert_allclose(mean["values"], np.mean([curve["values"] for curve in curves.values()], axis=0))
    expected = 1.96 * 0.05 * 0.12 / np.sqrt(3)
    np.testing.assert_allclose(mean["half"], expected, rtol=0.25)
    assert subject_curves(table, boot, "alignment", "nowhere") == (None, {})


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
    for text in ("m: three transitions supported", "n = 3", "95 % interval", "gain in r", "bits per word", "0 = chance",
                 "n = 100 items", "training tokens", "2 detachment", "3 of 3 subjects"):  # fmt: skip
        assert text in said
    save(figure, tmp_path / "a.png", tmp_path / "a.svg")
    height, width = matplotlib.image.imread(tmp_path / "a.png").shape[:2]
    assert width >= 1200
    assert height >= 1200
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
    plt.close(figure)


def test_equal_figures_make_equal_files(triple, tmp_path):
    for name in ("a", "b"):
        save(draw_tasks(triple[0], triple[2], "m"), tmp_path / f"{name}.png", tmp_path / f"{name}.svg")
    for suffix in ("png", "svg"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_three_checkpoints_without_tasks_or_states_are_drawn_in_words(tmp_path):
    table, boot = study({"m": "one rise"}, steps=np.array([0, 8, 64]), subjects=1)
    kept = table["measure"].isin(["alignment", "gain"])
    table, boot = table[kept], boot.isel(series=boot["measure"].values == "alignment")
    phases = json.loads(json.dumps(model_phases(table, boot, "m", HEADLINE, SETTINGS, 0)))
    phases["excluded"] = []
    figure = draw_triple(table, boot, phases, "m")
    said = words(figure)
    assert "three transitions undetermined" in said
    assert "grid too coarse" in said.lower()
    for text in ("no surprisal", "no intrinsic dimension", "no probes", "no tasks"):
        assert text in said
    save(figure, tmp_path / "triple.png")
    save(draw_tasks(table, phases, "m"), tmp_path / "tasks.png")
    save(draw_layers(table, "language", "m"), tmp_path / "layers.png")
    save(draw_rois(table, boot, phases, REGIONS, "m"), tmp_path / "rois.png")


def test_checkpoints_that_the_gate_left_out_are_named(triple):
    table, boot, phases = triple
    figure = draw_triple(table, boot, phases | {"excluded": [{"checkpoint": "step512"}]}, "m")
    assert "Left out, not what the name says: step512." in " ".join(words(figure).split())


def test_a_study_without_instructions_says_so():
    table, boot, phases = simulated(adherence=False)
    for figure in (draw_triple(table, boot, phases, "m"), draw_tasks(table, phases, "m")):
        assert "adherence is not measured" in words(figure)
        plt.close(figure)


def test_chance_is_what_rescaling_took_for_it():
    table, _ = study({"m": "flat"})
    rescaled = table[table["measure"] == "accuracy_rescaled/world"]
    plain = rescaled.assign(measure="accuracy/world", value=0.25 + 0.75 * rescaled["value"])
    assert chance_level(pd.concat([table, plain]), "world") == pytest.approx(0.25)
    assert np.isnan(chance_level(plain, "world"))


def test_layers_show_the_tables_values(triple):
    figure = draw_layers(triple[0], "language", "m")
    image = figure.axes[0].images[0].get_array()
    rows = triple[0].query("measure == 'gain' and roi == 'language'")
    expected = rows.groupby(["layer", "tokens"])["value"].mean().unstack().to_numpy(float)
    np.testing.assert_allclose(image, expected)
    assert "n = 3 subjects" in words(figure)
    plt.close(figure)


def test_every_region_has_its_panel_and_its_n(triple):
    figure = draw_rois(*triple, REGIONS, "m")
    titles = [panel.get_title(loc="left") for panel in figure.axes]
    assert titles[0] == "LTemp (language), 100 voxels"
    assert len(titles) == len(REGIONS) + 2
    plt.close(figure)


def test_turning_points_are_the_checkpoints_nearest_to_the_breakpoints():
    tokens = np.array([0, 10, 100, 1000, 10000])
    assert turning_points(tokens, [100, 1000]) == [0, 2, 3, 4]
    assert turning_points(tokens, []) == [0, 2, 4]
    assert turning_points(tokens, [10, 100, 1000]) == [0, 1, 2, 4]
    assert turning_points(tokens[:1], []) == [0]


def test_voxels_land_on_their_coordinates_and_shared_places_are_averaged():
    xyz = np.array([[-60.0, 0, 12], [-48, 0, 12], [0, -24, 24], [0, -24, 24], [np.nan, 0, 0]])
    image = to_image(np.array([1.0, 2.0, 3.0, 5.0, 9.0]), xyz)
    data = image.get_fdata()
    for place, value in (([-60, 0, 12], 1), ([-48, 0, 12], 2), ([0, -24, 24], 4)):
        index = np.linalg.solve(image.affine, [*place, 1])[:3].round().astype(int)
        assert data[tuple(index)] == value
    assert np.count_nonzero(data) == 3


def test_brain_maps_are_drawn_for_levels_and_changes(triple, tmp_path):
    grid = np.stack(np.meshgrid(*[np.arange(-48, 49, 24.0)] * 3, indexing="ij"), -1).reshape(-1, 3)
    gain = 0.1 * np.r_[0, course("triple", 9)][:, None] * (grid[:, 0] < 0)
    maps = xr.Dataset(
        {"gain": (("checkpoint", "target"), gain)},
        coords={name: ("target", grid[:, i]) for i, name in enumerate("xyz")}
        | {"subject": ("target", ["sub-01"] * len(grid)), "tokens": ("checkpoint", STEPS * TOKENS_PER_STEP)},
    )
    figure = draw_brain(maps, triple[2], "m")
    said = words(figure)
    assert "33 k tokens" in said
    assert "33 k → 130 k" in said
    assert "n = 1 subject" in said
    save(figure, tmp_path / "brain.png")
