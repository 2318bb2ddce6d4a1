"""Syntheses of simulated studies whose truth is planted (`make bench-synthesis`).

Prints one line per figure, writes `benchmarks/results/synthesis.json`, and ends with status 1 when one falls short.
Figures are listed in `benchmarks/README.md`.
"""

import os
import sys

os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})

import numpy as np  # noqa: E402
from reporting import figure, report  # noqa: E402

from triphase.phases.curves import Trajectory  # noqa: E402
from triphase.phases.pooled import random_effects  # noqa: E402
from triphase.phases.simulate import course  # noqa: E402
from triphase.phases.transitions import Settings  # noqa: E402
from triphase.synthesis.agreement import EQUAL, agreement  # noqa: E402
from triphase.synthesis.courses import Quantity, course_of  # noqa: E402
from triphase.synthesis.language import interaction  # noqa: E402

SYNTHESES = 1000
STUDIES = 120  # simulated of each kind, of which syntheses are made
CHECKPOINTS, PEOPLE, BLOCKS, DRAWS, NOISE = 16, 6, 20, 300, 0.05
BOUND = 0.5
TRIPLE = [1.0, -0.5, 0.5]
# Each differs from the triple by half of the first rise, at its trough or at its end.
OTHERS = {"a deeper fall": [1.0, -1.0, 1.0], "no fall": [1.0, 0.0, 0.0], "no return": [1.0, -0.5, 0.0]}
SPREAD = 0.1  # of the fall between data sets, in shares of the first rise


def people(truth, rng):
    """Curves of the people of one study, who differ in how strongly they respond; draws are of held-out blocks."""
    n, own = len(truth), NOISE * np.sqrt(PEOPLE)
    tokens = 4e9 * 300 ** np.linspace(0, 1, n)
    weights = rng.multinomial(BLOCKS - 1, np.full(BLOCKS, 1 / BLOCKS), size=DRAWS).T * np.sqrt(BLOCKS) / (BLOCKS - 1)
    curves = []
    for size in 1 + 0.2 * rng.standard_normal(PEOPLE):
        draws = size * truth[:, None] + own * rng.standard_normal((n, BLOCKS)) @ weights
        values = size * truth + own * rng.standard_normal(n)
        names = [f"step{i}" for i in range(n)]
        curves.append(Trajectory(names, tokens, tokens, values, np.full(n, np.nan), draws, BLOCKS - 1))
    return curves


def studies(legs, rng, number=STUDIES):
    """Courses of one model in so many simulated studies; `legs`: planted, or a function that draws them."""
    settings = Settings(draws=DRAWS)
    return [
        course_of(people(course(legs() if callable(legs) else legs, CHECKPOINTS), rng), settings, number)
        for number in range(number)
    ]


def agreement_figures(triples, rng):
    """How often courses are called equal that are, and that differ by the bound."""
    pairs = [(i, j) for i in range(len(triples)) for j in range(len(triples)) if i < j]
    picked = [pairs[k] for k in rng.choice(len(pairs), SYNTHESES, replace=False)]
    share = np.mean([called_equal(triples[i], triples[j], rng) for i, j in picked])
    rows = [figure("agreement: equal courses called equal, %", round(100 * share, 1), ">= 90", share >= 0.9)]
    for name, legs in OTHERS.items():
        others = studies(legs, rng)
        picked = rng.integers(0, len(others), (SYNTHESES, 2))
        share = np.mean([called_equal(triples[i], others[j], rng) for i, j in picked])
        label = f"agreement: {name}, half of the first rise, called equal, %"
        rows.append(figure(label, round(100 * share, 1), "<= 5", share <= 0.05))
    return rows


def called_equal(first, second, rng):
    """Whether two courses of different data sets are called equal."""
    return agreement(first, second, BOUND, rng, paired=False)["verdict"] == EQUAL


def summary_figures(triples, rng):
    """How often intervals hold what was planted: of one study, and of the mean over data sets."""
    known = [course.quantities["fall"] for course in triples if "fall" in course.quantities]
    held = np.mean([abs(found.value + 0.5) < 1.96 * found.error for found in known])
    rows = [
        figure(
            "summary: studies with a planted fall that have it, %", round(100 * len(known) / len(triples), 1), "", True
        ),
        figure(
            "summary: 95 % intervals of a study's fall that hold it, %",
            round(100 * held, 1),
            "93 to 99",
            0.93 <= held <= 0.99,
        ),
    ]
    varied = studies(lambda: [1.0, -0.5 + SPREAD * rng.standard_normal(), 0.5], rng)
    fitted = [course.quantities["fall"] for course in varied if "fall" in course.quantities]
    for sets in (3, 5, 8):
        found = []
        for _ in range(SYNTHESES):
            picked = [fitted[i] for i in rng.choice(len(fitted), sets, replace=False)]
            low, high = random_effects([q.value for q in picked], [q.error for q in picked])["interval"]
            found.append(low < -0.5 < high)
        share = np.mean(found)
        label = f"summary: random effects over {sets} data sets, from curves, 95 % intervals that hold, %"
        rows.append(figure(label, round(100 * share, 1), "93 to 97", 0.93 <= share <= 0.97))
    for name, tau in (("as large as the error", 1.0), ("of a half of it", 0.5), ("of none", 0.0)):
        share = np.mean([holds(5, tau, rng) for _ in range(SYNTHESES)])
        goal = ("93 to 97", 0.93 <= share <= 0.97) if tau == 1 else (">= 93, never too narrow", share >= 0.93)
        label = f"summary: random effects over 5 data sets, spread {name}, 95 % intervals that hold, %"
        rows.append(figure(label, round(100 * share, 1), *goal))
    return rows


def holds(sets, tau, rng):
    """Whether the interval of a mean over data sets holds 0, with errors that are themselves estimated."""
    errors = rng.uniform(0.5, 1.5, sets)
    values = rng.normal(0, np.hypot(tau, errors))
    low, high = random_effects(values, errors * np.sqrt(rng.chisquare(BLOCKS - 1, sets) / (BLOCKS - 1)))["interval"]
    return low < 0 < high


def language_figures(rng):
    """Whether a planted interaction is found as often as the printed power says, and none as rarely as it should."""
    models, languages, error = range(4), range(3), 0.08
    shares = {
        (f"m{m}", f"s{s}"): share for m in models for s, share in zip(languages, rng.dirichlet(np.ones(3)), strict=True)
    }
    results = {}
    for slope in (0.5, 0.0):
        found = []
        for _ in range(SYNTHESES):
            of_model, of_study = rng.normal(size=4), rng.normal(size=3)
            values = {
                (f"m{m}", f"s{s}"): Quantity(
                    of_model[m] + of_study[s] + slope * shares[f"m{m}", f"s{s}"] + error * rng.standard_normal(),
                    error * np.sqrt(rng.chisquare(BLOCKS - 1) / (BLOCKS - 1)),
                    rng.standard_normal(50),
                )
                for m in models
                for s in languages
            }
            found.append(interaction(values, shares, 0.5))
        results[slope] = found
    share, told = (np.mean(x) for x in ([r["p"] < 0.05 for r in results[0.5]], [r["power"] for r in results[0.5]]))
    false = np.mean([r["p"] < 0.05 for r in results[0.0]])
    label = "language: interactions of half of the first rise that are found, %"
    near = abs(share - told) <= 0.05
    return [
        figure(label, round(100 * share, 1), f"the power that is printed, {100 * told:.1f} ± 5", near),
        figure("language: no interaction, called one, %", round(100 * false, 1), "<= 6", false <= 0.06),
    ]


def main():
    """Measure all; exit status 1 when a figure falls short."""
    rng = np.random.default_rng(0)
    triples = studies(TRIPLE, rng)
    rows = [*language_figures(rng), *summary_figures(triples, rng), *agreement_figures(triples, rng)]
    return report("synthesis", rows, ["numpy", "scipy"], load=os.getloadavg())


if __name__ == "__main__":
    sys.exit(main())
