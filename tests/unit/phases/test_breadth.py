"""Breadth: which parcels move in a phase, what is claimed of the entire brain, language areas beside the rest."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from simulated_study import TOKENS_PER_STEP

from triphase.phases.breadth import Changes, Phases, breadth, compare_sides, parcel_entries
from triphase.phases.curves import Trajectory, Undetermined
from triphase.phases.transitions import Settings
from triphase.phases.verdict import Judged
from triphase.table.draws import draws_dataset
from triphase.table.tidy import typed

STEPS = 2 ** np.arange(1, 12)
N = len(STEPS)
COURSE = np.interp(np.arange(N), [0, 4, 7, 10], [0, 1, 0.4, 1])
SETTINGS = Settings(draws=200)
NOISE = 0.004


def brain(sizes, subjects=2, voxels=50, ceiling=0.5, repeated=True, total=None, seed=0):
    """Table and draws of parcels whose alignment follows COURSE times a size each, and the study's regions."""
    rng, rows, series = np.random.default_rng(seed), [], []
    everywhere = {"all": np.mean(list(sizes.values())), **sizes}
    for number in range(subjects):
        for name, size in everywhere.items():
            values = 0.1 + size * COURSE + NOISE * rng.standard_normal(N)
            draws = values[:, None] + NOISE * rng.standard_normal((N, 200))
            count = voxels if name != "all" else total or voxels * len(sizes)
            for i, step in enumerate(STEPS):
                key = {"checkpoint": f"step{step}", "step": step, "tokens": step * TOKENS_PER_STEP,
                       "subject": f"sub-{number}", "roi": name, "measure": "alignment", "main": True}  # fmt: skip
                rows.append(key | {"value": values[i], "se": NOISE, "n": count})
                series.append(key | {"boot": draws[i], "freedom": np.inf})
            known = {"subject": f"sub-{number}", "roi": name, "n": count}
            rows.append(known | {"measure": "ceiling", "value": ceiling})
            rows += [known | {"measure": "r", "normalised": True, "value": 0.3}] * repeated
    boot = draws_dataset([entry | {"value": 0.0} for entry in series], "x", seed)
    return typed(pd.DataFrame(rows)), boot, [{"name": name, "language": name.startswith("L")} for name in sizes]


def parcel(values, error):
    """A curve with equal errors and without draws."""
    names = [f"step{step}" for step in STEPS]
    return Trajectory(names, STEPS * 1.0, STEPS * float(TOKENS_PER_STEP), values, np.full(N, error))


def headline_fit(signs_of=COURSE):
    """The headline's fit: its breakpoints are those of COURSE."""
    values = 0.1 + 0.1 * signs_of
    return Judged(parcel(values, 1e-3), SETTINGS, np.random.default_rng(0))


def find(sizes, **options):
    table, boot, rois = brain(sizes, **options)
    return breadth(table, boot, headline_fit(), rois, [0, 1])


def parcels(language, rest, moving, size=0.05):
    """Sizes of so many parcels in and outside language areas, of which the first `moving` of each move."""
    names = [f"L{i}" for i in range(language)] + [f"R{i}" for i in range(rest)]
    return {name: size * (int(name[1:]) < moving) for name in names}


def test_every_phase_has_the_parcels_that_move_and_their_signs():
    found = find(parcels(12, 12, moving=9))
    assert [phase["kind"] for phase in found["phases"]] == ["rise", "fall", "rise"]
    assert [phase["to"] for phase in found["phases"]] == list(STEPS[[4, 7, 10]] * TOKENS_PER_STEP)
    for phase, change in zip(found["phases"], (0.05, -0.03, 0.03), strict=True):
        moving = {entry["roi"] for entry in phase["parcels"] if entry["moves"]}
        assert moving >= {name for name, size in parcels(12, 12, 9).items() if size}
        assert phase["moving"] == len(moving) <= 20
        assert phase["share"] == phase["moving"] / 24
        assert phase["rising" if change > 0 else "falling"] >= 18
        first = phase["parcels"][0]
        assert first["interval"][0] < change < first["interval"][1]
    assert not found["entire_brain"]
    assert "75%" in found["phases"][0]["reason"] or "7" in found["phases"][0]["reason"]


def test_the_entire_brain_is_claimed_when_four_fifths_move_alike():
    found = find(parcels(12, 12, moving=10))
    assert found["entire_brain"]
    assert all(phase["entire_brain"] for phase in found["phases"])
    assert found["n_reliable"] == 24
    assert found["phases"][1]["reliable"]["kind"] == "fall"
    assert "20 of 24 parcels" in found["phases"][1]["reason"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"voxels": 1}, "mean responses of regions of interest"),
        ({"repeated": False}, "no parcel is known to have a noise ceiling"),
        ({"ceiling": 0.1}, "no parcel is known to have a noise ceiling"),
        ({"total": 50 * 24 * 2}, "the parcels cover 50% of the measured voxels"),
    ],
)
def test_data_that_never_show_the_entire_brain_say_so(options, why):
    found = find(parcels(12, 12, moving=12), **options)
    assert not found["entire_brain"]
    assert why in found["reason"]
    assert all(not phase["entire_brain"] and phase["moving"] == 24 for phase in found["phases"])


def test_a_handful_of_regions_is_no_parcellation():
    found = find(parcels(3, 3, moving=3))
    assert not found["entire_brain"]
    assert "6 regions are regions of interest" in found["reason"]


def test_language_areas_beside_the_rest():
    sizes = parcels(6, 6, moving=6, size=0.05) | {f"R{i}": 0.02 for i in range(6)}
    phase = find(sizes, seed=1)["phases"][0]
    assert phase["inside"]["interval"][0] < 0.05 < phase["inside"]["interval"][1]
    low, high = phase["ratio_interval"]
    assert low < 2.5 < high
    assert high - low < 1.5
    still = find(sizes | {f"R{i}": 0.0 for i in range(6)}, seed=3)["phases"][1]
    assert still["ratio"] is None
    assert still["outside"]["interval"][0] < 0 < still["outside"]["interval"][1]


def test_the_ratio_without_noise_outside_is_a_plain_interval():
    class Side:
        def __init__(self, change, error):
            self.changes, self.errors, self.freedom = np.array([change]), np.array([error]), np.inf

        def drawn(self):
            return None

    found = compare_sides(Side(4.0, 0.5), Side(2.0, 1e-9), 0)
    assert found["ratio"] == 2
    assert found["ratio_interval"] == pytest.approx([2 - norm.ppf(0.975) / 4, 2 + norm.ppf(0.975) / 4])


def test_false_discoveries_are_rare_and_intervals_cover():
    """Twenty still parcels: any of them moves in about 5 % of brains, and selected intervals cover."""
    rng, judged = np.random.default_rng(0), headline_fit()
    phases, any_moves, missed, selected = Phases.of(judged), 0, 0, 0
    for _ in range(120):
        changes = {}
        for k in range(20):
            truth = 0.1 * COURSE * (k >= 10)
            values = truth + NOISE * rng.standard_normal(N)
            changes[f"R{k}"] = Changes(parcel(values, NOISE), phases)
        still = {name: changes[name] for name in list(changes)[:10]}
        any_moves += any(e["moves"] for e in parcel_entries(still, 1, set(), {}, dict.fromkeys(changes, 1)))
        for entry in parcel_entries(changes, 1, set(), {}, dict.fromkeys(changes, 1)):
            truth = -0.06 * (int(entry["roi"][1:]) >= 10)
            selected += entry["moves"]
            missed += entry["moves"] and not entry["interval"][0] < truth < entry["interval"][1]
    assert any_moves <= 0.05 * 120 + 2 * np.sqrt(0.05 * 0.95 * 120)
    assert missed / selected <= 0.06


def test_changes_are_those_of_least_squares_where_noise_is_equal():
    judged, rng = headline_fit(), np.random.default_rng(1)
    values = COURSE + 0.05 * rng.standard_normal(N)
    t = np.arange(N)
    hinges = np.column_stack([np.ones(N), t, np.clip(t - 4, 0, None), np.clip(t - 7, 0, None)])
    line = hinges @ np.linalg.lstsq(hinges, values, rcond=None)[0]
    found = Changes(parcel(values, 0.05), Phases.of(judged))
    assert found.changes == pytest.approx(np.diff(line[[0, 4, 7, 10]]))


def test_a_parcel_without_a_curve_is_named_and_few_checkpoints_are_refused():
    table, boot, rois = brain(parcels(3, 3, moving=3))
    table.loc[(table["roi"] == "R2") & (table["measure"] == "alignment"), "value"] = 0.1
    found = breadth(table, boot, headline_fit(), rois, [0, 1])
    assert found["n_parcels"] == 5
    assert "R2 (" in found["reason"]
    with pytest.raises(Undetermined, match="too few checkpoints in a phase"):
        Changes(parcel(COURSE, 0.1).at(list(range(5))), Phases.of(headline_fit()))


def test_without_a_fit_there_are_no_phases():
    table, boot, rois = brain(parcels(2, 2, moving=2))
    found = breadth(table, boot, None, rois, [0, 1])
    assert found["phases"] == []
    assert "cannot be fitted" in found["reason"]
    assert "no region" in breadth(table, boot, headline_fit(), (), [0, 1])["reason"]


def test_ten_and_more_subjects_are_resampled_alike_for_all_parcels():
    table, boot, rois = brain(parcels(3, 3, moving=3), subjects=11)
    found = breadth(table, boot, headline_fit(), rois, [0, 1])
    assert found["phases"][0]["moving"] == 6
