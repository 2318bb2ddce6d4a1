"""Probes and geometry: speed, agreement with scikit-learn, behaviour without signal, known dimensions.

Part of the figures of tasks and states. Labels are drawn independently of each other, so that many of them,
probed at once, are as many simulated studies.
"""

import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow/scripts")]
from reporting import figure  # noqa: E402

from triphase.states.dimension import gride, neighbour_distances, two_nn  # noqa: E402
from triphase.states.geometry import participation_ratio, spectrum  # noqa: E402
from triphase.states.probes import ALPHAS, plan_probes, predict, probe_scores  # noqa: E402

CONCEPTS, LAYERS, WORDS, FEATURES, CLASSES, TYPES = 20, 8, 3000, 512, 4, 600
SECONDS, REPEATS = 20, 3
SIMULATED, COVERED = 60, 0.95
DIMENSION_ERROR, REFERENCE_ERROR = 0.1, 1e-3
# scikit-dimension 0.5.0 (numpy 2.4) on the cube below of d = 10: TwoNN().dimension_, GRIDE(n1=2, n2=4).dimension_.
REFERENCE = {"TwoNN": 8.915199474842403, "GRIDE 2-4": 8.398594069703517}
CLOUDS = [("cube", 2), ("cube", 5), ("cube", 10), ("Gaussian", 2), ("Gaussian", 5), ("Gaussian", 10)]


def simulated(labels, number, control_draws):
    """Words of frequent and rare types in sentences of 10, and their probes.

    Parameters
    ----------
    labels : function of the generator and the word types to the labels of one concept
    number : int, concepts

    Returns
    -------
    types : int array (WORDS,)
    plan : triphase.states.probes.Plan
    """
    rng = np.random.default_rng(0)
    types = rng.choice(TYPES, WORDS, p=rng.dirichlet(np.full(TYPES, 0.5)))
    words = pd.DataFrame({"stimulus": "story", "word": [f"w{t}" for t in types], "sentence": np.arange(WORDS) // 10})
    columns = {f"concept{k}": labels(rng, types) for k in range(number)}
    probes = {"concepts": [{"name": name} for name in columns], "learning_curve": []}
    return types, plan_probes(pd.concat([words, pd.DataFrame(columns)], axis=1), probes, 0, control_draws)


def partly_by_type(rng, types):
    """Labels that half of the words have by their type and half by chance."""
    by_type, by_chance = rng.integers(0, CLASSES, TYPES)[types], rng.integers(0, CLASSES, len(types))
    return np.where(rng.random(len(types)) < 0.5, by_type, by_chance)


def vectors_of(types, rng):
    """Features of words: a vector of the type and as much that differs from word to word."""
    vectors = rng.normal(size=(TYPES, FEATURES))[types] + rng.normal(size=(len(types), FEATURES))
    return vectors.astype(np.float32)


def speed_figures():
    """Seconds for all concepts and layers: sentences held out alone, and all that `measure_states` does."""
    types, plan = simulated(partly_by_type, CONCEPTS, control_draws=10)
    layers = [vectors_of(types, np.random.default_rng(layer)) for layer in range(LAYERS)]
    _, labels_alone = simulated(partly_by_type, CONCEPTS, control_draws=1)
    rows, counted = [], {
        "real labels and 10 control tasks, s": (plan, {"sentences"}),
        "the same and held-out word types, s": (plan, {"sentences", "types"}),
        "held-out word types alone, s": (labels_alone, {"types"}),
    }  # fmt: skip
    for name, (probed, schemes) in counted.items():
        taken = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            for points in layers:
                probe_scores(points, probed, schemes=schemes)
            taken.append(time.perf_counter() - start)
        middle = statistics.median(taken)
        rows.append(figure(f"probes: {name}", round(middle, 1), f"<= {SECONDS}", middle <= SECONDS, seconds=taken))
    return rows


def agreement_figure():
    """Words that scikit-learn's RidgeClassifier puts into another class, over all concepts and folds of one layer."""
    from sklearn.linear_model import RidgeClassifier
    from sklearn.preprocessing import StandardScaler

    types, plan = simulated(partly_by_type, CONCEPTS, control_draws=1)
    points, splits = vectors_of(types, np.random.default_rng(0)).astype(float), plan.splits["sentences"]
    columns = [concept.codes[0] for concept in plan.concepts]
    different = 0
    for alpha in ALPHAS:
        ours = predict(points, columns, splits, plan.groups, [alpha])
        for train, test in splits:
            scaler = StandardScaler().fit(points[train])
            seen, held_out = scaler.transform(points[train]), scaler.transform(points[test])
            for codes, found in zip(columns, ours, strict=True):
                theirs = RidgeClassifier(alpha=alpha).fit(seen, codes[train]).predict(held_out)
                different += int((theirs != found[test]).sum())
    return figure("probes: words classified unlike RidgeClassifier", different, "0", different == 0)


def no_signal_figures():
    """Share of 95 % intervals that hold chance for labels of shuffled words, and 0 for labels of types seen as such."""
    rows = []
    types, plan = simulated(lambda rng, types: rng.integers(0, CLASSES, len(types)), SIMULATED, control_draws=1)
    points = vectors_of(types, np.random.default_rng(0))
    for scheme, held_out in {"sentences": "sentences", "types": "word types"}.items():
        scores = probe_scores(points, plan, schemes={scheme})
        rows.append(covered(f"shuffled words, {held_out} held out", scores, scheme, 1 / CLASSES))
    types, plan = simulated(lambda rng, types: rng.integers(0, CLASSES, TYPES)[types], SIMULATED, control_draws=10)
    scores = probe_scores(np.eye(TYPES)[types], plan, schemes={"sentences"})
    rows.append(covered("one-hot words, random labels of types: selectivity", scores, "selectivity", 0))
    return rows


def covered(name, scores, kind, expected):
    """One figure: how many of the simulated concepts have the expected value within their interval."""
    found = np.array([(value, error) for _, measure, value, error, _ in scores if measure == kind])
    inside = float((abs(found[:, 0] - expected) <= 1.96 * found[:, 1]).mean())
    deviation = float(found[:, 0].mean() - expected)
    return figure(
        f"probes: {name}, share of 95 % intervals that hold {expected:g}", round(inside, 2), f">= {COVERED}",
        inside >= COVERED, mean_deviation=deviation, mean_se=float(found[:, 1].mean()), simulated=len(found),
    )  # fmt: skip


def points_of(kind, d, n=4000, features=256):
    """A cube or a Gaussian of d dimensions, on a random subspace."""
    rng = np.random.default_rng(d)
    points = rng.uniform(size=(n, d)) if kind == "cube" else rng.normal(size=(n, d))
    basis, _ = np.linalg.qr(rng.normal(size=(features, d)))
    return points @ basis.T


def dimension_figures():
    """Largest relative error of the dimension where it should be found, and the distance from the reference library."""
    rows, found, seconds = [], {}, 0.0
    for kind, d in CLOUDS:
        points, start = points_of(kind, d), time.perf_counter()
        distances = neighbour_distances(points)
        found[kind, d] = {"TwoNN": two_nn(distances)[0], "GRIDE 2-4": gride(distances, 2)[0]}
        seconds += time.perf_counter() - start
    for name, reference in REFERENCE.items():
        values = {f"{kind} {d}": values[name] for (kind, d), values in found.items()}
        known = [abs(values[f"{kind} {d}"] / d - 1) for kind, d in CLOUDS if (kind, d) != ("cube", 10)]
        rows.append(figure(
            f"dimension: {name}, largest relative error", round(max(known), 3), f"<= {DIMENSION_ERROR}",
            max(known) <= DIMENSION_ERROR, values=values, seconds_for_all=seconds,
        ))  # fmt: skip
        distance = abs(found["cube", 10][name] - reference)
        rows.append(figure(
            f"dimension: {name}, cube of 10, distance from scikit-dimension", f"{distance:.0e}",
            f"<= {REFERENCE_ERROR:g}", distance <= REFERENCE_ERROR, reference=reference,
        ))  # fmt: skip
    return rows


def participation_figure():
    """Distance of the participation ratio from its closed form for directions of known variance."""
    rng = np.random.default_rng(0)
    scales = np.arange(1, 33) ** -0.7
    columns, _ = np.linalg.qr(np.c_[np.ones(WORDS), rng.normal(size=(WORDS, len(scales)))])
    basis, _ = np.linalg.qr(rng.normal(size=(FEATURES, len(scales))))
    found = participation_ratio(spectrum((columns[:, 1:] * scales) @ basis.T))
    distance = abs(found / ((scales**2).sum() ** 2 / (scales**4).sum()) - 1)
    name = "dimension: participation ratio, relative distance from its closed form"
    return figure(name, f"{distance:.0e}", "<= 1e-09", distance <= 1e-9)


def states_figures():
    """All figures of this part, as rows of `reporting.figure`."""
    return [
        *speed_figures(), agreement_figure(), *no_signal_figures(), *dimension_figures(), participation_figure(),
    ]  # fmt: skip
