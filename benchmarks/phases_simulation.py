"""Phases on simulated studies: recovery, false triples and coverage where the truth is known (for `make bench-phases`).

A study has 16 checkpoints; its covariance is estimated from 1,000 simulated draws as that of a real one.
"""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # the processes share the cores
ROOT = Path(__file__).resolve().parents[1]
for folder in (ROOT / "workflow" / "scripts", ROOT / "benchmarks"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from reporting import figure  # noqa: E402

from triphase.core.artefacts import read_table  # noqa: E402
from triphase.phases.simulate import KINDS, course, simulate_study  # noqa: E402
from triphase.phases.transitions import (  # noqa: E402
    Curve,
    Settings,
    grid_interval,
    is_triple,
    legs,
    margins,
    merged,
)

SETTINGS = Settings()
N = 16
LEGS = (1, -0.4, 0.5)
KNOTS = (5, 10)
NOISES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
GOALS = {0.05: (0.95, 0.95), 0.1: (0.85, 0.75)}  # breakpoints, pattern
RIVALS = {
    "flat": (0,),
    "one rise": (1,),
    "rise-plateau": (1, 0),
    "rise-fall": (1, -0.4),
    "rise-fall-plateau": (1, -0.4, 0),
}
SUBJECTS = (3, 6, 27)
FALSE_NOISES = (0.05, 0.1, 0.2)  # in turn over the studies of one course
TOGETHER = 40  # series that share one estimate of the covariance
COVERED = (0.05, 0.1)
BLOCKS_TOGETHER = 10  # the same, where a covariance of few blocks is what is looked at
EMBEDDED = ROOT / "results" / "embedded" / "power"


def recover(noise, series, seed):
    """One study of the triple: what is found of each of its series, and whether intervals cover the truth.

    `near`: both breakpoints of the best fit with two lie within one grid step. `legs`: the pattern's legs are those of
    the truth; `course`: it has no plateau too many either. Intervals, of 95 %, are those of fits with the right legs
    and two breakpoints.
    """
    rng = np.random.default_rng(seed)
    t, values, sampled, draws = simulate_study(course(LEGS, N), noise, KINDS["independent"], 6, series, rng)
    curves = Curve.several(t, values, sampled, SETTINGS)
    bank = curves[0].bank
    _, best = bank.search(values, lambda signs: 0 if all(signs) and len(signs) == len(LEGS) else -1, 1)
    rows = []
    for curve, number in zip(curves, best[0], strict=True):
        row = {
            "near": np.abs(np.subtract(bank.shapes[number].knots, KNOTS)).max() <= 1,
            "legs": legs(curve.signs) == tuple(np.sign(LEGS)),
            "course": merged(curve.signs) == tuple(np.sign(LEGS)),
        }
        if noise in COVERED and row["course"] and len(curve.fit.shape.knots) == 2:
            knots, slopes = curve.refit(draws, rng)
            intervals = np.array([grid_interval(t, found) for found in knots.T])
            row["breakpoints"] = covered(intervals.T, t[list(KNOTS)])
            true = np.divide(LEGS, np.diff(t[[0, *KNOTS, N - 1]]))
            row["slopes"] = covered(np.quantile(slopes, [0.025, 0.975], axis=0), true)
        rows.append(row)
    return rows


def covered(interval, truth):
    """Share of true values inside their intervals (low and high)."""
    low, high = interval
    return np.mean((low <= truth) & (truth <= high))


def cover(kind, noise, n, series, seed):
    """One study of the triple: of fits with the right legs, which intervals of leg changes hold the truth; residuals.

    Returns
    -------
    list of dict with level95, level99 (share of a fit's legs inside), mean residual over the range, one_sided
    """
    rng, truth = np.random.default_rng(seed), course(LEGS, n)
    t, values, sampled, _ = simulate_study(truth, noise, KINDS[kind], 1, series, rng)
    rows = []
    for curve in Curve.several(t, values, sampled, SETTINGS):
        fit, residual = curve.fit, curve.values - curve.fit.fitted
        row = {"residual": residual.mean() / np.ptp(fit.fitted), "one_sided": abs(np.sign(residual).sum()) == n}
        if merged(curve.signs) == tuple(np.sign(LEGS)):
            turn = np.r_[0, np.cumsum(np.diff(curve.signs) != 0)] == np.arange(len(LEGS))[:, None]
            weights = turn * np.diff(t[[0, *fit.shape.knots, n - 1]])
            error = np.sqrt(np.einsum("pi,ij,pj->p", weights, fit.covariance, weights))
            off = np.abs(weights @ fit.slopes - LEGS) / error
            row |= {f"level{level}": (off < fit.factor(level / 100)).mean() for level in (95, 99)}
        rows.append(row)
    return rows


def coverage_figures(pool, total):
    """Coverage of leg changes and places of fits under noise as real draws have it: list of figures."""
    cells = [
        (kind, noise, n)
        for kind in KINDS if KINDS[kind].blocks
        for noise, n in ((0.04, 13), (0.06, 16))
    ]  # fmt: skip
    jobs = {
        cell: [
            pool.submit(cover, *cell, size, [13, number, i]) for i, size in enumerate(studies(total, BLOCKS_TOGETHER))
        ]
        for number, cell in enumerate(cells)
    }
    rows = []
    for (kind, noise, n), each in jobs.items():
        found = pd.DataFrame([row for job in each for row in job.result()])
        right = found.dropna()
        number, where = len(LEGS) * len(right), f"{kind}, {n} checkpoints, noise {noise}"
        for level, (low, high) in {95: (0.93, 0.97), 99: (0.98, 1.0)}.items():
            share = right[f"level{level}"].mean()
            # Short only where the one-sided 95 % bound of the share excludes the goal.
            slack = 1.645 * np.sqrt(share * (1 - share) / max(number, 1))
            rows.append(figure(f"coverage: {level} % intervals of leg changes, {where}", f"{share:.1%}",
                               f"{low:.0%} to {high:.0%}", low - slack <= share <= high + slack, n=number))  # fmt: skip
        mean, beside = found["residual"].mean(), found["one_sided"].mean()
        text = f"{mean:.2%} ± {found['residual'].std():.2%}"
        rows.append(figure(f"coverage: mean residual over the range, {where}", text, "within ±1 %", abs(mean) <= 0.01,
                           n=len(found)))  # fmt: skip
        rows.append(figure(f"coverage: fits with all points on one side, {where}", f"{beside:.1%}", "<= 2 %",
                           beside <= 0.02, n=len(found)))  # fmt: skip
    return rows


def false_triples(name, kind, subjects, series, seed):
    """One study of a rival: numbers of series that are called a triple, and that would be without the tests."""
    rng = np.random.default_rng(seed)
    noise = FALSE_NOISES[seed[-1] % len(FALSE_NOISES)]
    t, values, sampled, _ = simulate_study(course(RIVALS[name], N), noise, KINDS[kind], subjects, series, rng)
    triples = [curve for curve in Curve.several(t, values, sampled, SETTINGS) if is_triple(curve.signs)]
    false = sum(max(test["p"] for test in margins(curve, rng).values()) <= SETTINGS.significance for curve in triples)
    return np.array([false, len(triples)])


def simulation_figures(series=1000, recovered=1000, noises=NOISES, subjects=SUBJECTS, workers=2, covered_by=400):
    """All figures: list. About 15 minutes on two quiet cores."""
    with ProcessPoolExecutor(workers) as pool:
        covering = coverage_figures(pool, covered_by)
        recoveries = {
            noise: [pool.submit(recover, noise, size, [11, i, round(1000 * noise)])
                    for i, size in enumerate(studies(recovered))]
            for noise in noises
        }  # fmt: skip
        cells = {
            (name, kind, n): [pool.submit(false_triples, name, kind, n, size, [12, a, b, n, i])
                              for i, size in enumerate(studies(series))]
            for a, name in enumerate(RIVALS) for b, kind in enumerate(KINDS)
            for n in (subjects[:1] if KINDS[kind].blocks else subjects)
        }  # fmt: skip
        found = {
            noise: pd.DataFrame([row for job in jobs for row in job.result()]) for noise, jobs in recoveries.items()
        }
        counts = {cell: sum(job.result() for job in jobs) for cell, jobs in cells.items()}
    rows = [recovery_figure(noise, each) for noise, each in found.items()]
    for key in ("slopes", "breakpoints"):
        for noise in COVERED:
            if noise in found:
                share = found[noise][key].dropna()
                rows.append(figure(f"simulation: coverage of {key} at noise {noise}", f"{share.mean():.1%}", ">= 92 %",
                                   share.mean() >= 0.92, n=len(share)))  # fmt: skip
    for (name, kind, n), (false, fitted) in counts.items():
        # The last kind is a smooth excursion of one training run, half of which no draw shows; in that run it is real.
        # A wider interval of tau (90 % for 68 %) spares a fifth of these triples, and a third of the true ones at 0.1.
        share = false / series
        rows.append(figure(f"simulation: false triple, {name}, {kind}, {n} subjects", f"{share:.1%}", "<= 5 %",
                           share <= 0.05, n=series, fitted=f"{fitted / series:.1%}"))  # fmt: skip
    return [*rows, *covering, embedded_figure()]


def studies(total, together=TOGETHER):
    """Sizes of the studies that have so many series together."""
    return [min(together, total - start) for start in range(0, total, together)]


def recovery_figure(noise, found):
    """Breakpoints and patterns found at one level of noise."""
    shares, goal = found[["near", "legs", "course"]].mean(), GOALS.get(noise)
    text = f"{shares['near']:.1%} of breakpoints, {shares['legs']:.1%} of patterns"
    said = f">= {goal[0]:.0%} and >= {goal[1]:.0%}" if goal else "none: a point of the curve"
    ok = not goal or (shares["near"] >= goal[0] and shares["legs"] >= goal[1])
    return figure(f"simulation: recovery at noise {noise}", text, said, ok, n=len(found),
                  without_plateaus_too_many=f"{shares['course']:.1%}")  # fmt: skip


def embedded_figure():
    """Where the embedded study lies among the levels of noise, by its tables of power; skipped where it was not run."""
    name, goal = "simulation: noise of the embedded study", "none: a place on the curve"
    levels = {path.stem: read_table(path).attrs["noise"] for path in sorted(EMBEDDED.glob("*.parquet"))}
    if not levels:
        return figure(name, f"no {EMBEDDED.relative_to(ROOT)}: run `snakemake power` first", goal, None)
    text = ", ".join(
        f"{model} {'has no first rise' if each is None else f'{each:.3f}'}" for model, each in levels.items()
    )
    return figure(name, text, goal, True)


if __name__ == "__main__":
    for row in simulation_figures(*(int(size) for size in sys.argv[1:])):
        print(row, flush=True)
