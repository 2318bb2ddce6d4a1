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
from triphase.stats.bootstrap import bootstrap_draws, bootstrap_sums, prediction_sums, whole_r
from triphase.stats.resampling import group_sizes

# Groups of training scans of a fixed split: each costs a prediction, and a variance of more is hardly better known.
MOST_GROUPS, FEWEST_GROUPS = 16, 8
CELLS = 2**22  # changed predictions that are held at a time


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

    def changes(self, groups: list[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """How predictions of the other rows change where one group of training rows is left out, up to a constant.

        Parameters
        ----------
        groups : list of int arrays, positions among the training rows

        Yields
        ------
        voxels : int array (n_voxels,), some of the targets at a time, all of one penalty
        change : float array (n_groups, m, n_voxels)
        """
        library, dtype = self.library, str(self.responses.dtype)
        widths = [band.shape[1] for band in self.bands]
        low_rank = np.concatenate([np.zeros((len(self.responses), 0)), *self.bands], axis=1)
        low_rank = library.asarray(low_rank, dtype=dtype)
        for wide in np.unique(self.weight[0]):
            targets = np.flatnonzero(self.weight[0] == wide)
            scale = wide or 1
            penalties, penalty = np.unique(self.alpha[targets] / scale, return_inverse=True)
            scales, weighting = np.unique(self.weight[1:, targets] / scale, axis=1, return_inverse=True)
            spectrum = self.spectrum if wide else self.spectrum.empty()
            solution = Solution(library, spectrum, low_rank, penalties, np.repeat(scales.T, widths, axis=1))
            for number in range(len(penalties)):
                mine = np.flatnonzero(penalty == number)
                removal = _Removal(solution, number, groups)
                size = max(CELLS // (len(self.spectrum.other) * max(len(groups), 1)), 1)
                removal.prepare(min(size, len(mine)))
                for tile in slices(len(mine), size):
                    voxels = targets[mine[tile]]
                    inside = library.asarray(self.responses[np.ix_(spectrum.train, voxels)], dtype=dtype)
                    inside = inside - library.mean_float64(inside, 0)
                    yield voxels, removal.changes(inside, weighting[mine[tile]])


class _Removal:
    """Groups of training rows taken out of the solutions of one penalty.

    Parameters
    ----------
    solution : triphase.encoding.lowrank.Solution
    number : int, which of its penalties
    groups : list of int arrays, positions among the training rows

    With A = (K + penalty)^-1 and N = A Z, the dual weights of a weighting W are c = P y, with P = A - N W N' - 1 1' /
    (penalty n): all but W is the same for all voxels of a penalty.
    """

    def __init__(self, solution: Solution, number: int, groups: list[np.ndarray]):
        self.solution, self.number, self.groups = solution, number, groups
        self.penalty = float(solution.penalties[number])
        spectrum, vectors = solution.spectrum, solution.spectrum.vectors
        damping = solution.damping[number]
        # A = U diag(damping) U' where U is square, and 1 / penalty - U diag(lost) U' in any case.
        self.lost = solution.tensor(np.maximum(spectrum.eigenvalues, 0) * damping / self.penalty)[:, None]
        self.damping = solution.tensor(damping)[:, None]
        damped = self.damping * solution.projected
        if solution.thin:
            self.narrow = solution.inside / self.penalty - vectors @ (self.lost * solution.projected)
        else:
            self.narrow = vectors @ damped
        self.error, library = solution.across - spectrum.cross @ damped, solution.library
        self.alike = []  # groups of one size are solved together
        for size in dict.fromkeys(map(len, groups)):
            places = [place for place, rows in enumerate(groups) if len(rows) == size]
            rows = np.stack([groups[place] for place in places])
            own, part = vectors[rows.ravel()].reshape(*rows.shape, -1), self.narrow[rows.ravel()]
            if solution.thin:
                block = np.eye(size) / self.penalty - solution.array((own * self.lost[:, 0]) @ own.swapaxes(1, 2))
            else:
                block = solution.array((own * self.damping[:, 0]) @ own.swapaxes(1, 2))
            block -= 1 / (self.penalty * len(spectrum.train))
            self.alike.append((places, rows, own, block, solution.array(part).reshape(*rows.shape, -1)))
        self.cross = -spectrum.cross * self.damping[:, 0]
        self.both = library.concatenate([self.cross, -self.error], 1)

    def prepare(self, n_targets: int) -> None:
        """Make K[other, train] A where that is cheaper for so many targets than to go through U for every group."""
        n, rank = len(self.solution.spectrum.train), self.cross.shape[1]
        if n_targets * (len(self.groups) * rank - n) > n * rank:
            wide = self.cross @ self.solution.spectrum.vectors.T
            self.both, self.cross = self.solution.library.concatenate([wide, -self.error], 1), None

    def changes(self, inside: Any, weighting: np.ndarray) -> np.ndarray:
        """Changes (n_groups, m, n_targets) of the predictions from responses (n, n_targets), centred."""
        solution, library, vectors = self.solution, self.solution.library, self.solution.spectrum.vectors
        coordinates, beta = solution.solve(inside, np.full(len(weighting), self.number), weighting)
        if solution.thin:
            rest = inside - solution.inside @ beta
            dual = rest / self.penalty - vectors @ (coordinates * (self.lost / self.damping))
        else:
            dual = vectors @ coordinates
        dual = library.to_numpy(dual)
        found = np.empty((len(self.groups), len(self.error), len(weighting)), dual.dtype)
        points = [(np.flatnonzero(weighting == w), solution.weights_at(self.number, w)) for w in np.unique(weighting)]
        for places, rows, own, block, mine in self.alike:
            taken = np.empty((*rows.shape, len(weighting)), dual.dtype)
            narrow = np.empty((len(rows), mine.shape[2], len(weighting)), dual.dtype)
            for chosen, weights in points:
                left = mine @ weights
                removed = np.linalg.solve(block - left @ mine.swapaxes(1, 2), dual[rows[:, :, None], chosen])
                taken[:, :, chosen], narrow[:, :, chosen] = removed, left.swapaxes(1, 2) @ removed
            removed, narrow = library.asarray(taken), library.asarray(narrow)
            if self.cross is not None:
                made = self.both @ library.concatenate([own.swapaxes(1, 2) @ removed, narrow], 1)
            else:
                n = self.both.shape[1] - mine.shape[2]
                made = library.stack([self.both[:, np.r_[one, n : self.both.shape[1]]] for one in rows])
                made = made @ library.concatenate([removed, narrow], 1)
            if len(self.alike) == 1:
                return library.to_numpy(made)
            found[places] = library.to_numpy(made)
        return found


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
        drawn = bootstrap_sums(sums, measured, self.design.block_scans, self.counts)
        if deletions is None:
            return drawn, None
        influence = deletions.influence(sums, measured)
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
        for tile, changed in refit.changes(rows):
            changed += predicted[:, tile]
            without = prediction_sums(changed, y[:, tile], stretches)
            self.sums[np.ix_(np.array(present), np.arange(3), blocks, voxels[tile])] = without

    def influence(self, sums: np.ndarray, measured: np.ndarray) -> np.ndarray:
        """Each group's influence on r: the score less the one without the group, float32 array (n_groups, n_targets).

        Their mean, what any smaller training set costs, is taken away.
        """
        scans, sizes = self.design.block_scans, self.design.block_sizes
        np.copyto(self.sums, sums, where=np.isnan(self.sums))
        found = whole_r(sums, measured, scans, sizes) - whole_r(self.sums, measured, scans, sizes)
        centred: np.ndarray = found - found.mean(0)
        return centred
