"""Models compared: random-effects summaries against published numbers, positions, signs, seeds, order over runs."""

import itertools
import json

import numpy as np
import pytest
from simulated_study import STEPS, TOKENS_PER_STEP, study

from triphase.core.units import TRAINING_FLOP
from triphase.phases.across import compare, rank_correlation
from triphase.phases.model import model_phases
from triphase.phases.pooled import between_variance, interval_error, random_effects, sign_flips
from triphase.phases.seeds import group_members, judge_groups
from triphase.phases.transitions import Settings

SETTINGS = Settings(draws=200, simulations=100)
HEADLINE = {"roi": "language", "tasks": ["agreement", "world"], "adherence": ["world"]}


def trials():
    """Log risk ratios and their errors of the 13 trials of BCG vaccine (Colditz et al. 1994)."""
    ill, well = [4, 6, 3, 62, 33, 180, 8, 505, 29, 17, 186, 5, 27], [
        119, 300, 228, 13536, 5036, 1361, 2537, 87886, 7470, 1699, 50448, 2493, 16886]  # fmt: skip
    ill0, well0 = [11, 29, 11, 248, 47, 372, 10, 499, 45, 65, 141, 3, 29], [
        128, 274, 209, 12619, 5761, 1079, 619, 87892, 7232, 1600, 27197, 2338, 17825]  # fmt: skip
    a, b, c, d = map(np.array, (ill, well, ill0, well0))
    return np.log(a / (a + b) / (c / (c + d))), np.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))


def test_a_random_effects_summary_is_that_of_metafor():
    """rma(yi, vi, data = dat.bcg, test = "knha") of R's metafor, as printed in its documentation."""
    found = random_effects(*trials())
    assert found["mean"] == pytest.approx(-0.7145, abs=1e-4)
    assert found["tau"] ** 2 == pytest.approx(0.3132, abs=1e-4)
    assert found["i2"] == pytest.approx(0.9222, abs=1e-4)
    assert found["interval"] == pytest.approx([-1.1084, -0.3206], abs=2e-4)


def test_models_that_agree_better_than_chance_have_no_spread_and_no_narrower_interval():
    found = random_effects([1.0, 1.001, 0.999], [0.1, 0.1, 0.1])
    assert found["tau"] == 0
    assert found["i2"] == 0
    half = 4.3027 * 0.1 / np.sqrt(3)  # t with two degrees of freedom
    assert found["interval"] == pytest.approx([1 - half, 1 + half], rel=1e-4)


def test_few_models():
    assert random_effects([], [])["mean"] is None
    assert random_effects([2.0], [0.1]) == {
        "n": 1, "mean": 2.0, "interval": None, "tau": None, "i2": None, "p_heterogeneity": None, "prediction": None
    }  # fmt: skip
    two = random_effects([1.0, 2.0], [0.1, 0.1])
    assert two["interval"][0] < 0 < two["interval"][1]
    assert two["prediction"] is None
    assert between_variance(np.array([1.0, 2.0]), np.array([0.01, 0.01])) == pytest.approx(0.5 - 0.01, rel=1e-3)


def test_the_interval_covers_the_mean_of_few_models():
    rng = np.random.default_rng(0)
    errors = rng.uniform(0.05, 0.4, size=(400, 4))
    estimates = 0.3 * rng.standard_normal((400, 4)) + errors * rng.standard_normal((400, 4))
    found = [random_effects(*pair)["interval"] for pair in zip(estimates, errors, strict=True)]
    assert np.mean([low < 0 < high for low, high in found]) >= 0.93


def test_sign_flips_are_exact_and_need_five_runs():
    rng = np.random.default_rng(0)
    assert sign_flips([1, 2, 3, 4], rng) is None
    assert sign_flips([1, 2, 3, 4, 5], rng) == 2 / 32
    values = np.array([0.3, -0.1, 0.5, 0.2, 0.4, -0.2])
    means = [abs(np.mean(values * signs)) for signs in itertools.product((1, -1), repeat=6)]
    assert sign_flips(values, rng) == np.mean(np.array(means) >= abs(values.mean()) - 1e-12)
    assert 0.0001 <= sign_flips(np.full(20, 1.0), rng) <= 0.0003


def test_rank_correlation():
    rng = np.random.default_rng(0)
    found = rank_correlation([(k, k**3) for k in range(6)], rng)
    assert found["rho"] == pytest.approx(1)
    assert found["p"] == pytest.approx(2 / 720, abs=2e-3)
    assert rank_correlation([(1, 2), (2, 1), (3, 0)], rng) == {"rho": pytest.approx(-1), "p": None}
    assert rank_correlation([(1, 2), (1, 1), (1, 0)], rng) == {"rho": None, "p": None}
    assert interval_error(-1.96, 1.96) == pytest.approx(1, abs=1e-4)


def entry(kinds, points, changes=None, parameters=1000, order=None, verdict="supported", width=2.0):
    """An entry of phases.json with these segments; `points`: tokens of the breakpoints."""
    changes = changes or {"rise": 0.1, "fall": -0.05, "plateau": 0.0}
    ends = [1000, *points, 10**9]
    segments = [
        {"kind": kind, "from": ends[i], "to": ends[i + 1], "change": changes[kind],
         "change_interval": [changes[kind] - 0.01, changes[kind] + 0.01] if kind != "plateau" else None}
        for i, kind in enumerate(kinds)
    ]  # fmt: skip
    return {
        "verdict": verdict, "reason": f"{verdict}: because", "pattern": "-".join(kinds), "legs": "",
        "breakpoints": points, "intervals": [[point / width, point * width] for point in points],
        "segments": segments, "n_checkpoints": 20, "parameters": parameters, "scale_dependent": None,
        "order": order or {"lags": [], "lead_lag": [], "correlations": []},
        "provenance": {"settings": {"confidence": 0.99}},
    }  # fmt: skip


def models(names, **keys):
    return {name: {"group": name, "seed": None, "language_share": None} | keys for name in names}


def run(phases, about=None, **options):
    found = compare(phases, about or models(phases), "en", np.random.default_rng(0), **options)
    json.dumps(found, allow_nan=False)
    return found


TRIPLE = ["plateau", "rise", "fall", "rise"]


def test_positions_that_agree_on_tokens_or_on_compute():
    sizes = {"a": 10**6, "b": 10**7, "c": 10**8}
    same_tokens = {name: entry(TRIPLE, [10**5, 10**6, 10**7], parameters=n) for name, n in sizes.items()}
    found = run(same_tokens)
    onset = found["positions"]["onset"]
    assert onset["tokens"]["mean"] == pytest.approx(10**5)
    assert onset["tokens"]["tau"] == pytest.approx(1)
    assert onset["compute"]["mean"] == pytest.approx(TRAINING_FLOP * 10**7 * 10**5)
    assert onset["compute"]["tau"] == pytest.approx(10, rel=0.05)
    assert onset["closer_on"] == "tokens"
    same_compute = {
        name: entry(TRIPLE, [10**12 // n, 10**13 // n, 10**14 // n], parameters=n) for name, n in sizes.items()
    }
    assert run(same_compute)["positions"]["peak"]["closer_on"] == "compute"
    same_compute["a"]["parameters"] = None
    found = run(same_compute)["positions"]["peak"]
    assert found["closer_on"] is None
    assert found["compute"]["left_out"] == {"a": "its number of parameters is not known"}


def test_signs_of_legs_are_counted_in_their_place():
    phases = {
        "a": entry(TRIPLE, [1e5, 1e6, 1e7]),
        "b": entry(["rise", "plateau", "rise"], [1e6, 1e7], verdict="not supported"),
        "c": entry(["fall", "rise"], [1e6], verdict="undetermined"),
        "d": entry(["plateau"], [], verdict="undetermined"),
    }
    found = run(phases)
    assert [leg["signs"] for leg in found["legs"]] == [
        {"rise": 2, "fall": 1, "none": 1}, {"rise": 1, "fall": 1, "none": 2}, {"rise": 1, "fall": 0, "none": 3}
    ]  # fmt: skip
    assert [leg["consistent"] for leg in found["legs"]] == [0.5, 0.25, 0.25]
    assert found["verdicts"] == {"supported": 1, "not supported": 1, "undetermined": 2}
    onset = found["positions"]["onset"]["tokens"]
    assert onset["n"] == 2
    assert onset["left_out"] == {"b": "its rise is under way at the first checkpoint", "d": "has no onset"}
    fall = found["changes"]["fall"]
    assert (fall["n"], fall["mean"]) == (1, pytest.approx(-0.05))
    assert fall["left_out"] == {"b": "has no fall", "c": "has no fall", "d": "has no fall"}
    assert "nothing to summarise" in fall["reason"]


def test_runs_of_one_family_and_size_count_once_and_their_spread_enters():
    phases = {name: entry(TRIPLE, [point, 1e7, 1e8], width=1.0001) for name, point in
              {"s1": 1e5, "s2": 1e6, "other": 10**5.5}.items()}  # fmt: skip
    about = models(phases)
    about["s1"] |= {"group": "g", "seed": 1}
    about["s2"] |= {"group": "g", "seed": 2}
    onset = run(phases, about)["positions"]["onset"]["tokens"]
    assert onset["n"] == 2
    assert onset["mean"] == pytest.approx(10**5.5)
    # Two runs a decade apart: the error of their mean is half a decade.
    assert np.log10(onset["interval"][1] / onset["mean"]) < 12.7 * 0.5


def test_language_share_is_compared_where_models_declare_different_ones():
    phases = {f"m{k}": entry(TRIPLE, [10.0 ** (4 + k), 10.0 ** (6 + k), 1e13]) for k in range(5)}
    assert "declared" in run(phases)["language_share"]["reason"]
    about = models(phases)
    for k in range(5):
        about[f"m{k}"]["language_share"] = {"en": 0.9 - 0.1 * k, "ja": 0.1}
    found = run(phases, about)["language_share"]
    relation = next(entry for entry in found["relations"] if entry["of"] == "onset")
    assert relation["rho"] == pytest.approx(-1)
    assert relation["p"] == pytest.approx(2 / 120, abs=0.005)
    assert next(entry for entry in found["relations"] if entry["of"] == "rise")["rho"] is None


def test_order_is_tested_over_five_runs_and_not_below():
    def order(k):
        shift = 0.05 * k
        return {
            "lags": [{"first": "a", "second": "b", "event": "onset", "factor": 4.0 + k, "interval": [1, 9]}],
            "lead_lag": [{"first": "a", "second": "b", "lags": [-1, 0, 1], "r": [0.1, 0.9, 0.6 + shift], "n": [9] * 3}],
            "correlations": [{"first": "a", "second": "b", "r": 0.9, "partial": 0.5 + shift, "n": 10}],
        }

    phases = {f"m{k}": entry(TRIPLE, [1e5, 1e6, 1e7], order=order(k)) for k in range(5)}
    found = {each["what"]: each for each in run(phases)["order"]}
    assert set(found) == {"lead", "partial", "lag of onset"}
    assert all(each["p"] == 2 / 32 and each["n"] == 5 for each in found.values())
    assert found["lag of onset"]["mean"] == pytest.approx(np.prod([4, 5, 6, 7, 8]) ** 0.2)
    assert found["lead"]["mean"] == pytest.approx(0.6)
    few = {each["what"]: each for each in run({name: phases[name] for name in list(phases)[:4]})["order"]}
    assert few["lead"]["p"] is few["lead"]["interval"] is None
    assert "4 runs" in few["lead"]["reason"]


def test_one_model_is_said_and_a_model_without_a_fit_is_left_out():
    found = run({"a": entry(TRIPLE, [1e5, 1e6, 1e7])})
    assert found["remarks"][0].startswith("one model")
    assert found["positions"]["onset"]["tokens"]["interval"] is None
    nothing = entry([], []) | {"pattern": None, "verdict": "undetermined", "reason": "undetermined: grid too coarse"}
    found = run({"a": entry(TRIPLE, [1e5, 1e6, 1e7]), "b": nothing})
    assert found["n_models"] == 2
    assert found["n_runs"] == 1
    assert found["remarks"] == ["b: undetermined: grid too coarse"]
    assert run({"b": nothing})["legs"][0]["consistent"] is None


def test_models_on_unequal_grids_are_compared_from_their_fits():
    table, boot = study({"a": "triple", "b": "rise-plateau"})
    short = np.isin(table["step"], STEPS[:8]) & (table["model"] == "b")
    table = table[(table["model"] == "a") | short]
    phases = {}
    for name in ("a", "b"):
        mine = boot.isel(
            series=(boot["model"].values == name) & ((name == "a") | np.isin(boot["step"].values, STEPS[:8]))
        )
        phases[name] = model_phases(table[table["model"] == name], mine, name, HEADLINE, SETTINGS, 0)
        phases[name] |= {"parameters": 10**6, "provenance": {"settings": {"confidence": SETTINGS.confidence}}}
    found = run(phases)
    assert found["models"]["a"]["n_checkpoints"] == 9
    assert found["models"]["b"]["n_checkpoints"] == 7
    assert found["models"]["a"]["events"]["peak"]["tokens"] == STEPS[4] * TOKENS_PER_STEP
    assert found["legs"][0]["signs"]["rise"] == 2


def test_seeds_of_one_family_have_a_verdict_of_their_own():
    table, boot = study({"s1": "triple", "s2": "triple", "other": "flat"})
    about = models(["s1", "s2", "other"])
    about["s1"]["group"] = about["s2"]["group"] = "g"
    assert group_members(about) == {"g": ["s1", "s2"]}
    found = judge_groups(table, boot, about, HEADLINE, SETTINGS, 0)
    assert list(found) == ["g"]
    assert found["g"]["models"] == ["s1", "s2"]
    assert found["g"]["scope"] == "in these 2 training runs"
    assert found["g"]["legs"] == "+ − +"
