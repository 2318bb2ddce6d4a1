"""How behaviour goes with alignment: coincidence of onsets and stagnation."""

import numpy as np
import pytest
from phase_curves import HEADLINE, QUICK, N, fitted, fitted_alignment, phases_of
from simulated_study import STEPS, study

from triphase.phases.behaviour import coincidence, stagnation
from triphase.phases.model import model_phases


def test_behaviour_is_compared_with_the_turning_points():
    behaviour = phases_of("triple")["behaviour"]
    assert behaviour["accuracy"]["pattern"] == "plateau-rise"
    # Accuracy begins to rise one checkpoint before alignment returns: as far apart as the limit, so not shown.
    assert behaviour["accuracy"]["coincidence"]["coincides"] is False
    low, high = behaviour["accuracy"]["coincidence"]["lag_interval"]
    assert 0.2 < low < 0.5 < high < 1
    assert behaviour["adherence"]["coincidence"]["coincides"] is None
    assert "alignment and of behaviour is under way" in behaviour["adherence"]["coincidence"]["reason"]


class Onsets:
    """What `coincidence` needs of a fitted curve."""

    def __init__(self, draws):
        self.t, self.draws = np.arange(9) * np.log10(2), np.asarray(draws)

    def onset(self, last):
        return self.draws


@pytest.mark.parametrize(
    ("alignment", "behaviour", "answer"),
    [
        ([4] * 20, [4] * 20, True),
        # Found one step apart, onsets may lie up to two apart.
        ([4] * 20, [5] * 20, False),
        ([4] * 20, [4] * 19 + [5], True),
        ([4] * 20, [4] * 10 + [6] * 10, False),
        ([2] * 20, [6] * 20, False),
        ([0] * 20, [0] * 20, None),
        ([0] * 20, [1] * 20, None),
        ([0] * 20, [5] * 20, False),
        ([5] * 20, [0] * 20, False),
        (None, [4] * 20, None),
        ([4] * 20, None, None),
    ],
)
def test_onsets_coincide_only_within_a_step_or_a_factor_of_two(alignment, behaviour, answer):
    reference = None if alignment is None else np.array(alignment)
    fit = None if behaviour is None else Onsets(behaviour)
    assert coincidence(reference, fit, Onsets([0]), last=False)["coincides"] is answer


def test_stagnation_and_a_lag_that_is_too_long():
    table, boot = study({"m": "triple"})
    # Accuracy that rises from step 256 on only, after the fall (16 to 128 are flat).
    late = {step: max(0.0, (np.log2(step) - 7.0) / 3) for step in STEPS if step} | {0: 0.0}
    task = table["measure"] == "accuracy_rescaled"
    rng = np.random.default_rng(0)
    table.loc[task, "value"] = table.loc[task, "step"].map(late) + 0.005 * rng.standard_normal(task.sum())
    for i in np.flatnonzero(boot["measure"].values == "accuracy_rescaled"):
        boot["boot"].values[i] = late[int(boot["step"].values[i])] + 0.005 * rng.standard_normal(300)
    result = model_phases(table, boot, "m", HEADLINE, QUICK, 0)["behaviour"]
    assert result["stagnation"]["stagnates"] is True
    assert result["accuracy"]["coincidence"]["lag_factor"] == pytest.approx(1, rel=0.1)


def test_accuracy_that_falls_to_the_end_does_not_stagnate():
    course = np.interp(np.arange(N), [0, 3, 6, N - 1], [0, 1, 0.2, 0.0])
    result = stagnation(fitted_alignment(0), fitted(course, 0.02, 5))
    assert result["stagnates"] is False
    assert result["slope_ratio"] is None
    assert "does not rise in phase 3" in result["reason"]


@pytest.mark.parametrize(
    ("phase_2", "stagnates", "collapses"), [(0.0, True, False), (0.5, False, False), (-0.8, False, True)]
)
def test_an_ability_that_is_lost_does_not_stand_still(phase_2, stagnates, collapses):
    course = np.interp(np.arange(N), [0, 3, 6, N - 1], [0, 0.5, 0.5 + 0.5 * phase_2, 1.5 + 0.5 * phase_2])
    result = stagnation(fitted_alignment(0), fitted(course, 0.01, 5))
    assert (result["stagnates"], result["collapses"]) == (stagnates, collapses)
    assert result["slope_ratio"] == pytest.approx(phase_2, abs=0.1)


def test_the_interval_of_a_lag_is_no_finer_than_the_grid():
    result = coincidence(np.full(50, 4), Onsets([4] * 50), Onsets([0]), last=False)
    low, high = np.log2(result["lag_interval"])
    # Two onsets, each anywhere within half a step: their lag has a triangular distribution.
    assert (low, high) == pytest.approx((-0.68, 0.68), abs=0.05)
    assert result["lag_factor"] == pytest.approx(1, rel=0.01)
