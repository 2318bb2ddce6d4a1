"""The course of one model: sizes as shares, places, and people in the errors."""

import numpy as np
import pytest
from phase_curves import FAST, curve_of

from triphase.synthesis.courses import course_of

N = 14
TRIPLE = np.interp(np.arange(N), [0, 4, 8, N - 1], [0, 1, 0.5, 1.2])


def people(scales, shares=(0.0,), sd=0.02):
    """Curves of people: the triple at several scales, whose return is longer by a share of it."""
    extra = np.interp(np.arange(N), [8, N - 1], [0, 1])
    return [
        curve_of(scale * (TRIPLE + share * extra), sd, draws=100, seed=number)
        for number, (scale, share) in enumerate(zip(scales, np.resize(shares, len(scales)), strict=True))
    ]


def test_sizes_are_shares_of_the_first_rise_and_places_are_tokens():
    course = course_of(people([0.1, 0.1, 0.1], sd=0.001), FAST, 0)
    sizes = {name: course.quantities[name].value for name in ("rise", "fall", "return")}
    assert sizes == pytest.approx({"rise": 0.1, "fall": -0.5, "return": 0.7}, rel=0.02)
    steps = {name: 10 ** course.quantities[name].value / 1024 for name in ("peak", "trough")}
    assert steps == pytest.approx({"peak": 2**4, "trough": 2**8})
    assert course.lacking == {"onset": "its rise is under way at the first checkpoint"}
    np.testing.assert_allclose(course.shape, TRIPLE, atol=0.02)
    np.testing.assert_allclose(course.draws.mean(axis=0), TRIPLE, atol=0.05)


def test_people_widen_the_error_of_what_they_differ_in():
    """Who responds more strongly makes the rise unsure in r, and no share of it."""
    alike, scaled = course_of(people([1, 1, 1]), FAST, 0), course_of(people([0.5, 1, 1.5]), FAST, 0)
    assert scaled.quantities["rise"].error == pytest.approx(0.5 / np.sqrt(3), rel=0.1)
    assert scaled.quantities["fall"].error < 2 * alike.quantities["fall"].error
    longer = course_of(people([1, 1, 1], shares=(0, 0.5, 1)), FAST, 0)
    assert longer.quantities["return"].error == pytest.approx(0.5 / np.sqrt(3), rel=0.15)


def test_a_course_without_a_rise_has_no_shape():
    falling = [curve_of(np.linspace(1, 0, N), draws=100)]
    course = course_of(falling, FAST, 0)
    assert course.shape is None and not course.quantities and course.lacking["rise"] == "has no rise"
    rising = course_of([curve_of(np.linspace(0, 1, N), draws=100)], FAST, 0)
    assert rising.lacking["fall"] == "has no fall" and set(rising.quantities) == {"rise"}
