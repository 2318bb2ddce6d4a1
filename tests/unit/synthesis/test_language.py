"""The interaction with the share of a language: beside least squares, its errors, its power."""

import numpy as np
import pytest

from triphase.synthesis.courses import Quantity
from triphase.synthesis.language import covariance_of, interaction

MODELS, STUDIES = ["a", "b", "c", "d"], ["en", "ja", "fr"]
SHARES = {
    (model, study): share
    for model, row in zip(MODELS, [[0.9, 0.0, 0.1], [0.5, 0.4, 0.1], [0.3, 0.1, 0.6], [0.8, 0.2, 0.0]], strict=True)
    for study, share in zip(STUDIES, row, strict=True)
}


def quantities(slope, error=0.1, seed=0, places=SHARES, common=0.0):
    """Values of models and studies that differ, and follow the share; errors of a study's models share `common`."""
    rng = np.random.default_rng(seed)
    of_model, of_study = (dict(zip(names, rng.normal(size=len(names)), strict=True)) for names in (MODELS, STUDIES))
    shared = {study: common * error * rng.standard_normal(401) for study in STUDIES}
    found = {}
    for model, study in places:
        own = shared[study] + np.sqrt(1 - common**2) * error * rng.standard_normal(401)
        value = of_model[model] + of_study[study] + slope * SHARES[model, study] + own[0]
        found[model, study] = Quantity(value, error, own[1:])
    return found


def test_the_slope_is_that_of_least_squares_on_models_and_studies():
    found = quantities(2.0, seed=1)
    result = interaction(found, SHARES, 1.0)
    design = [
        [*(model == m for m in MODELS), *(study == s for s in STUDIES[1:]), SHARES[model, study]]
        for model, study in found
    ]
    white = np.linalg.inv(np.linalg.cholesky(covariance_of(list(found), found)))
    values = [quantity.value for quantity in found.values()]
    expected = np.linalg.lstsq(white @ np.array(design, float), white @ np.array(values), rcond=None)[0][-1]
    assert result["slope"] == pytest.approx(expected) and result["n"] == 12
    low, high = result["interval"]
    assert low < 2 < high and result["p"] < 0.05


def test_draws_tell_what_models_of_a_study_share():
    found = quantities(0.0, common=0.9)
    correlation = covariance_of(list(found), found) / 0.1**2
    places = list(found)
    same = places.index(("a", "en")), places.index(("b", "en"))
    other = places.index(("a", "en")), places.index(("a", "ja"))
    assert correlation[same] == pytest.approx(0.81, abs=0.08) and correlation[other] == 0


def test_intervals_hold_and_power_is_what_is_found():
    """Over simulated syntheses: at least 95 % hold the truth, as no interval is narrower than its errors."""
    results = [interaction(quantities(1.0, seed=seed), SHARES, 1.0) for seed in range(400)]
    held = np.mean([low < 1 < high for low, high in (result["interval"] for result in results)])
    assert held > 0.94
    found = np.mean([result["p"] < 0.05 for result in results])
    assert found == pytest.approx(np.mean([result["power"] for result in results]), abs=0.06)


@pytest.mark.parametrize(
    ("places", "shares", "why"),
    [
        ([("a", "en"), ("a", "ja")], SHARES, "two models in two studies"),
        ([(m, s) for m in "ab" for s in ("en", "ja")], SHARES, "4 values for 4 parameters"),
        (SHARES, dict.fromkeys(SHARES, 0.5), "differ alike in all studies"),
        (SHARES, {}, "0 and 0 have them"),
    ],
)
def test_no_interaction_says_why(places, shares, why):
    result = interaction(quantities(0.0, places=places), shares, 1.0)
    assert why in result["reason"] and result["slope"] is None and result["power"] is None
