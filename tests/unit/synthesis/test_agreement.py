"""Equivalence of two courses: what is called equal, what different, and what cannot be told."""

from dataclasses import replace

import numpy as np
import pytest

from triphase.synthesis.agreement import DIFFERENT, EQUAL, UNDETERMINED, agreement, onto, shared_grid
from triphase.synthesis.courses import Course

T = np.linspace(9, 12, 13)
SHAPE = np.interp(T, [9, 10, 11, 12], [0, 1, 0.5, 1])


def course(shape=SHAPE, noise=0.05, t=T, seed=0):
    draws = shape + noise * np.random.default_rng(seed).standard_normal((400, len(t)))
    return Course(t, shape, draws, {})


def judged(first, second, bound=0.5, paired=False):
    return agreement(first, second, bound, np.random.default_rng(0), paired)


def test_one_course_twice_is_equal_and_a_distance_of_what_was_planted():
    assert judged(course(), course(seed=1))["verdict"] == EQUAL
    deeper = np.interp(T, [9, 10, 11, 12], [0, 1, 0.1, 1])
    found = judged(course(), course(deeper, seed=1))
    assert found["distance"] == pytest.approx(0.4) and found["at"] == 10**11
    low, high = found["interval"]
    assert low < 0.4 < high and found["n"] == 13


def test_what_differs_by_the_bound_is_not_called_equal_and_by_far_more_is_different():
    at_bound = np.interp(T, [9, 10, 11, 12], [0, 1, 0, 1])
    assert judged(course(), course(at_bound, seed=1))["verdict"] == UNDETERMINED
    far = np.interp(T, [9, 10, 11, 12], [0, 1, -1, 1])
    assert judged(course(), course(far, seed=1))["verdict"] == DIFFERENT


def test_noise_makes_it_undetermined_and_never_equal():
    found = judged(course(noise=1.0), course(noise=1.0, seed=1))
    assert found["verdict"] == UNDETERMINED and found["reach"] > 0.5


def test_what_models_of_a_study_share_in_their_draws_is_no_difference():
    noisy = course(noise=1.0)
    assert judged(noisy, noisy, paired=True)["reach"] == pytest.approx(0)
    assert judged(noisy, noisy, paired=False)["reach"] > 1


def test_courses_are_compared_where_both_were_measured():
    later = T[4:] + 0.1
    grid = shared_grid(T, later)
    assert grid[0] == pytest.approx(10.1) and grid[-1] == pytest.approx(12) and len(grid) == 16
    # Between checkpoints a shape is straight, and every change counts from the first place of the grid.
    np.testing.assert_allclose(onto(grid, T, 2 * T), 2 * (grid - grid[0]))
    found = judged(course(), course(np.interp(later, T, SHAPE), t=later, seed=1))
    assert found["verdict"] == EQUAL and found["n"] == 16


def test_what_cannot_be_compared_says_why():
    flat = replace(course(), shape=None, draws=None)
    assert "the second has no first rise" in judged(course(), flat)["reason"]
    apart = judged(course(), course(t=T + 2.5))
    assert apart["verdict"] == UNDETERMINED and "fewer than 5 checkpoints" in apart["reason"]
