"""The group test: changes of each person over the phases of the mean curve."""

import numpy as np
import pytest
from phase_curves import FAST, curve_of

from triphase.phases.curves import average_subjects
from triphase.phases.people import group_test
from triphase.phases.verdict import Judged

N = 13
RISE, FALL = (np.interp(np.arange(N), [0, 6, N - 1], ends) for ends in ([0, 1, 1], [0, 0, -1]))


def of_people(falls, seed=0):
    """Changes over the phases of a rise and a fall, of people with falls of these sizes."""
    rng = np.random.default_rng(seed)
    curves = [
        curve_of(RISE + fall * FALL + 0.03 * rng.standard_normal(N), 0.03, seed=k) for k, fall in enumerate(falls)
    ]
    judged = Judged(average_subjects(curves, rng), FAST, rng)
    return group_test(curves, judged, rng)


def test_a_fall_that_all_people_have_is_told_from_one_of_a_few():
    rise, fall = of_people(np.full(12, 0.4))
    assert (rise["kind"], fall["kind"]) == ("rise", "fall")
    assert (fall["n"], fall["alike"]) == (12, 12)
    assert fall["p"] == pytest.approx(2 / 2**12)
    assert fall["interval"][0] < -0.4 < fall["interval"][1] < -0.3
    few = of_people([3.0, 3.0] + [-0.05] * 10)[-1]
    assert few["change"] < -0.3, "the mean falls"
    assert few["p"] > 0.05
    assert few["interval"][1] > 0


def test_changes_of_people_average_to_that_of_the_mean_curve():
    rng = np.random.default_rng(1)
    curves = [curve_of(RISE + size * FALL, 0.02, seed=k) for k, size in enumerate(rng.uniform(0.3, 0.6, 11))]
    judged = Judged(average_subjects(curves, rng), FAST, rng)
    for entry, segment in zip(group_test(curves, judged, rng), judged.segments(), strict=True):
        assert entry["change"] == pytest.approx(segment["change"])
        assert (entry["from"], entry["to"]) == (segment["from"], segment["to"])
