"""N3: a floor that knows when a scan was taken and nothing of what was heard."""

import numpy as np

from triphase.encoding.folds import HELD_OUT, TRAIN

# Widths of the stretches in units of the narrowest, and where a Gaussian is cut, in units of its width.
SCALES = (1, 4)
CUT = 4


def floor_band(runs: np.ndarray, times: np.ndarray, tr: float, outer: np.ndarray, lag: int) -> np.ndarray:
    """Smoothed identities of short stretches of time, fitted alone: what autocorrelation by itself predicts.

    After the "orthogonal autocorrelated sequences" of Feghhi et al. (2024): one column per stretch of a run, blurred by
    a Gaussian inside the run. A response that is smooth in time lets the columns of stretches that train predict the
    scans beside them, also those that are held out. The columns lie one width of the Gaussian apart, and the overlap of
    two of them falls to 0.1 at the lag where the response's autocorrelation does; a second set of columns, four times
    as wide, sees slow drifts, which reach further.

    A stretch whose middle does not train has no column in that split: nothing is known of it, and scaling by its
    training rows would blow up its tails. So the floor rises above zero only where a gap is too short, and with whole
    runs held out it predicts nothing by construction: runs that no split cuts have no columns. There the floor is zero
    and proves nothing; what runs share (the title, the speaker) is no autocorrelation and has to be held out by groups.

    Parameters
    ----------
    runs, times : arrays (n_scans,), run and acquisition (s) of each row of the responses
    tr : float
    outer : int8 array (n_splits, n_scans) of codes
    lag : int
        Scans at which the autocorrelation of the response falls below 0.1.

    Returns
    -------
    float32 array (n_splits, n_scans, n_columns), n_columns 0 where no run is cut
    """
    # exp(-d^2 / 4 w^2), the overlap of two Gaussians of width w at distance d, is 0.1 at d = lag.
    widths = lag / np.sqrt(4 * np.log(10)) * np.array(SCALES)
    columns, middles = [np.zeros((len(runs), 0))], []
    for run in dict.fromkeys(runs):
        here = np.flatnonzero(runs == run)
        if not any({TRAIN, HELD_OUT} <= set(mask[here]) for mask in outer):
            continue
        place = (times[here] - times[here[0]]) / tr
        for width in widths:
            distance = place[:, None] - np.arange(0, place[-1] + 0.5, max(width, 1))
            bumps = np.zeros((len(runs), distance.shape[1]))
            bumps[here] = np.where(np.abs(distance) < CUT * width, np.exp(-((distance / width) ** 2) / 2), 0)
            columns.append(bumps)
            middles.extend(here[np.abs(distance).argmin(0)])
    trains = outer[:, np.array(middles, int)] == TRAIN
    return np.where(trains[:, None], np.concatenate(columns, axis=1), 0).astype(np.float32)
