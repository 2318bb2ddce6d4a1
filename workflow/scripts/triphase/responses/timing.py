"""Whether stimulus and response share a clock: the lag at which the rate of words best predicts a region.

A wrong start of the sound, a forgotten dropped volume or a transcript on another clock moves the best lag; it moves it
alike in every region that responds to words, so the regions that hear or read tell it best.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from triphase.core.batches import start_of_sum
from triphase.responses.ceiling import fisher_mean
from triphase.stats.scoring import fisher_z, pearson

# Lags looked at, s: how much later than the word (or than its expected response) the measured response comes.
LAGS = np.arange(-20.0, 20.01, 0.5)
STEP = 0.1  # s, of the time axis on which the haemodynamic response is convolved
FEWEST_SCANS = 30
DRAWS = 500
# s after the last word from which on a remark is made; [ours].
LONG_SILENCE = 30.0
SIGNIFICANT_P = 0.05
# Shifts shorter than this could be undone by one of the lags.
SHORTEST_SHIFT = 30.0


def haemodynamic_response() -> np.ndarray:
    """SPM's canonical difference of two gamma functions on a grid of `STEP`, summing to 1 (Friston et al. 1998)."""
    from nilearn.glm.first_level import spm_hrf

    return spm_hrf(STEP, oversampling=1)


def rate_at_lags(midpoints: np.ndarray, times: np.ndarray, tr: float, response: np.ndarray | None = None) -> np.ndarray:
    """The rate of events as every lag would have it in the scans.

    Parameters
    ----------
    midpoints : float array (event,), s
    times : float array (time,), s, start of each scan on the same clock
    tr : float, s
    response : float array, optional; haemodynamic response on a grid of `STEP`; without it the rate itself

    Returns
    -------
    float array (lag, time), events per s averaged over [time - lag, time - lag + tr), for each of `LAGS`
    """
    begin = min(midpoints.min(), times[0] - LAGS[-1]) - STEP
    steps = int(np.ceil((max(midpoints.max(), times[-1] + tr - LAGS[0]) - begin) / STEP)) + 1
    density = np.bincount(((midpoints - begin) / STEP).astype(int), minlength=steps).astype(float)
    if response is not None:
        density = np.convolve(density, response)[: len(density)]
    total = np.concatenate([[0.0], np.cumsum(density)])
    grid = begin + STEP * np.arange(len(total))
    starts = times - LAGS[:, None]
    return (np.interp(starts + tr, grid, total) - np.interp(starts, grid, total)) / tr


def inner_scans(midpoints: np.ndarray, times: np.ndarray, tr: float) -> np.ndarray:
    """Scans that every lag relates to a moment between the first and the last event: bool array (time,)."""
    return (times - LAGS[-1] >= midpoints.min()) & (times + tr - LAGS[0] <= midpoints.max())


def lag_curves(runs: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Correlation at every lag, within runs, averaged by Fisher z.

    Parameters
    ----------
    runs : list of (rates, responses); rates : float array (lag, time); responses : float array (time, region)

    Returns
    -------
    float array (lag, region)
    """
    curves = [np.stack([pearson(rate[:, None], responses) for rate in rates]) for rates, responses in runs]
    return fisher_mean(curves, [len(responses) for _, responses in runs])


def chance_of_peak(runs: Sequence[tuple[np.ndarray, np.ndarray]], tr: float, seed: int) -> np.ndarray:
    """p-value of the highest correlation over lags, against circular shifts of the responses within runs.

    p = (b + 1) / (n + 1); with one run the n shifts are all distinct ones, with several they are drawn independently.

    Parameters
    ----------
    runs : as for `lag_curves`
    tr : float, s
    seed : int

    Returns
    -------
    float array (region,)
    """
    rng = np.random.default_rng(seed)
    total, null = sum(len(responses) for _, responses in runs), start_of_sum()
    for rates, responses in runs:
        scans = len(responses)
        # No longer than a third of a short run, so that there is something to draw from.
        shortest = min(int(np.ceil(SHORTEST_SHIFT / tr)), scans // 3)
        shifts = np.arange(shortest, scans - shortest + 1)
        if len(runs) > 1:
            shifts = rng.choice(shifts, size=DRAWS)
        x, y = _unit(rates.T), _unit(responses)
        spectrum = np.fft.rfft(x, axis=0)
        r = np.stack(
            [np.fft.irfft(np.fft.rfft(column)[:, None] * spectrum.conj(), n=scans, axis=0)[-shifts] for column in y.T],
            axis=-1,
        )
        null = null + scans / total * fisher_z(r)  # (draw, lag, region)
    observed = fisher_z(lag_curves(runs)).max(axis=0)
    return ((null.max(axis=1) >= observed).sum(axis=0) + 1) / (len(null) + 1)


def _unit(values):
    centred = values - values.mean(axis=0)
    norm = np.sqrt((centred**2).sum(axis=0))
    return centred / np.where(norm > 0, norm, np.inf)


def check_timing(
    events: Mapping[str, np.ndarray],
    series: Mapping[str, np.ndarray],
    times: Mapping[str, np.ndarray],
    tr: float,
    seed: int | None = None,
) -> dict[str, dict[str, np.ndarray]] | None:
    """Lag of the best prediction of every region, from the rate itself and from the rate convolved with the response.

    Parameters
    ----------
    events : dict of run to float array (event,), midpoints of the words or annotations, s
    series : dict of run to float array (time, region)
    times : dict of run to float array (time,), s
    tr : float, s
    seed : optional; without it no p-value is sought

    Returns
    -------
    dict of "raw" and "convolved" to dict with `lag` (s), `r` (at that lag) and `p`, float arrays (region,), and
    `curve`, float array (lag, region); None where no run has enough scans between its first and last event
    """
    found, canonical = {}, haemodynamic_response()
    for kind, response in (("raw", None), ("convolved", canonical)):
        runs = []
        for run, values in series.items():
            middle = events.get(run, np.array([]))
            if not len(middle):
                continue
            inner = inner_scans(middle, times[run], tr)
            if inner.sum() >= FEWEST_SCANS:
                runs.append((rate_at_lags(middle, times[run], tr, response)[:, inner], values[inner]))
        if not runs:
            return None
        curve = lag_curves(runs)
        known = np.isfinite(curve).all(axis=0)
        peak = np.where(known, np.where(known, curve, 0).argmax(axis=0), 0)
        p = np.full(len(peak), np.nan)
        if known.any() and seed is not None:
            p[known] = chance_of_peak([(rates, values[:, known]) for rates, values in runs], tr, seed)
        found[kind] = {
            "lag": np.where(known, LAGS[peak], np.nan),
            "r": np.where(known, curve[peak, np.arange(len(peak))], np.nan),
            "p": p,
            "curve": curve,
        }
    return found


def judge(lag: float, p: float, tr: float, window: tuple[float, float] | None = None) -> tuple[bool | None, str]:
    """Whether the lag of the rate's peak is plausible: within one TR, or a `window` (earliest, latest; s).

    Returns
    -------
    plausible : bool, or None where the region does not follow the rate above chance and so can't tell
    reason : str
    """
    if not np.isfinite(lag):
        return None, "no valid voxel, or a rate that never changes"
    if p >= SIGNIFICANT_P:
        return None, f"no peak above chance (p = {p:.4f})"
    earliest, latest = window or (-tr, tr)
    bounds = f"one TR ({tr:g} s)" if (earliest, latest) == (-tr, tr) else f"{earliest:g} to {latest:g} s"
    if not earliest - 1e-9 <= lag <= latest + 1e-9:
        return False, f"peak {abs(lag):g} s {'later' if lag > 0 else 'earlier'} than expected, more than {bounds}"
    return True, f"peak {f'{lag:+g}' if lag else '0'} s from the expected lag, within {bounds}"
