import numpy as np
import pandas as pd
import pytest
import simulated_study
import xarray as xr
from phase_curves import HEADLINE, QUICK, curve_of
from simulated_study import study

from triphase.phases.model import model_phases
from triphase.phases.training_size import SIZES, lost_share, over_sizes
from triphase.phases.verdict import Judged

STEPS = np.r_[0, 2 ** np.arange(17)]  # so that courses bend at grid points
# Where a fall from 1 ends with a quarter, half and all of the stimuli: gains are 0.02 + 0.12 times these.
VANISHING, LASTING = {"quarter": -0.03, "half": 0.487, "all": 0.743}, dict.fromkeys(SIZES, 0.5)


def triple_to(low):
    """A rise, a fall to `low` and a return."""
    return [0, 1, low, 1.1], [0, 0.375, 0.625, 1]


@pytest.fixture
def sized_study(monkeypatch):
    """Tables and draws of a study whose fits to fewer stimuli have courses of their own."""

    def made(lows):
        tables, boots = [], []
        for name in reversed(SIZES):
            monkeypatch.setitem(simulated_study.COURSES, "sized", triple_to(lows[name]))
            table, boot = study({"m": "sized"}, steps=STEPS)
            if name != "all":
                table = table[table["measure"] == "alignment"].assign(trained_on=name, main=False)
                boot = boot.isel(series=boot["measure"].values == "alignment")
                boot["trained_on"] = ("series", [name] * boot.sizes["series"])
                boot["main"] = ("series", [False] * boot.sizes["series"])
            tables.append(table)
            boots.append(boot)
        return pd.concat(tables, ignore_index=True), xr.concat(boots, dim="series")

    return made


def test_a_fall_that_ever_more_stimuli_would_undo_is_no_loss(sized_study):
    result = model_phases(*sized_study(VANISHING), "m", HEADLINE, QUICK, 0)
    assert result["training_size"]["dependent"] is True
    assert "its fall depends on the size of the training set" in result["reason"]
    assert result["verdict"] == "undetermined"
    shares = [result["training_size"]["shares"][name]["share"] for name in SIZES]
    # By hand: a gain of 0.14 falls by 0.12 times 1.03, 0.513 and 0.257, a little more with the subjects' scales.
    np.testing.assert_allclose(shares, [0.88, 0.44, 0.22], atol=0.05)
    assert abs(result["training_size"]["limit"]["share"]) < 0.05


def test_a_fall_that_stays_at_every_size_is_one(sized_study):
    result = model_phases(*sized_study(LASTING), "m", HEADLINE, QUICK, 0)
    assert result["training_size"]["dependent"] is False
    assert result["verdict"] == "supported"
    assert "the size of the training set" not in result["reason"]
    low, high = result["training_size"]["limit"]["interval"]
    assert 0 < low < 0.43 < high


def test_without_fits_to_fewer_stimuli_it_is_not_assessed_and_the_verdict_says_so():
    result = model_phases(*study({"m": "triple"}, steps=STEPS), "m", HEADLINE, QUICK, 0)
    assert result["training_size"]["dependent"] is None
    assert "was not assessed" in result["reason"] and result["verdict"] == "supported"
    rising = model_phases(*study({"m": "one rise"}, steps=STEPS), "m", HEADLINE, QUICK, 0)
    assert rising["training_size"]["reason"] == "nothing falls" and "assessed" not in rising["reason"]


@pytest.mark.parametrize(
    ("shares", "dependent", "limit"),
    [((0.4, 0.2, 0.1), True, 0.0), ((0.5, 0.5, 0.5), False, 0.5), ((0.6, 0.4, 0.3), False, 0.2)],
    ids=["vanishes", "stays", "shrinks to a loss"],
)
def test_shares_are_carried_on_as_a_line_over_the_inverse_size(shares, dependent, limit):
    draws = np.array(shares)[:, None] + 0.01 * np.random.default_rng(0).standard_normal((3, 400))
    found = over_sizes(np.column_stack([shares, draws]), 19)
    assert found["dependent"] is dependent
    assert found["limit"]["share"] == pytest.approx(limit, abs=1e-12)
    low, high = found["shares"]["all"]["interval"]
    assert (high - low) / 2 == pytest.approx(2.093 * 0.01, rel=0.1), "Student's t of 19 degrees of freedom"
    low, high = found["limit"]["interval"]
    assert (high - low) / 2 == pytest.approx(2.093 * 0.01 * np.sqrt(1 + 0.25 + 0.25), rel=0.1)


def test_the_lost_share_is_of_the_gain_where_the_fall_begins():
    values = np.interp(np.arange(13), [0, 4, 8, 12], [0.02, 0.1, 0.04, 0.12])
    fit = Judged(curve_of(values, 0.001), QUICK, np.random.default_rng(0))
    share = lost_share(fit, curve_of(values, 0.001))
    assert share[0] == pytest.approx(0.6, abs=0.02)
    # Independent errors of 0.001 at 13 points: those of the two ends are a little below it each.
    assert 0.005 < share[1:].std() < 0.02
    assert lost_share(fit, curve_of(values[:-1], 0.001)) is None, "another grid"
    assert lost_share(fit, curve_of(values - 0.2, 0.001)) is None, "no gain"
