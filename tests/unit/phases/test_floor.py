"""The floor of a task, its own score at the earliest checkpoints, and what counts as leaving it."""

import numpy as np
import pytest
from phase_curves import QUICK, curve_of, judged
from simulated_study import TOKENS_PER_STEP

from triphase.phases.floor import floor_members, leaving_legs, off_floor, on_floor
from triphase.phases.piecewise import Bank, Shape, enumerate_shapes
from triphase.phases.verdict import Judged, verdict_of

N = 16
UNTIL = 2**5 * TOKENS_PER_STEP  # the first six checkpoints
STEPS = np.r_[0, 2 ** np.arange(N - 1)]


def scored(values, **options):
    """A fitted curve of scores with step 0 and a floor of seven scores."""
    return Judged(curve_of(values, steps=STEPS, **options), QUICK, np.random.default_rng(0), UNTIL)


def course(*levels):
    """Seven scores on the floor, then straight lines between levels that are evenly spaced over the rest."""
    later = np.interp(np.arange(N - 7), np.linspace(0, N - 8, len(levels)), levels)
    return np.r_[np.full(7, levels[0]), later]


@pytest.mark.parametrize(
    ("signs", "sides", "kept"),
    [
        ((0, 1), (0, 0, 1), (0, 1)),
        ((0, 1), (0, 0, 0), (0, 0)),
        ((0, -1), (0, 0, -1), (0, -1)),
        ((0, -1), (0, 0, 0), (0, 0)),
        ((0, -1, 1), (0, 0, -1, 0), (0, -1, 0)),
        ((0, -1, 1), (0, 0, -1, 1), (0, -1, 1)),
        ((1, -1), (0, 1, 0), (1, -1)),
        ((0, 1, 1), (0, 0, 0, 1), (0, 1, 1)),
        ((0, -1, -1), (0, 0, 0, -1), (0, -1, -1)),
    ],
)
def test_a_rise_ends_above_the_floor_and_a_fall_ends_below_or_starts_above(signs, sides, kept):
    assert leaving_legs(signs, sides) == kept


def test_scores_up_to_the_given_tokens_are_the_floor_and_else_the_first():
    data = curve_of(np.arange(N), steps=STEPS)
    assert list(floor_members(data, UNTIL)) == [0, 1, 2, 3, 4, 5, 6]
    assert list(floor_members(data, 0)) == [0]
    data.values[0] = np.nan
    assert list(floor_members(data, 0)) == [1]
    t = np.log10(STEPS[1:] * TOKENS_PER_STEP)
    assert on_floor(t, UNTIL) == 6
    assert on_floor(t, TOKENS_PER_STEP) == 0, "one checkpoint makes no plateau"


def test_shapes_on_a_floor_begin_with_its_plateau():
    shapes = enumerate_shapes(12, 3, floor=5)
    assert shapes[0] == Shape((), (False,))
    assert all(not shape.free[0] and (*shape.knots, 11)[0] >= 4 for shape in shapes)
    everything = enumerate_shapes(12, 3)
    assert set(shapes) == {s for s in everything if not s.free[0] and (*s.knots, 11)[0] >= 4}
    bank = Bank(np.arange(12.0), 0.01 * np.eye(12), [0.0], 3, floor=5)
    assert set(bank.shapes) == set(shapes)


def test_a_rise_from_the_floor_is_found_with_level_and_spread():
    noise = 0.01 * np.random.default_rng(1).standard_normal(N)
    fit = scored(course(0.25, 0.8) + noise, sd=0.01)
    assert fit.describe()["pattern"] == "plateau-rise"
    assert fit.describe()["floor"]["level"] == pytest.approx((0.25 + noise[:7]).mean())
    assert fit.describe()["floor"]["spread"] == pytest.approx(noise[:7].std(ddof=1))


def test_a_return_to_the_floor_is_no_rise_and_it_is_said():
    fit = scored(course(0.6, 0.3, 0.6), sd=0.01)
    assert fit.curve.signs == (0, -1, 1)
    assert fit.signs == (0, -1, 0)
    assert fit.describe()["legs"] == "−"
    assert "a rise that does not leave the floor is not counted" in fit.describe()["remarks"]
    assert fit.onset() is None
    assert [segment["kind"] for segment in fit.segments()] == ["plateau", "fall", "plateau"]


def test_a_return_that_goes_beyond_the_floor_is_a_rise():
    assert scored(course(0.6, 0.3, 0.9), sd=0.01).signs == (0, -1, 1)


def test_scores_that_wander_on_the_floor_do_not_leave_it_by_going_where_they_were():
    """An untrained model flips between two answers; it ends on one of them."""
    values = course(0.5, 0.36, 0.36, 0.36)
    values[:7] = [0.36, 0.64, 0.36, 0.64, 0.64, 0.36, 0.64]
    assert scored(values, sd=0.02).describe()["legs"] == ""
    values[:7] = 0.5
    assert scored(values, sd=0.02).describe()["legs"] == "−"


def test_the_order_of_scores_on_the_floor_changes_nothing():
    rng = np.random.default_rng(2)
    values = course(0.4, 0.3, 0.8) + 0.02 * rng.standard_normal(N)
    first = scored(values, sd=0.02, draws=None).describe()
    for _ in range(5):
        values[1:7] = rng.permutation(values[1:7])
        again = scored(values, sd=0.02, draws=None).describe()
        assert (again["pattern"], again["intervals"]) == (first["pattern"], first["intervals"])
        assert again["bic"] == pytest.approx(first["bic"])


def test_the_error_of_leaving_the_floor_matches_simulation():
    """A curve that does not leave its floor is found off it in no more than the tenth of series that is allowed."""
    rng = np.random.default_rng(3)
    settings, clear = QUICK.__class__(confidence=0.9, max_breakpoints=2), 0
    for _ in range(200):
        data = curve_of(0.5 + 0.02 * rng.standard_normal(N), sd=0.02, steps=STEPS, draws=None)
        fit = Judged(data, settings, rng, UNTIL)
        # The line through all later scores against the floor: linear in the scores, whatever the fit chose.
        fit.curve.fit = fit.curve.bank.estimate(fit.curve.values, Shape((6,), (False, True)))
        clear += off_floor(data, fit.curve, UNTIL, settings)[0][-1] != 0
    assert clear <= 0.1 * 200 + 2 * np.sqrt(18)


def test_step_zero_counts_as_floor_without_a_plateau():
    values = np.r_[0.2, np.linspace(0.3, 0.9, N - 1)]
    fit = Judged(curve_of(values, steps=STEPS), QUICK, np.random.default_rng(0), 0.0)
    assert fit.describe()["floor"] == {"level": 0.2, "spread": 0.0}
    assert fit.describe()["pattern"] == "rise"
    high = Judged(curve_of(np.r_[0.95, values[1:]], steps=STEPS), QUICK, np.random.default_rng(0), 0.0)
    assert high.describe()["pattern"] == "flat", "the rise ends where the untrained model was"


def test_a_verdict_on_scores_has_power_only_with_a_rise_that_counts():
    rose = verdict_of(curve_of(course(0.2, 0.8, 0.8), 0.005, STEPS), QUICK, np.random.default_rng(0), UNTIL)[0]
    assert rose["verdict"] == "not supported"
    assert rose["power"] >= 0.8
    fell = verdict_of(curve_of(course(0.6, 0.3, 0.6), 0.005, STEPS), QUICK, np.random.default_rng(0), UNTIL)[0]
    assert fell["verdict"] == "undetermined"
    assert fell["power"] is None
    assert judged(course(0.2, 0.8, 0.8))["floor"] is None, "alignment has no floor"
