"""Ceilings: known reliabilities by construction, brute force for the correlation between listeners."""

import numpy as np
import pytest

from triphase.ceiling import (
    correlate,
    fisher_mean,
    hearings,
    leave_one_out,
    measure_ceiling,
    reliability_from_repeats,
    split_runs,
)
from triphase.errors import InputError
from triphase.scoring import LARGEST_R

ONCE = [{"name": "run-1", "stimulus": "one"}, {"name": "run-2", "stimulus": "two"}]
TWICE = [*ONCE, {"name": "run-3", "stimulus": "one"}]


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def test_correlate_is_numpy_corrcoef(rng):
    a, b = rng.normal(size=(50, 4)), rng.normal(size=(50, 4))
    expected = [np.corrcoef(a[:, v], b[:, v])[0, 1] for v in range(4)]
    np.testing.assert_allclose(correlate(a, b), expected)
    a[:, 0], b[3, 1] = 1.0, np.nan
    assert np.isnan(correlate(a, b)).tolist() == [True, True, False, False]


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


def test_ceiling_is_what_the_true_signal_scores_on_single_hearings(rng):
    n, voxels, share = 300, 200, 0.3
    signal = rng.normal(size=(n, voxels))
    by_run = {name: signal * np.sqrt(share) + rng.normal(size=(n, voxels)) * np.sqrt(1 - share) for name in ("a", "b")}
    runs = [{"name": name, "stimulus": "one"} for name in ("a", "b")]
    layout = {"roi": np.full(voxels, "A"), "valid": np.full(voxels, True)}
    table = measure_ceiling(lambda subject: by_run, {"s1": layout}, runs)
    scored = fisher_mean([correlate(signal, by_run["a"]), correlate(signal, by_run["b"])], [n, n])
    assert table["ceiling"].mean() == pytest.approx(scored.mean(), abs=0.01)
    assert set(table["kind"]) == {"repeats"}
    np.testing.assert_allclose(table["ceiling"] ** 2, table["reliability"].clip(lower=0))


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


def test_leave_one_out_is_the_brute_force(rng):
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


def layout(voxels=3, valid=True, shift=0.0):
    place = np.arange(voxels, dtype=float) + shift
    roi = np.array(["A", "B", "C"][:voxels])
    return {"roi": roi, "x": place, "y": place, "z": place, "valid": np.full(voxels, valid)}


def test_subject_without_valid_voxels_is_left_out_of_isc(rng):
    shared = rng.normal(size=(100, 3))
    data = {name: {"run-1": shared + rng.normal(size=(100, 3))} for name in ("s1", "s2", "s3")}
    data["s33"] = {"run-1": np.full((100, 3), np.nan)}
    layouts = {name: layout(valid=name != "s33") for name in data}
    table = measure_ceiling(data.get, layouts, ONCE[:1])
    assert table.groupby("subject")["ceiling"].count().to_dict() == {"s1": 3, "s2": 3, "s3": 3, "s33": 0}
    assert set(table["kind"]) == {"isc"} and table["reliability"].isna().all()
    without = measure_ceiling(data.get, {name: layouts[name] for name in ("s1", "s2", "s3")}, ONCE[:1])
    np.testing.assert_array_equal(table["ceiling"].dropna(), without["ceiling"])


def test_one_usable_subject_has_no_ceiling(rng):
    table = measure_ceiling(lambda subject: {"run-1": rng.normal(size=(50, 3))}, {"s1": layout()}, ONCE[:1])
    assert table["ceiling"].isna().all() and len(table) == 3


@pytest.mark.parametrize("other", [layout(2), layout(shift=4.0)])
def test_subjects_in_different_spaces_are_refused(rng, other):
    with pytest.raises(InputError, match="s2: .* one common space"):
        measure_ceiling(lambda subject: {}, {"s1": layout(), "s2": other}, ONCE)


def test_runs_are_split_in_order(rng):
    values = rng.normal(size=(5, 2))
    parts = split_runs(values, np.array(["run-2", "run-2", "run-1", "run-1", "run-1"]))
    assert list(parts) == ["run-2", "run-1"]
    np.testing.assert_array_equal(parts["run-1"], values[2:])
