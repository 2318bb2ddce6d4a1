"""Brain maps of phases: what is fitted, where it lies on the surface, and what the figures and the page say."""

import base64
import gzip
import json
import re

import numpy as np
import pytest
import xarray as xr
from figure_checks import caption, off_page, overlapping, words
from simulated_study import STEPS, TOKENS_PER_STEP, course

from triphase.core.artefacts import write_arrays
from triphase.report.figures.brain import draw_brain, draw_changes
from triphase.report.figures.glass import to_image
from triphase.report.figures.phase_maps import Map, colour_limit, fitted_levels, measured, phase_maps, places
from triphase.report.figures.style import plt, save
from triphase.report.figures.surface import (
    HEMISPHERES,
    VIEWS,
    mesh,
    on_surface,
    picture,
    projection,
    vertices_on_surface,
)
from triphase.report.figures.surface_page import draw_surface, packed, view

TOKENS = STEPS * TOKENS_PER_STEP
TURNS = TOKENS[[1, 4, 6, 9]]
SEGMENTS = [
    {"kind": kind, "from": int(a), "to": int(b)}
    for kind, a, b in zip(("rise", "fall", "rise"), TURNS[:-1], TURNS[1:], strict=True)
]
TRIPLE = {"segments": SEGMENTS, "knots": TURNS[1:3].tolist()}
NO_FIT = {"segments": [], "knots": []}


def maps_of(xyz, gain, tokens=TOKENS, subjects=("sub-01",), q=0.0):
    names = np.repeat(subjects, -(-len(xyz) // len(subjects)))[: len(xyz)]
    return xr.Dataset(
        {"gain": (("checkpoint", "target"), gain), "q": (("checkpoint", "target"), np.full(gain.shape, q))},
        coords={name: ("target", xyz[:, i]) for i, name in enumerate("xyz")}
        | {"subject": ("target", names), "tokens": ("checkpoint", tokens)},
        attrs={"model": "m"},
    )


def a_map(values):
    return Map("", "", values, np.ones(len(values), bool))


def of_study(folder, *models):
    """Paths of the maps of all models, and their phases, as a figure of the study is given them."""
    paths = [str(folder / f"{maps.attrs['model']}.zarr.zip") for maps in models]
    for path, maps in zip(paths, models, strict=True):
        write_arrays(path, maps)
    return paths, {maps.attrs["model"]: TRIPLE for maps in models}


@pytest.fixture(scope="module")
def volume():
    """Voxels of 8 mm over the whole brain; the left half goes through three phases."""
    axes = [np.arange(low, high, 8.0) for low, high in ((-70, 71), (-100, 71), (-40, 77))]
    xyz = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    gain = 0.1 * np.r_[-0.1, course("triple", 9)][:, None] * (xyz[:, 0] < 0)
    return maps_of(xyz, gain + 0.002 * np.random.default_rng(0).standard_normal(gain.shape))


def test_a_voxels_levels_are_those_of_its_own_fit_at_the_headlines_breakpoints():
    t = np.log10(TOKENS[1:])
    truth = np.interp(t, np.log10(TURNS), [0, 1, 0.4, 0.9])
    gain = np.r_[7.0, truth][:, None] * [1.0, -2.0]  # step 0 is not in the fit
    levels = fitted_levels(TOKENS.astype(float), gain, TRIPLE["knots"], TURNS)
    np.testing.assert_allclose(levels[:, 0], [0, 1, 0.4, 0.9], atol=1e-12)
    np.testing.assert_allclose(levels[:, 1], -2 * levels[:, 0], atol=1e-12)


def test_levels_and_changes_add_up_and_are_named(volume):
    levels, changes = phase_maps(volume, TRIPLE)
    assert [each.name for each in levels] == ["start", "after 1 alignment", "after 2 detachment", "after 3 realignment"]
    assert [each.name for each in changes] == [
        "1 alignment",
        "2 detachment",
        "3 realignment",
        "end − after 1 alignment",
    ]
    assert changes[1].detail == "33 k → 130 k tokens"
    for i in range(3):
        np.testing.assert_allclose(levels[i].values + changes[i].values, levels[i + 1].values, atol=1e-12)
    np.testing.assert_allclose(changes[3].values, levels[3].values - levels[1].values, atol=1e-12)
    left = volume["x"].values < 0
    assert [round(each.values[left].mean() / 0.1, 1) for each in changes] == [1.0, -0.5, 0.6, 0.1]


def test_without_a_fit_the_first_and_the_last_checkpoint_are_drawn_as_measured(volume):
    levels, changes = phase_maps(volume, NO_FIT)
    assert [each.detail for each in levels] == ["0 tokens", "1 M tokens"]
    np.testing.assert_array_equal(levels[1].values, volume["gain"].values[-1])
    assert len(changes) == 1


def test_voxels_without_a_place_or_a_gain_and_checkpoints_without_any_are_left_out():
    xyz = np.array([[0.0, 0, 0], [np.nan, 0, 0], [8, 0, 0]])
    gain = np.ones((10, 3))
    gain[3], gain[4, 2] = np.nan, np.nan
    kept = measured(maps_of(xyz, gain))
    assert kept["gain"].shape == (9, 1)


def test_the_scale_is_symmetric_and_ends_where_one_in_a_hundred_values_lies_beyond():
    values = np.linspace(-1, 0.5, 1001)
    assert colour_limit([a_map(values), a_map(values / 2)]) == pytest.approx(0.97, abs=0.01)
    assert colour_limit([a_map(np.zeros(5))]) > 0 and colour_limit([]) > 0
    assert colour_limit([a_map(np.full(9, 0.1234))]) == 0.13  # two digits, upwards


def test_a_volume_lands_on_the_vertices_inside_it_and_keeps_its_size_at_the_border(volume):
    xyz = places(volume)
    front = xyz[xyz[:, 1] > 0]
    found = on_surface([front[:, 0]], front, "mni")[0]
    for side in HEMISPHERES:
        vertices, values = mesh("pial", side)[0], found[side]
        inside = np.isfinite(values)
        assert inside[vertices[:, 1] > 8].mean() > 0.9
        assert not inside[vertices[:, 1] < -10].any()
        # The value is the voxel's own x; averaged between white matter and pial surface.
        assert np.abs(values[inside] - vertices[inside, 0]).max() < 8


def test_vertices_of_two_subjects_are_averaged_on_their_own_places():
    xyz = np.concatenate([mesh("pial", side)[0] for side in HEMISPHERES])
    values = np.concatenate([np.arange(len(xyz)), np.arange(len(xyz)) + 2.0])[None]
    found = vertices_on_surface(values[:, :-1], np.concatenate([xyz, xyz])[:-1])[0]
    both = np.concatenate([found[side] for side in HEMISPHERES])
    np.testing.assert_allclose(both[:-1], np.arange(len(xyz))[:-1] + 1)
    assert both[-1] == len(xyz) - 1


@pytest.mark.parametrize("view", VIEWS)
def test_a_picture_has_no_holes_and_its_front_where_it_belongs(view):
    shape, pixels, corners, weights = projection(view)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    seen = np.zeros(shape, bool)
    seen.flat[pixels] = True
    # Between the first and the last pixel of a row there is brain (but for a few rows at the temporal pole).
    gaps = [row[row.argmax() : len(row) - row[::-1].argmax()] for row in seen if row.any()]
    assert np.concatenate(gaps).mean() > 0.97
    y = mesh("infl", VIEWS[view][0])[0][corners[:, 0], 1]
    column = pixels % shape[1]
    front_is_left = np.corrcoef(column, y)[0, 1] < -0.99
    assert front_is_left == (view in ("left, lateral", "right, medial"))


def test_colours_of_a_picture_are_those_of_the_scale():
    values = np.full(len(mesh("infl", "left")[0]), 0.05)
    image = picture("left, lateral", values, np.ones(len(values), bool), 0.1)
    expected = plt.get_cmap("RdBu_r")(0.75)
    np.testing.assert_allclose(image[image[..., 3] > 0], np.broadcast_to(expected, (int(image[..., 3].sum()), 4)))
    unknown = picture("left, lateral", np.full_like(values, np.nan), np.ones(len(values), bool), 0.1)
    assert np.ptp(unknown[..., :3], axis=-1).max() < 1e-9  # the folds are grey


@pytest.mark.parametrize("space", ["mni", "fsaverage5"])
def test_maps_say_n_units_phases_and_how_far_colours_go(volume, space, tmp_path):
    if space == "fsaverage5":
        xyz = np.concatenate([mesh("pial", side)[0] for side in HEMISPHERES])
        volume = maps_of(xyz, 0.1 * np.r_[0, course("triple", 9)][:, None] * (xyz[:, 0] < 0), subjects=("a", "b"))
    figure = draw_changes(volume, TRIPLE, *of_study(tmp_path, volume), space, "m")
    said = words(figure)
    n = "n = 1 subject;" if space == "mni" else "n = 2 subjects;"
    for text in (n, "change of gain in r", "2 detachment", "33 k → 130 k tokens", "faded: q of r > 0.05",
                 "left, lateral", "same scale for all models"):  # fmt: skip
        assert text in said
    assert ("glass brain" in said) == (space == "mni")
    assert not off_page(figure)
    assert not overlapping(figure)
    bar = figure.axes[-1]
    assert -bar.get_xlim()[0] == bar.get_xlim()[1] == pytest.approx(colour_limit(phase_maps(volume, TRIPLE)[1]))
    save(figure, tmp_path / "a.png", tmp_path / "a.svg")
    assert (tmp_path / "a.svg").stat().st_size < 4e6


def test_nothing_to_map_is_said_in_words(volume, tmp_path):
    one = volume.isel(checkpoint=[0])
    assert phase_maps(measured(one), NO_FIT) == ([], [])
    nowhere = measured(maps_of(np.full((4, 3), np.nan), np.ones((10, 4))))
    assert phase_maps(nowhere, TRIPLE) == ([], [])
    figure = draw_brain(nowhere, TRIPLE, *of_study(tmp_path, nowhere), "mni", "m")
    assert "nothing to map" in words(figure)
    assert "nothing to map" in draw_surface(nowhere, TRIPLE, *of_study(tmp_path, nowhere), "mni", "m")


def unpacked(page):
    return json.loads(gzip.decompress(base64.b64decode(re.search(r'unpack\("([^"]+)"\)', page)[1])))


def test_the_page_has_a_view_of_each_map_and_asks_for_nothing(volume, tmp_path):
    page = draw_surface(volume, TRIPLE, *of_study(tmp_path, volume), "mni", "m <1>")
    assert "m &lt;1&gt;" in page and "n = 1 subject" in page
    assert re.findall(r"<button>(.+?)</button>", page)[1] == "2 detachment (33 k → 130 k tokens)"
    head, tail, middles = unpacked(page)
    assert len(middles) == 4
    for text in (page, head + middles[2] + tail):
        assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)\s*=\s*['\"]?http", text)
    assert "Plotly" in head + middles[2] + tail
    # The first rise is the largest change; colours carry no shadow.
    assert "show(0)" in page and "ambient: 1" in head + middles[2] + tail


def test_models_share_their_scale_and_what_is_not_predicted_is_faded(volume, tmp_path):
    larger = volume.assign(gain=3 * volume["gain"]).assign_attrs(model="large")
    study = of_study(tmp_path, volume, larger)
    limits = {draw_changes(maps, TRIPLE, *study, "mni", "x").axes[-1].get_xlim() for maps in (volume, larger)}
    assert limits == {(-colour_limit(phase_maps(larger, TRIPLE)[1]), colour_limit(phase_maps(larger, TRIPLE)[1]))}
    unsure = volume.assign(q=volume["q"].where(volume["x"] > -40, 0.5))
    for each in sum(phase_maps(unsure, TRIPLE), []):
        np.testing.assert_array_equal(each.predicted, volume["x"] > -40)
    values = np.full(len(mesh("infl", "left")[0]), 0.1)
    sure, faded = (picture("left, lateral", values, np.full(len(values), known), 0.1) for known in (True, False))
    brain = sure[..., 3] > 0
    assert (faded[brain][:, 1] > sure[brain][:, 1]).all()  # dark red, mixed with grey


def test_the_page_stays_below_what_browsers_take_of_a_data_address():
    rng = np.random.default_rng(0)
    surfaces = [{side: rng.standard_normal(len(mesh("infl", side)[0])) for side in HEMISPHERES} for _ in range(6)]
    # As many changes as there can be, with nothing to compress in them, and 4 kB of page around them.
    pages = packed([view(values, 4) for values in surfaces])
    assert len(base64.b64encode(pages.encode())) < 2**21 - 6000


def test_voxels_land_on_their_coordinates_and_shared_places_are_averaged():
    xyz = np.array([[-60.0, 0, 12], [-48, 0, 12], [0, -24, 24], [0, -24, 24], [np.nan, 0, 0]])
    image = to_image(np.array([1.0, 2.0, 3.0, 5.0, 9.0]), xyz)
    data = image.get_fdata()
    for place, value in (([-60, 0, 12], 1), ([-48, 0, 12], 2), ([0, -24, 24], 4)):
        index = np.linalg.solve(image.affine, [*place, 1])[:3].round().astype(int)
        assert data[tuple(index)] == value
    assert np.count_nonzero(data) == 3


@pytest.mark.parametrize("name", ["brain", "changes", "surface"])
def test_captions_say_n_units_and_that_there_is_no_interval(name):
    text = caption(name)
    for said in ("n subjects", "interval", "colour scale"):
        assert said in text
