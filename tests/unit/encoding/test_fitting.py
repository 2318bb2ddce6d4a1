"""All scores of a layer: the same in any batches, with lost voxels counted and sensitivity analyses beside."""

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from triphase.config.jobs import FitEncoding
from triphase.core.errors import InputError
from triphase.encoding.analyses import OF_FITS
from triphase.encoding.design import Alternative, Design, Masks, design_dataset, read_design
from triphase.encoding.features import delay
from triphase.encoding.fitting import Engine, fit_layer
from triphase.encoding.folds import TRAIN, UNUSED, make_splits
from triphase.encoding.kernels import decompose
from triphase.encoding.memory import batch_size
from triphase.encoding.preparing import Alone, shared_fits
from triphase.encoding.ridge import Search, fit_bands, weight_grid
from triphase.stats.bootstrap import bootstrap_draws, bootstrap_r
from triphase.stats.scoring import correlate

N_RUN, LEAD, DELAYS, OTHER = 130, 2, [1, 2], [1]
RUNS = np.repeat(["r1", "r2", "r3"], N_RUN)
ROIS = [{"name": "A", "language": True}, {"name": "B", "language": False}]
SETTINGS = FitEncoding(
    rois=ROIS, alphas=[-1, 3, 5], band_weights=[0, 0.5, 1], scalings=["zscore", "center"], components=3,
    significance="blocks", permutations=199, boot_draws=150,
    generalise_to="these stimuli", seed=0,
)  # fmt: skip
ENGINE = Engine(backend="numpy")

pytestmark = pytest.mark.usefixtures("one_thread")


def told(**changes):
    """The settings with some of them changed."""
    return FitEncoding(**vars(SETTINGS) | changes)


@pytest.fixture(scope="module")
def study():
    """Three runs, the last held out; two subjects of four voxels: most follow the features, others are noise.

    Gives features, rows, opened shared file, design, targets.
    """
    generator = np.random.default_rng(0)
    grid = 3 * (N_RUN + LEAD)
    features = generator.standard_normal((grid, 6)).astype(np.float32)
    rows = np.concatenate([np.arange(N_RUN) + LEAD + k * (N_RUN + LEAD) for k in range(3)])
    nuisance, other = (generator.standard_normal((len(rows), 3)).astype(np.float32) for _ in range(2))
    outer, inner = make_splits(RUNS, RUNS, ["r3"], {"kind": "fixed", "folds": 2, "inner": 2}, gap=4)
    design = Design(
        runs=RUNS, times=np.tile(np.arange(N_RUN) * 2.0, 3), stimuli=RUNS, tr=2.0, delays=DELAYS, outer=outer,
        inner=inner, bands={"nuisance": nuisance, "lexical": np.stack([nuisance[:, :2] ** 2])}, gap=4, lag=2,
        block_length=20, alternatives={"2-2": Alternative(OTHER, other)},
    )  # fmt: skip
    part = np.where((outer == TRAIN) & (RUNS == "r2"), UNUSED, outer)
    halves = [
        np.where(part == TRAIN, np.where(np.arange(len(rows)) < N_RUN // 2, fold, 3 - fold), UNUSED) for fold in (1, 2)
    ]
    design = replace(design, fewer={"half": Masks(part, [np.vstack(halves).astype(np.int8)])})
    planted = delay(features, rows, DELAYS) @ generator.standard_normal((12, 8))
    y = planted / planted.std(0) + 0.5 * nuisance @ generator.standard_normal((3, 8))
    y += 0.7 * generator.standard_normal(y.shape)
    y[:, [2, 6]] = generator.standard_normal((len(rows), 2))
    y[RUNS == "r3", 7] = 0.5
    y = y.astype(np.float32)
    targets = pd.DataFrame({"subject": ["s1"] * 4 + ["s2"] * 4, "roi": list("AABBABAB")})
    alone = Alone(design, shared_fits(design, np.zeros((1, len(rows), 0))), targets, SETTINGS)
    alone.add(y[:, :5])
    alone.add(y[:, 5:])
    shared = xr.merge([design_dataset(design), alone.dataset()]).assign(responses=(("time", "target"), y))
    return features, rows, shared, design, targets


def test_a_design_is_read_as_it_was_written(study):
    _, _, shared, design, _ = study
    shared.attrs = design_dataset(design).attrs
    again = read_design(shared)
    for field in fields(Design):
        ours, theirs = getattr(design, field.name), getattr(again, field.name)
        if field.name == "alternatives":
            assert ours["2-2"].delays == theirs["2-2"].delays == OTHER
            ours, theirs = ({name: entry.nuisance for name, entry in each.items()} for each in (ours, theirs))
        if field.name == "fewer":
            assert list(ours) == list(theirs) == ["half"]
            ours, theirs = ([masks["half"].outer, *masks["half"].inner] for masks in (ours, theirs))
        if field.name in ("bands", "alternatives"):
            assert list(ours) == list(theirs)
            ours, theirs = list(ours.values()), list(theirs.values())
        for one, other in zip(ours, theirs, strict=True) if isinstance(ours, list) else [(ours, theirs)]:
            np.testing.assert_array_equal(one, other)


def test_fewer_stimuli_train_as_if_the_others_were_not_there(study):
    features, rows, shared, design, targets = study
    found = fit_layer(*study, SETTINGS, ENGINE)
    masks = design.fewer["half"]
    alone = replace(design, outer=masks.outer, inner=masks.inner, fewer={}, alternatives={})
    small = Alone(alone, shared_fits(alone, np.zeros((1, len(rows), 0))), targets, SETTINGS)
    small.add(shared["responses"].values)
    own = xr.merge([design_dataset(alone), small.dataset()]).assign(responses=shared["responses"])
    wanted = fit_layer(features, rows, own, alone, targets, SETTINGS, ENGINE)
    np.testing.assert_allclose(found["gain"][-1], wanted["gain"][0], atol=1e-5)
    np.testing.assert_allclose(found["boot_gain"][:, :, -1], wanted["boot_gain"][:, :, 0], atol=1e-5)


def test_batches_change_nothing(study, monkeypatch):
    whole = fit_layer(*study, SETTINGS, ENGINE)
    monkeypatch.setattr("triphase.encoding.memory.BATCH_VOXELS", (1, 3))
    pieces = fit_layer(*study, SETTINGS, ENGINE)
    xr.testing.assert_allclose(whole, pieces, rtol=1e-4, atol=1e-4)
    assert whole.attrs == pieces.attrs


def test_what_follows_the_features_is_found_and_a_constant_voxel_keeps_its_place(study):
    found = fit_layer(*study, SETTINGS, ENGINE)
    good, lost, gain = np.array([0, 1, 3, 4, 5]), 7, found["gain"][0]
    assert (gain[good] > 0.1).all() and (found["q"][good] < 0.05).all() and (found["p_fwer"][good] < 0.05).all()
    assert abs(gain[2]) < 0.15
    assert found.attrs["without_score"] == 1
    for name in ("r", "r_llm", "gain", "p", "q", "p_fwer"):
        values = found[name].values
        assert np.isnan(values[..., lost]).all() and np.isfinite(values[..., :lost]).all(), name
    np.testing.assert_allclose(found["r_llm"] + found["r_nuisance"], found["r"], atol=1e-6)
    np.testing.assert_allclose(found["r"] - found["r_nuisance_alone"], gain, atol=1e-6)


def test_draws_of_regions_stand_around_their_means(study):
    found = fit_layer(*study, SETTINGS, ENGINE)
    choices = zip(*(found[key].values.tolist() for key in OF_FITS), strict=True)
    others = [("headline", "N1", ""), ("headline", "N2", ""), ("2-2 s", "N1", ""), ("headline", "N1", "half")]
    zscore = [("zscore", *other) for other in others]
    assert list(choices) == [*zscore[:2], ("center", *others[0]), *zscore[2:]]
    gains = found["boot_gain"].sel(listener="s1", region="A")
    scores = {name: (found["gain"][name], gains[name]) for name in range(5)}
    scores["r"] = found["r"], found["boot_r"].sel(listener="s1", region="A")
    for name, (score, draws) in scores.items():
        assert abs(draws.mean() - score[:2].mean()) < 3 * draws.std() + 0.02, name
    first, *others = found.attrs["kernels"]
    assert first["top_share"] < first["effective_rank"] and 1 < first["effective_rank"] <= 12
    assert [(kernel["scaling"], kernel["delays"]) for kernel in others] == [("center", "headline"), ("zscore", "2-2 s")]


@pytest.mark.parametrize(
    ("place", "delays", "names"),
    [(0, DELAYS, ["nuisance"]), (1, DELAYS, ["nuisance", "lexical"]), (3, OTHER, ["2-2"])],
)  # fmt: skip
def test_draws_of_a_gain_are_those_of_both_fits_voxel_by_voxel(study, place, delays, names):
    features, rows, shared, design, targets = study
    y, weights, alphas = shared["responses"].values, SETTINGS.band_weights, np.logspace(*SETTINGS.alphas)
    bands = [design.bands[name] if name in design.bands else design.alternatives[name].nuisance for name in names]
    counts = bootstrap_draws(design.block_sizes, design.groups, SETTINGS.boot_draws, SETTINGS.seed)
    spectra, r, draws = decompose(features, rows, delays, design.outer, design.inner, backend="numpy"), [], []
    for wide in (spectra, None):
        grid = weight_grid(weights, len(bands) + (wide is not None))
        made = fit_bands(wide, bands, y, design.outer, design.inner, Search(alphas, grid))[0]
        r.append(correlate(made, y, design.segments)[0])
        draws.append(bootstrap_r(made.sum(0), y, design.blocks, counts))
    found = fit_layer(*study, SETTINGS, ENGINE)
    np.testing.assert_allclose(found["gain"][place], r[0] - r[1], atol=1e-6)
    difference = draws[0] - draws[1]
    for listener, region, voxels in (("s1", "A", [0, 1]), ("s2", "all", [4, 5, 6]), ("s2", "B", [5])):
        ours = found["boot_gain"].sel(listener=listener, region=region)[place]
        np.testing.assert_allclose(ours, difference[:, voxels].mean(1), atol=1e-6)
    if place == 0:
        ours = found["boot_r"].sel(listener="s1", region="B")
        np.testing.assert_allclose(ours, draws[0][:, [2, 3]].mean(1), atol=1e-6)


def test_draws_for_new_stimuli_are_wider_by_what_training_scans_contribute(study):
    frozen, new = (fit_layer(*study, told(generalise_to=to), ENGINE) for to in ("these stimuli", "new stimuli"))
    assert "training" not in frozen
    influence = new["training"].values
    assert influence.shape == (8, 8), "two runs are cut in four"
    np.testing.assert_allclose(influence[:, :7].mean(0), 0, atol=1e-6)
    np.testing.assert_array_equal(new["r"], frozen["r"])
    wider = new["boot_r"].std("draw") / frozen["boot_r"].std("draw")
    assert (wider > 0.97).all()
    assert wider.mean() > 1.01


def test_both_solvers_give_the_same_scores(study):
    ours, himalaya = (fit_layer(*study, SETTINGS, replace(ENGINE, solver=name)) for name in ("lowrank", "himalaya"))
    for name in ("r", "gain", "cv_score"):
        np.testing.assert_allclose(ours[name], himalaya[name], atol=2e-4, err_msg=name)


def test_shifts_are_used_where_asked_and_need_room(study):
    with pytest.raises(InputError, match=r"stretches of \[130\] scans have 127 circular shifts .* fewer than 500"):
        fit_layer(*study, told(significance="shifts"), ENGINE)


@pytest.mark.parametrize(("n_scans", "n_draws"), [(1500, 1000), (22_000, 99)])
def test_a_batch_of_voxels_fits_its_memory(n_scans, n_draws):
    size = batch_size(n_scans, n_draws)
    assert size > 256 and size * 4 * (6 * n_scans + 4 * n_draws) <= 2**29


def test_a_subject_without_any_score_is_told(study):
    features, rows, shared, design, targets = study
    y = shared["responses"].values.copy()
    y[:, 4:] = np.nan
    with pytest.raises(InputError, match="dataset/subjects: of s2 no voxel has a score of this layer"):
        fit_layer(features, rows, shared.assign(responses=(("time", "target"), y)), design, targets, SETTINGS, ENGINE)
    alone = Alone(design, shared_fits(design, np.zeros((1, len(rows), 0))), targets, SETTINGS)
    alone.add(y)
    with pytest.raises(InputError, match="of s2 no voxel has a score of the nuisance bands"):
        alone.dataset()


def test_predictions_that_overflow_are_an_error_and_the_bounds_of_penalties_do_not(study):
    with pytest.raises(InputError, match="encoding/alphas: predictions overflow with penalties of 1e-300"):
        fit_layer(*study, told(alphas=[-300, 300, 3], scalings=["center"]), ENGINE)
    found = fit_layer(*study, told(alphas=[-10, 20, 4], scalings=["center"]), ENGINE)
    assert np.isfinite(found["r"].values[:7]).all()
