import numpy as np
import pytest

from triphase.core.errors import InputError
from triphase.encoding.folds import (
    HELD_OUT,
    TRAIN,
    UNUSED,
    check_masks,
    fewer_stimuli,
    fold_units,
    held_out_segments,
    hold_out_blocks,
    make_splits,
)
from triphase.stats.autocorrelation import autocorrelation, first_below

RUNS = np.repeat(["r1", "r2", "r3", "r4"], 50)
STIMULI = np.repeat(["a", "b", "c", "c"], 50)


def test_fixed_split_holds_out_whole_runs_and_inner_folds_whole_stimuli():
    outer, inner = make_splits(RUNS, STIMULI, ["r3", "r4"], {"kind": "fixed", "folds": 5, "inner": 4}, gap=5)
    assert set(RUNS[outer[0] == HELD_OUT]) == {"r3", "r4"}
    assert len(inner[0]) == 2
    for mask in inner[0]:
        assert not (mask[100:] > 0).any(), "a test scan is used in an inner fold"
        assert len(set(STIMULI[mask == HELD_OUT])) == 1
        assert not set(STIMULI[mask == HELD_OUT]) & set(STIMULI[mask == TRAIN])


def test_a_stimulus_on_both_sides_is_refused():
    with pytest.raises(InputError, match=r"\['c'\]"):
        make_splits(RUNS, STIMULI, ["r4"], {"kind": "fixed", "folds": 5, "inner": 4}, gap=5)


def test_repeats_of_a_stimulus_stay_together_in_cross_validation():
    outer, _ = make_splits(RUNS, STIMULI, [], {"kind": "outer_cv", "folds": 3, "inner": 2}, gap=5)
    for mask in outer:
        assert len(set(mask[STIMULI == "c"])) == 1


def test_few_stimuli_are_held_out_whole():
    outer, inner = make_splits(RUNS, STIMULI, [], {"kind": "outer_cv", "folds": 5, "inner": 4}, gap=5)
    assert len(outer) == 3
    for masks in (outer, *inner):
        for mask in masks:
            assert not set(STIMULI[mask == HELD_OUT]) & set(STIMULI[mask == TRAIN])


def test_single_run_uses_gapped_blocks_that_cover_every_scan_once():
    runs, stimuli = np.array(["r"] * 300), np.array(["s"] * 300)
    outer, inner = make_splits(runs, stimuli, [], {"kind": "outer_cv", "folds": 5, "inner": 4}, gap=14)
    assert ((outer == HELD_OUT).sum(0) == 1).all()
    for mask in [*outer, *(m for masks in inner for m in masks)]:
        train, held = np.flatnonzero(mask == TRAIN), np.flatnonzero(mask == HELD_OUT)
        assert np.abs(train[:, None] - held).min() == 15, "the gap is not 14 scans"
    for mask, masks in zip(outer, inner, strict=True):
        assert not (masks[:, mask != TRAIN] > 0).any(), "an inner fold uses scans that do not train"


def test_the_guard_finds_a_missing_gap_and_a_shared_stimulus():
    runs, stimuli = np.array(["r"] * 100), np.array(["s"] * 100)
    check_masks(hold_out_blocks(runs, np.ones(100, bool), 4, 10), runs, stimuli, 10)
    with pytest.raises(InputError, match="10 scans from training scans; the gap is 10"):
        check_masks(hold_out_blocks(runs, np.ones(100, bool), 4, 9), runs, stimuli, 10)
    leaky = np.where(RUNS == "r4", HELD_OUT, TRAIN)[None]
    with pytest.raises(InputError, match="both sides"):
        check_masks(leaky, RUNS, STIMULI, 5)


def test_segments_are_contiguous_and_inside_runs():
    outer, _ = make_splits(RUNS, STIMULI, ["r3", "r4"], {"kind": "fixed", "folds": 5, "inner": 4}, gap=5)
    segments = held_out_segments(outer, RUNS)
    assert [(rows[0], rows[-1]) for rows in segments] == [(100, 149), (150, 199)]


def test_autocorrelation_of_ar1():
    generator = np.random.default_rng(0)
    x = np.zeros((20000, 3))
    for t in range(1, len(x)):
        x[t] = 0.6 * x[t - 1] + generator.standard_normal(3)
    acf = autocorrelation([x], np.array(["r"] * len(x)), 8)
    np.testing.assert_allclose(acf[:5], 0.6 ** np.arange(5), atol=0.02)
    assert first_below(acf, 0.1) == 5  # 0.6^4 = 0.13, 0.6^5 = 0.08
    assert first_below(np.ones(4), 0.1) == 4


def test_runs_of_a_group_stay_in_one_fold():
    groups = np.repeat(["x", "y", "x", ""], 50)  # c is of group x too, by its first run
    np.testing.assert_array_equal(fold_units(STIMULI, groups), np.repeat(["a", "b", "a", "a"], 50))
    runs, titles = np.repeat([f"r{k}" for k in range(6)], 30), np.repeat(["x", "y", "z"], 60)
    episodes = np.repeat(list("abcdef"), 30)
    outer, inner = make_splits(
        runs, episodes, ["r1", "r3"], {"kind": "fixed", "folds": 5, "inner": 9}, gap=5, groups=titles
    )
    assert set(runs[outer[0] == HELD_OUT]) == {"r1", "r3"}, "a test run's group may train"
    held = [set(titles[mask == HELD_OUT]) for mask in inner[0]]
    assert sorted(map(tuple, held)) == [("x",), ("y",), ("z",)]
    for mask in inner[0]:
        assert not set(titles[mask == HELD_OUT]) & set(titles[mask == TRAIN])
    outer, _ = make_splits(runs, episodes, [], {"kind": "outer_cv", "folds": 9, "inner": 2}, gap=5, groups=titles)
    assert len(outer) == 3
    for mask in outer:
        assert not set(titles[mask == HELD_OUT]) & set(titles[mask == TRAIN])


def test_a_single_group_is_split_by_stimulus():
    runs = np.repeat(["r1", "r2", "r3"], 40)
    _, inner = make_splits(
        runs, runs, ["r3"], {"kind": "fixed", "folds": 5, "inner": 4}, gap=5, groups=np.array(["x"] * 120)
    )
    assert [set(runs[mask == HELD_OUT]) for mask in inner[0]] == [{"r1"}, {"r2"}]


@pytest.mark.parametrize(("kind", "test_runs"), [("fixed", ["r9"]), ("outer_cv", [])])
def test_fewer_stimuli_are_nested_parts_of_what_trains(kind, test_runs):
    runs = np.repeat([f"r{n}" for n in range(10)], 40)
    outer, _ = make_splits(runs, runs, test_runs, {"kind": kind, "folds": 5, "inner": 3}, gap=5)
    (quarter, small), (half, _) = (fewer_stimuli(outer, runs, runs, n, n_folds=3, gap=5) for n in (1, 2))
    for whole, few, more, inner in zip(outer, quarter, half, small, strict=True):
        for mask in (few, more):
            np.testing.assert_array_equal(mask == HELD_OUT, whole == HELD_OUT)
        training = [set(runs[mask == TRAIN]) for mask in (few, more, whole)]
        assert training[0] < training[1] < training[2]
        shares = [len(names) / len(training[2]) for names in training[:2]]
        np.testing.assert_allclose(shares, [0.25, 0.5], atol=0.13)
        assert set(runs[(inner != UNUSED).any(0)]) == training[0], "inner folds know nothing else"


def test_three_stimuli_have_no_quarter():
    runs = np.repeat(["r1", "r2", "r3", "r4"], 40)
    outer, _ = make_splits(runs, runs, ["r4"], {"kind": "fixed", "folds": 5, "inner": 3}, gap=5)
    assert fewer_stimuli(outer, runs, runs, 1, n_folds=3, gap=5) is None
