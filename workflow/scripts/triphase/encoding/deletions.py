"""What each part of the training scans contributes to held-out scores, by refits without it.

Draws of held-out blocks at frozen weights say how a score varies over the blocks that were scored: they generalise to
*these stimuli*, heard by these weights. Other stimuli would have trained other weights. Their share of the variance is
that of the jackknife over groups of training scans (Tukey 1958; Shao and Tu 1995, "The jackknife and bootstrap"): a
score less the score of a fit without the group. Each draw of held-out blocks gets, beside it, a draw of these
differences. Where every scan is held out once, the groups are the held-out blocks themselves and are drawn with them,
because a block that happens to be easy to predict is one that other folds have trained on.

A fit without a group needs no decomposition of its own. With P the matrix that gives the dual weights c = P y of kernel
ridge with an intercept, the weights without the rows D are c - P[:, D] P[D, D]^-1 c[D]: penalties and band weights stay
as they were chosen.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from triphase.core.batches import slices
from triphase.encoding.design import Design
from triphase.encoding.folds import HELD_OUT, TRAIN, hold_out_stimuli
from triphase.encoding.kernels import Spectrum
from triphase.encoding.lowrank import Solution
from triphase.stats.bootstrap import bootstrap_draws, bootstrap_sums, every_block_once, prediction_sums
from triphase.stats.resampling import group_sizes

# Groups of training scans of a fixed split: each costs a prediction, and a variance of more is hardly better known.
MOST_GROUPS, FEWEST_GROUPS = 16, 8
CELLS = 2**24  # changed predictions that are held at a time


@dataclass(frozen=True, eq=False)
class Refit:
    """One outer split, solved.

    Attributes
    ----------
    library : module, himalaya backend
    spectrum : triphase.encoding.kernels.Spectrum, of all its training rows
    bands : list of float arrays (n_scans, n_columns), of low rank, scaled
    responses : float array (n_scans, n_targets)
    alpha : float array (n_targets,)
    weight : float array (1 + n_bands, n_targets), kernel weights, the wide band's first
    """

    library: ModuleType
    spectrum: Spectrum
    bands: list[np.ndarray]
    responses: np.ndarray
    alpha: np.ndarray
    weight: np.ndarray

    def changes(self, groups: list[np.ndarray]) -> np.ndarray:
        """How predictions of the other rows change where one group of training rows is left out, up to a constant.

        Parameters
        ----------
        groups : list of int arrays, positions among the training rows

        Returns
        -------
        float array (n_groups, m, n_targets)
        """
        found = np.empty((len(groups), len(self.spectrum.other), self.responses.shape[1]), self.responses.dtype)
        points, place = np.unique(np.vstack([self.alpha, self.weight]), axis=1, return_inverse=True)
        for number, (alpha, wide, *narrow) in enumerate(points.T):
            targets = np.flatnonzero(place.ravel() == number)
            for group, change in enumerate(self._changes(groups, targets, alpha / (wide or 1), wide, narrow)):
                found[group, :, targets] = change.T
        return found

    def _changes(self, groups, targets, penalty, wide, narrow) -> Iterator[np.ndarray]:
        library, train = self.library, self.spectrum.train
        spectrum = self.spectrum if wide else self.spectrum.empty()
        widths = [band.shape[1] for band in self.bands]
        low_rank = np.concatenate([np.zeros((len(self.responses), 0)), *self.bands], axis=1)
        scales = np.repeat(np.array(narrow) / (wide or 1), widths)
        low_rank = library.asarray(low_rank, dtype=str(self.responses.dtype))
        solution = Solution(library, spectrum, low_rank, np.array([penalty]), scales[None])
        inside = library.asarray(self.responses[train][:, targets])
        inside = inside - library.mean_float64(inside, 0)
        nowhere = np.zeros(len(targets), int)
        coordinates, beta = solution.solve(inside, nowhere, nowhere)
        vectors, damping = spectrum.vectors, solution.tensor(solution.damping[0])
        weights = solution.array(solution.tensor(solution.weights[0, 0]))
        dual, narrow_dual = vectors @ coordinates, vectors @ (damping[:, None] * solution.projected)
        if solution.thin:
            rest = inside - solution.inside @ beta
            dual = dual + (rest - vectors @ (vectors.T @ rest)) / penalty
            narrow_dual = narrow_dual + (solution.inside - vectors @ solution.projected) / penalty
        for rows in groups:
            own, mine = vectors[rows], solution.array(narrow_dual[rows])
            block = solution.array((own * damping) @ own.T) - mine @ weights @ mine.T - 1 / (penalty * len(train))
            if solution.thin:
                block += (np.eye(len(rows)) - solution.array(own @ own.T)) / penalty
            taken = np.linalg.solve(block, solution.array(dual[rows]))
            narrow_part, taken = solution.tensor(weights @ (mine.T @ taken)), solution.tensor(taken)
            wide_part = damping[:, None] * (own.T @ taken - solution.projected @ narrow_part)
            yield -library.to_numpy(spectrum.cross @ wide_part + solution.across @ narrow_part)


def training_groups(design: Design) -> np.ndarray:
    """Which training scans are left out together: int array (n_scans,), counted from 0; -1 for those that always stay.

    Of a fixed split whole stimuli, at most `MOST_GROUPS` groups of them, or where they are fewer than `FEWEST_GROUPS`
    stretches of each of about equal length, all hearings of a stimulus alike. Where every scan is held out once, the
    blocks of the bootstrap, hearings of one stimulus alike.
    """
    groups = np.full(len(design.runs), -1)
    if len(design.outer) > 1:
        sizes = group_sizes(design.block_sizes, design.groups)
        starts = np.cumsum([0, *sizes])
        for stretch, group in zip(design.blocks, design.groups, strict=True):
            for place, rows in enumerate(stretch):
                groups[rows] = starts[group] + place
        return groups
    training = design.outer[0] == TRAIN
    names = np.unique(design.stimuli[training])
    if len(names) >= FEWEST_GROUPS:
        folds = hold_out_stimuli(design.stimuli, training, min(MOST_GROUPS, len(names)))
        groups[training] = (folds == HELD_OUT).argmax(0)[training]
        return groups
    start, share = 0, training.sum() / FEWEST_GROUPS
    for name in names:
        runs = [np.flatnonzero(training & (design.runs == run)) for run in dict.fromkeys(design.runs)]
        hearings = [rows for rows in runs if len(rows) and design.stimuli[rows[0]] == name]
        scans = sum(map(len, hearings))
        most = max(min(map(len, hearings)) // design.block_length, 1)
        pieces = min(max(round(scans / share), 1), most)
        for rows in hearings:
            groups[rows] = start + np.arange(len(rows)) * pieces // len(rows)
        start += pieces
    return groups


@dataclass(frozen=True, eq=False)
class Resampling:
    """How the scores of a study are drawn.

    Attributes
    ----------
    design : triphase.encoding.design.Design
    counts : list of float32 arrays (n_draws, size), from `triphase.stats.bootstrap.bootstrap_draws`
    groups : int array (n_scans,), from `training_groups`; None where draws are of these stimuli only
    weights : float32 array (n_draws, n_groups), by which influences of groups enter a draw; None as before
    """

    design: Design
    counts: list[np.ndarray]
    groups: np.ndarray | None
    weights: np.ndarray | None

    @classmethod
    def of(cls, design: Design, generalise_to: str, n_draws: int, seed: int) -> "Resampling":
        """From the config's `encoding/generalise_to` ("new stimuli" or "these stimuli") and `encoding/boot_draws`."""
        counts = bootstrap_draws(design.block_sizes, design.groups, n_draws, seed)
        if generalise_to == "these stimuli":
            return cls(design, counts, None, None)
        groups = training_groups(design)
        if len(design.outer) > 1:
            first = [counts[design.groups.index(group)] for group in range(max(design.groups) + 1)]
            weights = np.concatenate([deviations(drawn) for drawn in first], axis=1)
        else:
            number = groups.max() + 1
            generator = np.random.default_rng([seed, n_draws, number])
            weights = deviations(generator.multinomial(max(number - 1, 1), np.full(number, 1 / number), size=n_draws))
        return cls(design, counts, groups, weights * np.float32((weights.shape[1] - 1) / weights.shape[1]))

    def deletions(self, responses: np.ndarray) -> "Deletions | None":
        """What collects the fits without each group for a batch of responses; None where weights are frozen."""
        if self.groups is None:
            return None
        return Deletions(self.design, self.groups, responses)

    def draws(
        self, sums: np.ndarray, measured: np.ndarray, deletions: "Deletions | None"
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Draws of r (n_draws, n_targets), and the influence (n_groups, n_targets) of each group or None.

        Parameters
        ----------
        sums, measured : float32 arrays (3, n_blocks, n_targets), (2, n_blocks, n_targets)
            See `triphase.stats.bootstrap`.
        deletions : Deletions or None, after the fit
        """
        scans = self.design.block_scans
        drawn = bootstrap_sums(sums, measured, scans, self.counts)
        if deletions is None:
            return drawn, None
        influence = deletions.influence(sums, measured, scans, every_block_once(self.counts))
        return drawn + self.weights @ influence, influence


def deviations(counts: np.ndarray) -> np.ndarray:
    """Deviations from 1 of how often each of n is drawn, where n - 1 are: float32 array (n_draws, n)."""
    size = counts.shape[1]
    return (counts * size / (size - 1) - 1 if size > 1 else 0 * counts).astype(np.float32)


class Deletions:
    """Sums over held-out blocks of predictions without each group of training scans, for one batch of voxels.

    Parameters
    ----------
    design : triphase.encoding.design.Design
    groups : int array (n_scans,), from `training_groups`
    responses : float array (n_scans, n_targets)
    """

    def __init__(self, design: Design, groups: np.ndarray, responses: np.ndarray):
        self.design, self.groups, self.responses = design, groups, responses
        self.starts = np.cumsum([0, *design.block_sizes])
        shape = groups.max() + 1, 3, self.starts[-1], responses.shape[1]
        self.sums = np.full(shape, np.nan, np.float32)

    def add(self, refit: Refit, predicted: np.ndarray, valid: Any) -> None:
        """Take in one outer split.

        Parameters
        ----------
        refit : Refit, of the valid voxels
        predicted : float array (m, n_valid), of its held-out rows
        valid : slice or int array, the voxels among those of the batch
        """
        train, other = refit.spectrum.train, refit.spectrum.other
        mine = [place for place, stretch in enumerate(self.design.blocks) if np.isin(stretch[0][0], other)]
        stretches = [[np.searchsorted(other, rows) for rows in self.design.blocks[place]] for place in mine]
        blocks = np.concatenate([np.arange(self.starts[place], self.starts[place + 1]) for place in mine])
        present = [group for group in np.unique(self.groups[train]) if group >= 0]
        rows = [np.flatnonzero(self.groups[train] == group) for group in present]
        y, voxels = self.responses[other][:, valid], np.arange(self.responses.shape[1])[valid]
        for tile in slices(y.shape[1], max(CELLS // (len(other) * max(len(present), 1)), 1)):
            part = Refit(
                refit.library,
                refit.spectrum,
                refit.bands,
                refit.responses[:, tile],
                refit.alpha[tile],
                refit.weight[:, tile],
            )
            for group, change in zip(present, part.changes(rows), strict=True):
                without = prediction_sums(predicted[:, tile] + change, y[:, tile], stretches)
                self.sums[group][:, blocks[:, None], voxels[tile]] = without

    def influence(
        self, sums: np.ndarray, measured: np.ndarray, scans: np.ndarray, once: list[np.ndarray]
    ) -> np.ndarray:
        """Each group's influence on r: the score less the one without the group, float32 array (n_groups, n_targets).

        Their mean, what any smaller training set costs, is taken away.
        """
        whole = bootstrap_sums(sums, measured, scans, once)[0]
        without = [np.where(np.isnan(part), sums, part) for part in self.sums]
        found = whole - np.stack([bootstrap_sums(part, measured, scans, once)[0] for part in without])
        centred: np.ndarray = found - found.mean(0)
        return centred
