"""Ceilings: known reliabilities by construction, brute force for the correlation between listeners."""

from itertools import combinations

import numpy as np
import pytest
from scipy.signal import lfilter

from triphase.core.errors import InputError
from triphase.responses import ceiling_intervals
from triphase.responses.ceiling import (
    fisher_mean,
    hearings,
    leave_one_out,
    r_max,
    reliability_from_repeats,
    spearman_brown,
    split_runs,
)
from triphase.responses.ceiling_intervals import Blocks, interval, measure_ceiling, repeat_draws
from triphase.stats.scoring import LARGEST_R, pearson

ONCE = [{"name": "run-1", "stimulus": "one"}, {"name": "run-2", "stimulus": "two"}]
TWICE = [*ONCE, {"name": "run-3", "stimulus": "one"}]
SETTINGS = {"rois": [{"name": "A", "language": True}], "tr": 2.0, "seed": 0}


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def series(rng, n, voxels, share=1.0, smooth=0.5):
    """Autocorrelated noise of variance `share`, (n, voxels)."""
    noise = rng.normal(size=(n + 50, voxels)) * np.sqrt(share * (1 - smooth**2))
    return lfilter([1], [1, -smooth], noise, axis=0)[50:]


def measured(data, layouts, runs, *, draws=200, block_seconds=20, **keywords):
    """Ceilings of arrays in memory; voxels and regions."""
    for name, layout in layouts.items():
        layout.setdefault("scans", {run: len(values) for run, values in data[name].items()})

    def open_runs(subject, names, voxels):
        return {run: data[subject][run][:, voxels] for run in names}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ceiling_intervals, "BOOTSTRAP_DRAWS", draws)
        patch.setattr(ceiling_intervals, "BLOCK_SECONDS", block_seconds)
        return measure_ceiling(open_runs, layouts, runs, **{**SETTINGS, **keywords})


def layout(roi=("A", "B", "C"), valid=True, shift=0.0):
    place = np.arange(len(roi), dtype=float) + shift
    return {"roi": np.array(list(roi)), "x": place, "y": place, "z": place, "valid": np.full(len(roi), valid)}


def test_fisher_mean_weights_by_length():
    expected = np.tanh((100 * np.arctanh(0.2) + 300 * np.arctanh(0.6)) / 400)
    np.testing.assert_allclose(fisher_mean([np.array([0.2]), np.array([0.6])], [100, 300]), [expected])
    assert fisher_mean([np.array([1.0])], [10]) == pytest.approx(LARGEST_R)


def test_hearings_are_the_repeated_stimuli():
    assert hearings(TWICE) == {"one": ["run-1", "run-3"]}
    assert hearings(ONCE) == {}


@pytest.mark.parametrize("share", [0.1, 0.4, 0.8])
def test_reliability_is_the_share_of_variance_that_repeats(rng, share):
    n, voxels = 400, 300
    signal = rng.normal(size=(n, voxels)) * np.sqrt(share)
    by_run = {name: signal + rng.normal(size=(n, voxels)) * np.sqrt(1 - share) for name in ("run-1", "run-3")}
    assert reliability_from_repeats(by_run, hearings(TWICE)).mean() == pytest.approx(share, abs=0.02)


def test_reliability_is_the_mean_over_pairs_and_the_corrected_explainable_variance(rng):
    n, names = 120, list("abcde")
    signal = rng.normal(size=(n, 6))
    by_run = {name: 3 * k + (k + 1) * (signal + rng.normal(size=(n, 6))) for k, name in enumerate(names)}
    found = reliability_from_repeats(by_run, {"one": names})
    pairs = [pearson(by_run[a], by_run[b]) for a, b in combinations(names, 2)]
    np.testing.assert_allclose(found, np.mean(pairs, axis=0))
    # Schoppe et al. 2016 / Huth: 1 - residual variance, less the bias of N hearings
    unit = np.stack([(v - v.mean(0)) / v.std(0) for v in by_run.values()])
    explained = 1 - (unit - unit.mean(0)).var(axis=(0, 1))
    np.testing.assert_allclose(found, explained - (1 - explained) / (len(names) - 1), atol=1e-10)


def test_spearman_brown_is_the_reliability_of_a_mean(rng):
    assert spearman_brown(0.3, 1) == pytest.approx(0.3) and spearman_brown(0.5, 2) == pytest.approx(2 / 3)
    n, k, share = 300, 5, 0.2
    signal = rng.normal(size=(n, 400)) * np.sqrt(share)
    means = [signal + rng.normal(size=(n, 400)) * np.sqrt((1 - share) / k) for _ in range(2)]
    assert pearson(*means).mean() == pytest.approx(spearman_brown(share, k), abs=0.01)


def test_ceiling_is_what_the_true_signal_scores_on_single_hearings(rng):
    n, voxels, share = 300, 200, 0.3
    signal = rng.normal(size=(n, voxels))
    by_run = {name: signal * np.sqrt(share) + rng.normal(size=(n, voxels)) * np.sqrt(1 - share) for name in ("a", "b")}
    runs = [{"name": name, "stimulus": "one"} for name in ("a", "b")]
    table, regions = measured({"s1": by_run}, {"s1": layout(["A"] * voxels)}, runs)
    scored = fisher_mean([pearson(signal, by_run["a"]), pearson(signal, by_run["b"])], [n, n])
    assert table["ceiling"].mean() == pytest.approx(scored.mean(), abs=0.01)
    assert set(table["kind"]) == {"repeats"}
    np.testing.assert_allclose(table["ceiling"] ** 2, table["reliability"].clip(lower=0))
    mine = regions[regions["subject"] == "s1"].set_index("roi").loc["A"]
    assert mine["ceiling"] == pytest.approx(np.sqrt(table["reliability"].mean())) and mine["n_voxels"] == voxels
    assert mine["low"] < np.sqrt(share) < mine["high"]
    # With one subject the group is that subject.
    group = regions[regions["subject"] == "group"].set_index("roi").loc["A"]
    np.testing.assert_allclose(
        group[["ceiling", "low", "high"]].astype(float), mine[["ceiling", "low", "high"]].astype(float)
    )


def test_hearings_of_unequal_length_are_compared_over_what_they_share(rng):
    signal = rng.normal(size=(80, 3))
    reliability = reliability_from_repeats({"run-1": signal, "run-3": signal[:77]}, hearings(TWICE))
    np.testing.assert_allclose(reliability, 1, atol=1e-5)


def brute_force(series):
    """Leave-one-out correlation by the definition, voxel by voxel."""
    subjects, voxels = len(series), next(iter(series[0].values())).shape[1]
    out = np.full((subjects, voxels), np.nan)
    for s in range(subjects):
        for v in range(voxels):
            z, weight = 0.0, 0
            for run in series[s]:
                length = min(len(other[run]) for other in series)
                own = series[s][run][:length, v]
                others = [o[run][:length, v] for o in series[:s] + series[s + 1 :] if np.isfinite(o[run][:, v]).all()]
                if others and np.isfinite(own).all():
                    z += length * np.arctanh(np.corrcoef(own, np.mean(others, axis=0))[0, 1])
                    weight += length
            out[s, v] = np.tanh(z / weight) if weight else np.nan
    return out


def test_leave_one_out_is_the_brute_force(rng, monkeypatch):
    series = [{"run-1": rng.normal(size=(40 + s, 5)), "run-2": rng.normal(size=(60 - s, 5))} for s in range(4)]
    for subject in series:
        subject["run-1"][:, 0] += 2 * np.sin(np.arange(len(subject["run-1"])))
    for run in ("run-1", "run-2"):
        series[1][run][:, 3] = np.nan
        for s in (0, 2, 3):
            series[s][run][:, 4] = np.nan
    result = leave_one_out(lambda: iter(series))
    np.testing.assert_allclose(result, brute_force(series), atol=1e-6)
    # Voxel 3 is missing in subject 1; voxel 4 is there in subject 1 alone, so nobody can be compared.
    assert np.isnan(result[1, 3]) and np.isfinite(result[0, 3]) and np.isnan(result[:, 4]).all()
    # The same through the study's tables, however few voxels are in memory at a time.
    monkeypatch.setattr(ceiling_intervals, "VOXEL_BATCH", 2)
    monkeypatch.setattr(ceiling_intervals, "voxel_batches", lambda voxels, scans: [slice(0, 3), slice(3, voxels)])
    data = {f"s{s}": each for s, each in enumerate(series)}
    table, regions = measured(data, {name: layout(["A"] * 5) for name in data}, ONCE)
    np.testing.assert_allclose(table["ceiling"].to_numpy().reshape(4, 5), result, atol=1e-12)
    assert ((table["low"] < table["ceiling"]) == table["ceiling"].notna()).all()
    mine = regions[(regions["roi"] == "A") & (regions["subject"] != "group")].set_index("subject")
    np.testing.assert_allclose(mine["ceiling"], np.nanmean(result, axis=1))
    assert mine["n_voxels"].tolist() == np.isfinite(result).sum(axis=1).tolist()


def test_subject_without_valid_voxels_is_left_out_of_isc(rng):
    shared = rng.normal(size=(100, 3))
    data = {name: {"run-1": shared + rng.normal(size=(100, 3))} for name in ("s1", "s2", "s3")}
    data["s33"] = {"run-1": np.full((100, 3), np.nan)}
    layouts = {name: layout(valid=name != "s33") for name in data}
    table, regions = measured(data, layouts, ONCE[:1])
    assert table.groupby("subject")["ceiling"].count().to_dict() == {"s1": 3, "s2": 3, "s3": 3, "s33": 0}
    assert set(table["kind"]) == {"isc"} and table["reliability"].isna().all()
    without, _ = measured(data, {name: layouts[name] for name in ("s1", "s2", "s3")}, ONCE[:1])
    np.testing.assert_array_equal(table["ceiling"].dropna(), without["ceiling"])
    group = regions[(regions["subject"] == "group") & (regions["roi"] == "all")].iloc[0]
    assert group["n_subjects"] == 3 and group["n_voxels"] == 9
    assert group["ceiling"] == pytest.approx(table["ceiling"].mean())


def test_one_usable_subject_has_no_ceiling(rng):
    table, regions = measured({"s1": {"run-1": rng.normal(size=(50, 3))}}, {"s1": layout()}, ONCE[:1])
    assert table["ceiling"].isna().all() and len(table) == 3 and regions["ceiling"].isna().all()


def test_subjects_with_masks_of_their_own_are_compared_place_by_place(rng, monkeypatch):
    """As fMRIPrep's brain masks are: the result is that of one common grid where each lacks the voxels outside."""
    grid = np.stack(np.meshgrid(range(4), range(3), range(2), indexing="ij"), -1).reshape(-1, 3) * 2.0
    shared = rng.normal(size=(120, len(grid)))
    whole, own, layouts = {}, {}, {}
    for name, outside in {"s1": [0, 5], "s2": [7, 5, 23], "s3": [], "s4": [5, 11]}.items():
        values = shared + rng.normal(size=shared.shape)
        whole[name] = {"run-1": values.copy()}
        whole[name]["run-1"][:, outside] = np.nan
        # Not all in one order, nor to the last digit.
        inside = rng.permutation(np.setdiff1d(np.arange(len(grid)), outside))
        own[name] = {"run-1": values[:, inside]}
        x, y, z = (grid[inside] + rng.uniform(-0.001, 0.001, (len(inside), 3))).T
        layouts[name] = {"roi": np.array(list("AB"))[inside % 2], "x": x, "y": y, "z": z, "inside": inside}
        layouts[name]["valid"] = np.ones(len(inside), bool)
    expected = leave_one_out(lambda: iter(whole.values()))
    monkeypatch.setattr(ceiling_intervals, "VOXEL_BATCH", 4)
    monkeypatch.setattr(ceiling_intervals, "voxel_batches", lambda voxels, scans: [slice(0, 7), slice(7, voxels)])
    table, regions = measured(own, layouts, ONCE[:1])
    for row, (name, mine) in zip(expected, table.groupby("subject"), strict=True):
        np.testing.assert_allclose(mine["ceiling"], row[layouts[name]["inside"]], atol=1e-6)
        assert mine["low"].notna().sum() == np.isfinite(row).sum()
    voxels = regions[regions["roi"] == "all"].set_index("subject")["n_voxels"]
    # s3 alone has place 5 beside nobody.
    assert voxels.to_dict() == {"s1": 22, "s2": 21, "s3": 23, "s4": 22, "group": 88}


def without_places(roi):
    return layout(roi) | {axis: np.full(len(roi), np.nan) for axis in "xyz"}


@pytest.mark.parametrize("other", [layout("ABCDEFG", shift=2.0), layout(shift=4.0)])
def test_subjects_in_different_spaces_are_refused(rng, other):
    data = {"s1": {"run-1": rng.normal(size=(50, 3))}, "s2": {"run-1": rng.normal(size=(50, len(other["roi"])))}}
    with pytest.raises(InputError, match="s2: .* one common space"):
        measured(data, {"s1": layout(), "s2": dict(other)}, ONCE[:1])


def test_voxels_without_places_have_to_be_the_same(rng):
    data = {"s1": {"run-1": rng.normal(size=(50, 3))}, "s2": {"run-1": rng.normal(size=(50, 2))}}
    with pytest.raises(InputError, match="s2: its 2 voxels are not those of s1 .3.* space: native"):
        measured(data, {"s1": without_places("ABC"), "s2": without_places("AB")}, ONCE[:1])


def test_subjects_in_native_space_are_compared_by_their_regions(rng):
    shared = rng.normal(size=(200, 1))
    data = {
        "s1": {"run-1": shared + 0.5 * rng.normal(size=(200, 4))},
        "s2": {"run-1": shared + 0.5 * rng.normal(size=(200, 6))},
    }
    data["s1"]["run-1"][:, 1] = np.nan
    layouts = {"s1": layout("AABB"), "s2": layout("AAAAAB")}
    layouts["s1"]["valid"][1] = False
    table, regions = measured(data, layouts, ONCE[:1], common_space=False)
    assert table["ceiling"].isna().all() and set(regions["kind"]) == {"isc of region means"}
    expected = np.corrcoef(data["s1"]["run-1"][:, 0], data["s2"]["run-1"][:, :5].mean(1))[0, 1]
    mine = regions[regions["roi"] == "A"].set_index("subject")
    np.testing.assert_allclose(mine["ceiling"], expected, rtol=1e-6)
    assert mine["n_voxels"].to_dict() == {"s1": 1, "s2": 5, "group": 6}


def test_every_subject_has_its_own_number_of_hearings(rng):
    signal, names = rng.normal(size=(100, 2)), ["a", "b", "c"]
    data = {
        subject: {name: signal + rng.normal(size=(100, 2)) for name in heard}
        for subject, heard in (("s1", names), ("s2", names[:2]), ("s3", names[:1]))
    }
    runs = [{"name": name, "stimulus": "one"} for name in names]
    table, regions = measured(data, {name: layout("AA") for name in data}, runs)
    assert table.groupby("subject")["ceiling"].count().to_dict() == {"s1": 2, "s2": 2, "s3": 0}
    expected = reliability_from_repeats(data["s2"], {"one": names[:2]})
    np.testing.assert_allclose(table.loc[table["subject"] == "s2", "reliability"], expected)
    assert regions[regions["subject"] == "group"]["n_subjects"].max() == 2


def test_draws_do_not_depend_on_the_subject_or_the_other_voxels(rng):
    signal = rng.normal(size=(200, 5))
    data = {"run-1": signal, "run-3": signal + rng.normal(size=(200, 5)), "run-2": signal}
    every, _ = measured({"s1": data, "s2": data}, {"s1": layout("AAAAA"), "s2": layout("AAAAA")}, TWICE)
    first, second = (every[every["subject"] == name].reset_index(drop=True) for name in ("s1", "s2"))
    np.testing.assert_array_equal(first[["low", "high"]], second[["low", "high"]])
    few = {name: values[:, :2] for name, values in data.items()}
    alone, _ = measured({"s1": few}, {"s1": layout("AA")}, TWICE)
    np.testing.assert_allclose(alone[["low", "high"]], first.loc[:1, ["low", "high"]])


def test_a_draw_that_takes_every_block_once_is_the_estimate(rng):
    by_run = {name: series(rng, 100, 4) for name in "abc"}
    groups = {"one": list("abc")}
    blocks = Blocks({"one": 100}, 10, 3, seed=0)
    blocks.of["one"] = (blocks.of["one"][0], np.ones((3, 10), np.float32))
    np.testing.assert_allclose(repeat_draws(by_run, groups, blocks)[0], reliability_from_repeats(by_run, groups))


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6])
@pytest.mark.parametrize(("n", "count", "smooth"), [(150, 2, 0.5), (291, 10, 0.5), (362, 3, 0.7)])
def test_intervals_of_reliability_cover_the_truth(rng, share, n, count, smooth):
    """Nominal 95 %; blocks of 20 scans, autocorrelated signal and noise, 600 independent data sets."""
    names = [str(k) for k in range(count)]
    signal = series(rng, n, 600, share, smooth)
    by_run = {name: signal + series(rng, n, 600, 1 - share, smooth) for name in names}
    blocks = Blocks({"one": n}, 20, 500, seed=3)
    value = reliability_from_repeats(by_run, {"one": names})
    low, high = interval(value, repeat_draws(by_run, {"one": names}, blocks), blocks.freedom(["one"]))
    assert 0.9 <= np.mean((low <= share) & (share <= high)) <= 0.98
    assert abs(value.mean() - share) < 0.02
    assert np.median(r_max(high) - r_max(low)) < 0.6


@pytest.mark.parametrize("share", [0.1, 0.4])
@pytest.mark.parametrize("subjects", [4, 12])
def test_intervals_of_isc_cover_the_truth(rng, share, subjects):
    n = 300
    signal = series(rng, n, 500, share)
    data = {f"s{s}": {"run-1": signal + series(rng, n, 500, 1 - share)} for s in range(subjects)}
    table, _ = measured(data, {name: layout(["A"] * 500) for name in data}, ONCE[:1], block_seconds=40, draws=500)
    truth = share / np.sqrt(share + (1 - share) / (subjects - 1))
    first = table[table["subject"] == "s0"]
    assert 0.9 <= np.mean((first["low"] <= truth) & (truth <= first["high"])) <= 0.98
    assert abs(first["ceiling"].mean() - truth) < 0.02


def test_runs_are_split_in_order(rng):
    values = rng.normal(size=(5, 2))
    parts = split_runs(values, np.array(["run-2", "run-2", "run-1", "run-1", "run-1"]))
    assert list(parts) == ["run-2", "run-1"]
    np.testing.assert_array_equal(parts["run-1"], values[2:])
