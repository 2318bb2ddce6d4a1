"""What of alignment is more than its words: ends of curves over other nuisance sets, with their intervals."""

import json

import numpy as np
import pytest
from simulated_study import MAIN, OVER, UNIQUE, content_of, study

from triphase.phases.content import content, gains_over


@pytest.fixture(scope="module")
def known():
    return content_of("m", *study({"m": "triple"}))


def test_every_set_and_part_has_its_value_at_the_last_checkpoint_and_its_change(known):
    table, _ = known
    found = content(*known, "language", 0)
    assert list(found["over"]) == ["N1", "N2", "N1+static", "N1+surprisal", "N2+surprisal"]
    own = found["over"]["N1"]
    aligned = table[(table["measure"] == "alignment") & table["main"] & (table["roi"] == "language")]
    means = aligned.groupby("step")["value"].mean()
    assert own["value"] == pytest.approx(means.iloc[-1]) and own["checkpoint"] == "step1024"
    assert own["change"] == pytest.approx(means.iloc[-1] - means.iloc[0]) and own["since"] == "step0"
    for name, share in OVER.items():
        entry = found["over"][name]
        assert entry["value"] == pytest.approx(share * own["value"])
        # Three subjects of independent draws; freedom is infinite.
        half = 1.96 * 0.002 / np.sqrt(3)
        np.testing.assert_allclose(np.subtract(entry["interval"], entry["value"]), [-half, half], rtol=0.15)
        half *= np.sqrt(2)
        np.testing.assert_allclose(np.subtract(entry["change_interval"], entry["change"]), [-half, half], rtol=0.15)
    assert list(found["unique"]) == list(UNIQUE)
    assert [entry["value"] for entry in found["unique"].values()] == pytest.approx(list(UNIQUE.values()), rel=0.1)
    json.dumps(found, allow_nan=False)


def test_analyses_that_differ_in_more_than_their_nuisance_set_are_no_control(known):
    table, _ = known
    other = table[(table["nuisance"] == "N2") & (table["measure"] == "alignment")].assign(scaling="center")
    mixed = table[table["nuisance"] != "N2"].merge(other, how="outer")
    assert "N2" not in gains_over(mixed) and gains_over(mixed)["N1"].scaling == MAIN["scaling"]


def test_a_study_without_them_has_its_own_gain_alone():
    found = content(*study({"m": "triple"}), "language", 0)
    assert list(found["over"]) == ["N1"] and found["unique"] == {}
    assert content(*study({"m": "triple"}), "nowhere", 0) == {"over": {}, "unique": {}}
