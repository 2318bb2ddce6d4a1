"""How often a fall is said to depend on the size of the training set, where it does and where something is lost.

Part of the figures of encoding. Features of 13 checkpoints are simulated and go through `fit_layer` with a quarter, a
half and all of the training stimuli. In one kind of series latents stay perfectly decodable while their share of the
features' variance goes from 0.5 to 0.05 and back; in the other half of the latents become noise, and return.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "workflow/scripts"), str(HERE.parent / "tests/helpers")]
from reporting import borne, figure  # noqa: E402
from simulated_fits import ALPHAS, DELAYS, Simulated, ar1  # noqa: E402

from triphase.config.jobs import FitEncoding  # noqa: E402
from triphase.encoding.analyses import FEWER  # noqa: E402
from triphase.encoding.design import Masks, design_dataset  # noqa: E402
from triphase.encoding.fitting import Engine, fit_layer  # noqa: E402
from triphase.encoding.folds import fewer_stimuli  # noqa: E402
from triphase.encoding.preparing import Alone, shared_fits  # noqa: E402
from triphase.phases.curves import Trajectory  # noqa: E402
from triphase.phases.training_size import SIZES, lost_share, over_sizes  # noqa: E402
from triphase.phases.transitions import Settings  # noqa: E402
from triphase.phases.verdict import Judged  # noqa: E402

RUNS, TEST = (100,) * 12, (300, 300)
LATENTS, OTHERS, COLUMNS, VOXELS = 4, 60, 100, 6
# Knots of a course over the 13 checkpoints: little, much, little, much of what is planted.
COURSE = np.interp(np.arange(13), [0, 4, 8, 12], [0, 1, 0, 1])
SHARES = 0.05 * 10**COURSE  # of variance: from 0.05 to 0.5
SETTINGS = FitEncoding(
    rois=[{"name": "A", "language": True}], alphas=[np.log10(ALPHAS[0]), np.log10(ALPHAS[-1]), len(ALPHAS)],
    band_weights=[0, 0.5, 1], scalings=["zscore"], components=10, significance="blocks", permutations=99,
    boot_draws=300, generalise_to="new stimuli", seed=0,
)  # fmt: skip
REALISATIONS = 20
KINDS = {"a smaller share of variance": 0.90, "half of the latents lost": 0.05}


def study(seed):
    """Latents, other columns and responses of one realisation, with what all its fits share."""
    data = Simulated(np.random.default_rng(seed), train=RUNS, test=TEST)
    generator = data.generator
    latents = data.features(np.full(LATENTS, 0.8))
    signal = data.delayed(latents) @ generator.standard_normal((LATENTS * len(DELAYS), VOXELS))
    noise = data.noise(np.full(VOXELS, 0.4))
    y = (signal / signal.std(0) + 2 * noise / noise.std(0)).astype(np.float32)
    design = data.design(y)
    fewer = {
        name: Masks(*fewer_stimuli(design.outer, data.runs, data.runs, quarters, n_folds=3, gap=design.gap))
        for name, quarters in FEWER.items()
    }
    design = replace(design, fewer=fewer)
    targets = pd.DataFrame({"subject": "s", "roi": ["A"] * VOXELS})
    alone = Alone(design, shared_fits(design, np.zeros((1, len(y), 0))), targets, SETTINGS)
    alone.add(y)
    shared = xr.merge([design_dataset(design), alone.dataset()]).assign(responses=(("time", "target"), y))
    return data, latents, shared, design, targets


def checkpoints(data, latents, kind):
    """Features of every checkpoint of a series, one after the other."""
    generator, n = data.generator, len(latents)
    basis, _ = np.linalg.qr(generator.standard_normal((COLUMNS, LATENTS + OTHERS)))
    others = data.features(np.full(OTHERS, 0.8))
    strangers = ar1(generator, n, np.full(LATENTS, 0.8))
    for place, (share, kept) in enumerate(zip(SHARES, COURSE, strict=True)):
        held, of_latents = latents.copy(), share
        if kind == "half of the latents lost":
            # All latents come with the first rise; half of them go and return.
            weight = np.where(np.arange(LATENTS) < LATENTS // 2, 1 if place > 4 else kept, kept)
            held, of_latents = weight * latents + np.sqrt(1 - weight**2) * strangers, 0.5
        whole = np.column_stack([held * np.sqrt(of_latents / LATENTS), others * np.sqrt((1 - of_latents) / OTHERS)])
        yield (whole @ basis.T).astype(np.float32)


def label(kind, seed):
    """What is said of one series: the dict of `over_sizes`, or None where its curve does not fall."""
    data, latents, shared, design, targets = study(seed)
    fits = [
        fit_layer(features, data.rows, shared, design, targets, SETTINGS, Engine(backend="numpy"))
        for features in checkpoints(data, latents, kind)
    ]
    steps = 2.0 ** np.arange(len(fits))
    curves = []
    for name in SIZES:
        at = [str(one) for one in fits[0]["trained_on"].values].index("" if name == "all" else name)
        draws = np.array([one["boot_gain"].values[0, 0, at] for one in fits])
        values = np.array([one["gain"].values[at].mean() for one in fits])
        names = [f"step{step:g}" for step in steps]
        errors = draws.std(1, ddof=1)
        curves.append(Trajectory(names, steps, steps * 1000, values, errors, draws, float(fits[0]["freedom"])))
    judged = Judged(curves[-1], Settings(draws=100), np.random.default_rng(seed))
    if -1 not in judged.signs:
        return None
    found = [lost_share(judged, curve) for curve in curves]
    return None if any(share is None for share in found) else over_sizes(np.array(found), curves[0].freedom)


def size_figures(realisations=REALISATIONS):
    """Share of the series that fall which get the label, of both kinds."""
    rows = []
    for kind, goal in KINDS.items():
        told = [label(kind, seed) for seed in range(realisations)]
        fell = [entry for entry in told if entry]
        count, n = sum(entry["dependent"] for entry in fell), len(fell)
        lost = [[round(entry["shares"][name]["share"], 2) for name in SIZES] for entry in fell]
        rows.append(
            figure(
                f"label of the training set's size, {kind}",
                f"{count} of {n} that fall",
                f"{'>=' if goal > 0.5 else '<='} {goal:.0%}",
                borne(count, n, goal, goal > 0.5),
                series=realisations,
                lost_by_size=lost,
                limits=[round(entry["limit"]["share"], 2) for entry in fell],
            )
        )
    return rows


if __name__ == "__main__":
    for row in size_figures(int(sys.argv[1]) if len(sys.argv) > 1 else REALISATIONS):
        print(row)
