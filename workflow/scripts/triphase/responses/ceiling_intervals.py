"""Ceilings of a whole study with block-bootstrap intervals, per voxel and per region, in bounded memory.

Contiguous blocks of time are drawn alike for all voxels and subjects, and alike for all hearings of one stimulus. An
interval is estimate +- t x standard deviation over draws, on the scale of Fisher's z, with t of Student's distribution
for as many degrees of freedom as there are blocks, less one per stimulus. With the 7 to 40 blocks of a scan,
percentiles of the draws cover the truth less often than they say (0.88 to 0.93 instead of 0.95 in simulated data).
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from triphase.core.batches import slices, start_of_sum
from triphase.core.types import Entries, Section
from triphase.responses.ceiling import (
    GROUP,
    Others,
    common_places,
    hearings,
    isc_of,
    r_max,
    reliability_from_repeats,
    standardized,
)
from triphase.responses.regions import region_means, voxel_batches
from triphase.responses.targets import region_masks
from triphase.stats.bootstrap import bootstrap_draws, bootstrap_r, cut_blocks
from triphase.stats.intervals import RESAMPLED_SUBJECTS, half_width
from triphase.stats.scoring import fisher_z

log = logging.getLogger(__name__)

BOOTSTRAP_DRAWS = 1000
# Length of the blocks of time that are drawn, s: several times the 10 to 15 s over which responses are correlated.
BLOCK_SECONDS = 40
# Voxels per bootstrap: bounds the memory of draws x voxels.
VOXEL_BATCH = 2048


class Blocks:
    """Blocks of time of every stimulus, and how often each draw takes them.

    Parameters
    ----------
    lengths : dict of str to int; scans of each stimulus (or run) that all subjects and hearings have
    length : scans per block, about
    """

    def __init__(self, lengths: Mapping[str, int], length: int, n_draws: int, seed: int):
        segments = [np.arange(scans) for scans in lengths.values()]
        blocks = cut_blocks(segments, length)
        counts = bootstrap_draws([len(rows) for rows in blocks], list(range(len(segments))), n_draws, seed)
        self.lengths = lengths
        self.of = dict(zip(lengths, zip(blocks, counts, strict=True), strict=True))

    def freedom(self, names: Iterable[str]) -> int:
        """Degrees of freedom: blocks less one for each of the named stimuli."""
        return sum(len(self.of[name][0]) - 1 for name in names)


def interval(value: np.ndarray, draws: np.ndarray, freedom: int) -> tuple[np.ndarray, np.ndarray]:
    """Interval of correlations from their draws.

    Parameters
    ----------
    value : float array (voxel,)
    draws : float array (draw, voxel)
    freedom : int, degrees of freedom

    Returns
    -------
    low, high : float arrays (voxel,), NaN where there are no two blocks to draw
    """
    half = half_width(fisher_z(draws).std(axis=0, ddof=1), freedom)
    return np.tanh(fisher_z(value) - half), np.tanh(fisher_z(value) + half)


def repeat_draws(by_run: Mapping[str, np.ndarray], groups: Mapping[str, Sequence[str]], blocks: Blocks) -> np.ndarray:
    """Reliability of a single hearing in every bootstrap draw.

    From sums over blocks, so that no draw forms its time series; the ratio of variances equals the mean correlation
    over pairs of hearings as far as the hearings' variances in a draw are equal.

    Parameters
    ----------
    by_run : dict of run to float array (time, voxel)
    groups : dict of stimulus to list of run
    blocks : Blocks

    Returns
    -------
    float64 array (draw, voxel)
    """
    z, total = start_of_sum(), sum(blocks.lengths[stimulus] for stimulus in groups)
    for stimulus, names in groups.items():
        rows, counts = blocks.of[stimulus]
        counts = counts.astype(np.float64)
        scans = counts @ np.array([len(block) for block in rows], float)[:, None]
        length = blocks.lengths[stimulus]
        single, together, squares = start_of_sum(), start_of_sum(), start_of_sum()
        for name in names:
            values = standardized(by_run[name][:length])
            single = single - (counts @ _sums(values, rows)) ** 2 / scans
            squares = squares + _sums(values**2, rows)
            together = together + values
        single = single + counts @ squares
        both = counts @ _sums(together**2, rows) - (counts @ _sums(together, rows)) ** 2 / scans
        z = z + length / total * fisher_z((both - single) / ((len(names) - 1) * single))
    return np.tanh(z)


def _sums(values, rows):
    return np.stack([values[block].sum(axis=0) for block in rows])


class Collected:
    """Values and intervals per voxel of one subject, and their means and draws per region."""

    def __init__(self, layout: Section, masks: Mapping[str, np.ndarray], n_draws: int):
        self.layout, self.masks = layout, masks
        n_voxels = len(layout["roi"])
        self.value, self.low, self.high = (np.full(n_voxels, np.nan) for _ in range(3))
        self.sums, self.counts = np.zeros(len(masks)), np.zeros(len(masks), int)
        self.draws = np.zeros((n_draws, len(masks)))

    def add(self, voxels: slice | np.ndarray, value: np.ndarray, draws: np.ndarray, freedom: int) -> None:
        """Take in a batch: `voxels` slice, `value` (voxel,), `draws` (draw, voxel)."""
        self.value[voxels] = value
        self.low[voxels], self.high[voxels] = interval(value, draws, freedom)
        known = np.isfinite(value)
        inside = np.stack([mask[voxels] & known for mask in self.masks.values()]).T
        self.counts += inside.sum(axis=0)
        self.sums += np.where(known, value, 0) @ inside
        self.draws += np.where(known, draws, 0) @ inside.astype(float)

    def regions(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean over a region's voxels, (region,), and its draws, (draw, region); NaN without voxels."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.sums / self.counts, self.draws / self.counts


def measure_ceiling(
    open_runs: Callable[..., Mapping[str, np.ndarray]],
    layouts: Mapping[str, Section],
    runs: Entries,
    *,
    rois: Entries,
    tr: float,
    seed: int,
    common_space: bool | None = True,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The ceiling of every subject, voxel and region, with intervals.

    Parameters
    ----------
    open_runs : callable
        Subject, list of run names and slice or int array of voxels to dict of run to float array (time, voxel), NaN
        where a voxel is not valid. Called for one subject and a few voxels at a time, so that a study need not fit into
        memory.
    layouts : dict of subject to dict
        roi, x, y, z and valid, arrays (voxel,), and `scans`, dict of run to its number of scans.
    runs : list of dict with name and stimulus
    rois : list of dict with name and language
    tr : float, s
    seed : int
    common_space : bool
        Whether subjects share a space: voxels are then compared place by place, whatever each one's mask. Without it
        (and without repeats) subjects are compared by the mean time courses of regions alone; with None not at all.

    Returns
    -------
    voxels : DataFrame
        subject, voxel, roi, valid, reliability, ceiling, low, high and kind. With repeats (kind "repeats") `ceiling` is
        r_max for hearings scored one by one, an upper bound. Without (kind "isc") it is the leave-one-out inter-subject
        correlation, a reference and not an upper bound, and the reliability is NaN. The interval is that of `ceiling`.
    regions : DataFrame
        subject, roi, ceiling, low, high, n_voxels, n_subjects, kind. A region's ceiling is r_max of its voxels' mean
        reliability, or their mean inter-subject correlation (kind "isc of region means": that of its mean time
        course). Subject "group" is r_max of the mean reliability over subjects, or their mean correlation, with
        subjects resampled from ten on.
    """
    settings = {"n_draws": BOOTSTRAP_DRAWS, "length": max(int(round(BLOCK_SECONDS / tr)), 1), "seed": seed}
    masks = {name: region_masks(layout["roi"], rois) for name, layout in layouts.items()}
    collected = {name: Collected(layout, masks[name], BOOTSTRAP_DRAWS) for name, layout in layouts.items()}
    groups, kind, freedom = hearings(runs), "isc", 0
    usable = [subject for subject, layout in layouts.items() if layout["valid"].any()]
    for subject in sorted(set(layouts) - set(usable)):
        log.warning("%s has no valid voxel and no ceiling", subject)
    regional = collected
    if groups:
        kind = "repeats"
        freedom = _from_repeats(open_runs, {name: layouts[name] for name in usable}, groups, collected, settings)
    elif len(usable) < 2 or common_space is None:
        log.warning("no stimulus is repeated and no two usable subjects can be compared: the ceiling is unknown")
    elif common_space:
        places = common_places({subject: layouts[subject] for subject in usable})
        if any((voxels < 0).any() for voxels in places.values()):
            log.info("subjects have voxels of their own: each is compared with those who have it too")
        freedom = _from_others(open_runs, {name: layouts[name] for name in usable}, places, collected, settings)
    else:
        kind = "isc of region means"
        means = {name: _means(open_runs, name, layouts[name], masks[name]) for name in usable}
        names = list(masks[usable[0]])
        identity = {name: np.arange(len(names)) == place for place, name in enumerate(names)}
        small = {name: {"roi": np.array(names), "scans": layouts[name]["scans"]} for name in usable}
        regional = {name: Collected(small.get(name, {"roi": names}), identity, BOOTSTRAP_DRAWS) for name in layouts}
        freedom = _from_others(
            lambda subject, chosen, voxels: {run: means[subject][0][run][:, voxels] for run in chosen},
            small,
            {name: np.arange(len(names)) for name in usable},
            regional,
            settings,
        )
        for name in usable:
            regional[name].counts = np.where(regional[name].counts > 0, means[name][1], 0)
            regional[name].sums *= regional[name].counts
            regional[name].draws *= regional[name].counts
    return _voxel_table(collected, kind), _region_table(regional, kind, freedom, seed)


def _from_repeats(open_runs, layouts, groups, collected, settings):
    scans = [layout["scans"] for layout in layouts.values()]
    there = {s: [[n[name] for name in names if name in n] for n in scans] for s, names in groups.items()}
    there = {s: [each for each in lengths if len(each) > 1] for s, lengths in there.items()}
    blocks = Blocks({s: min(map(min, lengths)) for s, lengths in there.items() if lengths}, **settings)
    for subject, layout in layouts.items():
        heard = {s: [name for name in groups[s] if name in layout["scans"]] for s in blocks.lengths}
        heard = {s: names for s, names in heard.items() if len(names) > 1}
        names = [name for group in heard.values() for name in group]
        if not heard:
            log.warning("%s heard no stimulus more than once: its ceiling is unknown", subject)
            continue
        for voxels in voxel_batches(len(layout["roi"]), sum(layout["scans"][name] for name in names)):
            by_run = open_runs(subject, names, voxels)
            for part, place in _parts(voxels):
                few = {name: values[:, part] for name, values in by_run.items()}
                value = reliability_from_repeats(few, heard)
                collected[subject].add(place, value, repeat_draws(few, heard, blocks), blocks.freedom(heard))
    return blocks.freedom(blocks.lengths)


def _from_others(open_runs, layouts, places, collected, settings):
    shared = [run for run in next(iter(layouts.values()))["scans"] if all(run in o["scans"] for o in layouts.values())]
    blocks = Blocks({run: min(layout["scans"][run] for layout in layouts.values()) for run in shared}, **settings)
    rows, counts = [], [blocks.of[run][1] for run in shared]
    for run in shared:
        start = sum(len(block) for segment in rows for block in segment)
        rows.append([block + start for block in blocks.of[run][0]])
    n_places = len(next(iter(places.values())))

    def opened(subject, batch):
        lengths = {run: layouts[subject]["scans"][run] for run in shared}
        return _at_places(open_runs, subject, lengths, places[subject][batch], batch)

    # Own, others' and total are in double precision beside the responses as read.
    for batch in voxel_batches(n_places, 8 * sum(blocks.lengths.values())):
        others = Others(opened(subject, batch) for subject in layouts)
        for subject in layouts:
            pairs = others.pairs(opened(subject, batch))
            value = isc_of(pairs)
            own, rest = (np.concatenate([pair[side] for pair in pairs.values()]) for side in (0, 1))
            for part, place in _parts(batch):
                drawn = bootstrap_r(rest[:, part], own[:, part], rows, counts)
                voxels = places[subject][place]
                there = voxels >= 0
                collected[subject].add(voxels[there], value[part][there], drawn[:, there], blocks.freedom(shared))
    return blocks.freedom(shared)


def _at_places(open_runs, subject, lengths, voxels, batch):
    """A subject's responses at some places, NaN where it has no voxel: dict of run to float array (time, place)."""
    if np.array_equal(voxels, np.arange(batch.start, batch.stop)):
        return open_runs(subject, list(lengths), batch)
    there = voxels >= 0
    by_run = {run: np.full((scans, len(voxels)), np.nan, np.float32) for run, scans in lengths.items()}
    if there.any():
        for run, values in open_runs(subject, list(lengths), voxels[there]).items():
            by_run[run][:, there] = values
    return by_run


def _parts(voxels):
    """Batches of a slice of voxels: (slice within it, slice among all voxels)."""
    for part in slices(voxels.stop - voxels.start, VOXEL_BATCH):
        yield part, slice(voxels.start + part.start, voxels.start + part.stop)


def _means(open_runs, subject, layout, masks):
    batches = voxel_batches(len(layout["roi"]), sum(layout["scans"].values()))
    return region_means(((voxels, open_runs(subject, list(layout["scans"]), voxels)) for voxels in batches), masks)


def _voxel_table(collected, kind):
    parts, repeats = [], kind == "repeats"
    for subject, each in collected.items():
        bounded = r_max if repeats else (lambda values: values)
        part = {"subject": subject, "voxel": np.arange(len(each.value))}
        part |= {"roi": each.layout["roi"], "valid": each.layout["valid"]}
        part |= {"reliability": each.value if repeats else np.nan, "ceiling": bounded(each.value)}
        parts.append(pd.DataFrame({**part, "low": bounded(each.low), "high": bounded(each.high), "kind": kind}))
    return pd.concat(parts, ignore_index=True)


def _region_table(collected, kind, freedom, seed):
    bounded = r_max if kind == "repeats" else (lambda values: values)
    rows, values, draws = [], [], []
    for subject, each in collected.items():
        value, drawn = each.regions()
        low, high = interval(value, drawn, freedom)
        for place, region in enumerate(each.masks):
            bounds = (bounded(part[place]) for part in (value, low, high))
            rows.append((subject, region, *bounds, each.counts[place], int(each.counts[place] > 0)))
        values.append(value)
        draws.append(drawn)
    values, draws = np.array(values), np.array(draws)
    for place, region in enumerate(next(iter(collected.values())).masks):
        known = np.isfinite(values[:, place])
        mean, low, high = _group(values[known, place], draws[known][:, :, place], freedom, seed)
        n_voxels = sum(int(each.counts[place]) for each in collected.values())
        rows.append((GROUP, region, *(bounded(part) for part in (mean, low, high)), n_voxels, int(known.sum())))
    columns = ["subject", "roi", "ceiling", "low", "high", "n_voxels", "n_subjects"]
    return pd.DataFrame(rows, columns=columns).assign(kind=kind)


def _group(values, draws, freedom, seed):
    """Mean over subjects with its interval: values (subject,), draws (subject, draw)."""
    number = len(values)
    if not number:
        return np.nan, np.nan, np.nan
    if number < RESAMPLED_SUBJECTS:
        low, high = interval(values.mean(keepdims=True), draws.mean(axis=0)[:, None], freedom)
    else:
        picks = np.random.default_rng([seed, number]).integers(number, size=(draws.shape[1], number))
        drawn = draws[picks, np.arange(draws.shape[1])[:, None]].mean(axis=1)
        low, high = interval(values.mean(keepdims=True), drawn[:, None], min(freedom, number - 1))
    return values.mean(), low[0], high[0]
