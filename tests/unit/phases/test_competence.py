"""Groups of tasks: which emerges with alignment is found, and controls that do not are told from those that do."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from simulated_study import MAIN, rows_of

from triphase.phases.competence import competence, emerges, gained_at_most, groups_of
from triphase.phases.curves import Trajectory
from triphase.phases.transitions import Settings
from triphase.table.draws import draws_dataset
from triphase.table.tidy import typed

STEPS = 2 ** np.arange(4, 20)
SETTINGS = Settings(simulations=40, draws=60)
TASKS = [
    {"name": "grammar", "group": "formal"},
    {"name": "facts", "group": "functional"},
    {"name": "sums", "group": "control"},
    {"name": "quiz", "group": None},
]


def ramp(start, length=4):
    return np.clip((np.arange(len(STEPS)) - start) / length, 0, 1)


def study(alignment, sides=None, **tasks):
    """Tidy table and draws: courses of alignment, of left minus right and of tasks, with small errors."""
    rng = np.random.default_rng(1)
    rows, series = [], []

    def add(course, error, measure, **about):
        values = course + error * rng.standard_normal(len(STEPS))
        spread = course[:, None] + error * rng.standard_normal((len(STEPS), 150))
        for into, made in zip(
            (rows, series), rows_of("m", STEPS, values, error, spread, measure, **about), strict=True
        ):
            into.extend(made)

    for subject in ("s1", "s2"):
        add(0.1 * alignment, 0.002, "alignment", subject=subject, roi="language", layer=2, **MAIN)
        if sides is not None:
            add(0.05 * sides, 0.002, "lateralisation", subject=subject, roi="all", target="mirrored voxels", **MAIN)
    for name, course in tasks.items():
        add(0.8 * course, 0.01, "accuracy_rescaled", target=name)
    return typed(pd.DataFrame(rows).assign(study="x")), draws_dataset(series, "x", 0)


def judged(tasks=TASKS, **courses):
    return competence(*study(**courses), "language", tasks, SETTINGS, 0)


@pytest.fixture(scope="module")
def planted():
    """Alignment and formal tasks rise at one place, the sides and functional tasks later, the control never."""
    flat = np.zeros(len(STEPS))
    return judged(alignment=ramp(2), sides=ramp(8), grammar=ramp(2), facts=ramp(8), sums=flat, quiz=ramp(2))


def test_a_group_that_rises_with_alignment_is_told_from_one_that_does_not(planted):
    groups = planted["groups"]
    assert groups["formal"]["co_emerges"] is True and groups["functional"]["co_emerges"] is False
    true = (STEPS[8] / STEPS[2]) * 1.0
    low, high = groups["functional"]["coincidence"]["lag_interval"]
    assert low < true < high and groups["formal"]["tasks"] == ["grammar"]


def test_every_group_is_compared_with_the_asymmetry_of_the_hemispheres_too(planted):
    assert planted["lateralisation"]["roi"] == "all", "the headline's region has no two sides"
    assert planted["lateralisation"]["pattern"].startswith("plateau-rise")
    assert planted["groups"]["functional"]["with_lateralisation"]["coincides"] is True
    assert planted["groups"]["formal"]["with_lateralisation"]["coincides"] is False


def test_a_control_holds_where_it_does_not_rise_and_fails_where_it_rises_with_alignment(planted):
    assert planted["groups"]["control"]["co_emerges"] is False and planted["controls_hold"] is True
    failed = judged(alignment=ramp(2), sums=ramp(2), quiz=ramp(2))
    assert failed["controls_hold"] is False
    assert "was not measured" in failed["lateralisation"]["remarks"][0]
    assert failed["groups"]["control"]["with_lateralisation"]["reason"] == "lateralisation has no rise"
    unclear = judged(alignment=np.zeros(len(STEPS)), sums=ramp(5))
    assert unclear["controls_hold"] is None


def test_a_control_of_few_items_decides_nothing():
    curve = {"checkpoint": ["a", "b"], "step": STEPS[:2], "tokens": STEPS[:2], "values": np.zeros(2)}
    precise = Trajectory(**curve, errors=np.full(2, 0.05))
    coarse = Trajectory(**curve, errors=np.full(2, 0.15))
    assert gained_at_most(precise) == pytest.approx(1.96 * 0.05 * 2**0.5, rel=1e-3)
    flat, none = SimpleNamespace(onset=lambda: None), {"coincides": None, "lag_interval": None}
    assert emerges(flat, precise, none) is False
    assert emerges(flat, coarse, none) is None, "a rise of a quarter would not have been seen"
    assert emerges(flat, Trajectory(**curve, errors=np.full(2, np.nan)), none) is None


def test_tasks_without_a_group_are_named_and_a_study_without_groups_has_no_entry(planted):
    assert planted["ungrouped"] == ["quiz"]
    assert groups_of(TASKS)[0] == {"formal": ["grammar"], "functional": ["facts"], "control": ["sums"]}
    assert judged([{"name": "quiz", "group": None}], alignment=ramp(2), quiz=ramp(2)) is None


def test_a_group_whose_tasks_are_absent_says_so():
    found = judged(alignment=ramp(2), grammar=ramp(2))
    entry = found["groups"]["control"]
    assert entry["co_emerges"] is None and "accuracy_rescaled of sums is absent" in entry["remarks"][0]


def test_a_group_of_which_one_task_is_absent_says_of_what_its_curve_is():
    tasks = [*TASKS, {"name": "morphology", "group": "formal"}]
    found = judged(tasks, alignment=ramp(2), grammar=ramp(2))
    entry = found["groups"]["formal"]
    assert entry["co_emerges"] is True and "without morphology, absent for this model" in entry["remarks"]
