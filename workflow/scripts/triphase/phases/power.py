"""What a study could have found: simulations on its own grid, with its own noise and number of listeners.

A *fall* is found where the verdict on the planted curve would be "supported" (`transitions.power`). A *lag* between the
onsets of alignment and of behaviour is found where its 95 % interval, widened by one grid step on either side of both
onsets, lies above zero.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from triphase.core.types import Section
from triphase.phases.behaviour import declared
from triphase.phases.curves import Undetermined, average_subjects, read_curve, subject_curves
from triphase.phases.transitions import Curve, Evidence, Power, Settings, first_rise
from triphase.phases.verdict import Judged
from triphase.stats.intervals import LEVEL

FALLS = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0)  # shares of the first rise
LAGS = (2.0, 3.0, 5.0, 10.0, 30.0, 100.0)  # factors in tokens
ONSET = (False, True)  # the form of a curve that leaves a plateau


def study_curves(
    table: pd.DataFrame, boot: xr.Dataset, headline: Section, settings: Settings, seed: int
) -> list[Curve | Undetermined]:
    """Fitted curves of one model: the headline's alignment, and accuracy, or adherence where there is none.

    Parameters
    ----------
    table, boot : tidy rows and paired draws of the model
    headline : dict with roi, tasks, adherence
    settings : transitions.Settings
    seed : int, resamples people as the verdict does

    Returns
    -------
    two `transitions.Curve`, each may be the Undetermined that says why there is none
    """
    behaviour = declared(headline)
    asked = behaviour["accuracy"] if len(behaviour["accuracy"].rows(table)) else behaviour["adherence"]
    rng, found = np.random.default_rng(seed), list[Curve | Undetermined]()
    for read, floor in (
        (lambda: average_subjects(list(subject_curves(table, boot, headline["roi"]).values()), rng), None),
        (lambda: read_curve(table, boot, asked), settings.floor_tokens),
    ):
        try:
            found.append(Judged(read(), settings, rng, floor).curve)
        except Undetermined as problem:
            found.append(problem)
    return found


def simulate_power(
    alignment: Curve | Undetermined, behaviour: Curve | Undetermined, settings: Settings, rng: np.random.Generator
) -> tuple[pd.DataFrame, Section]:
    """Power for falls of several sizes and for lags.

    Parameters
    ----------
    alignment, behaviour : curve of triphase.phases.verdict.Judged, or the Undetermined that says why there is none
    settings : transitions.Settings
    rng : numpy.random.Generator

    Returns
    -------
    table : DataFrame
        quantity ("fall", "lag"), size, power (NaN where it cannot be simulated), n_simulations.
    facts : dict
        noise (standard error of one checkpoint's deviation as a share of the first rise, or None), and for each
        quantity why it could not be simulated, or None.
    """
    facts: Section = {"noise": None, "fall": None, "lag": None}
    # That of the declared fall is the verdict's own.
    falls = sorted({*FALLS, settings.smallest_fall})
    nothing, powers = Power(np.nan, 0), {}
    try:
        facts["noise"] = relative_noise(known(alignment))
        powers["fall"] = fall_power(known(alignment), falls)
    except Undetermined as problem:
        facts["fall"] = str(problem)
    try:
        powers["lag"] = lag_power(known(alignment), known(behaviour), settings.simulations, rng)
    except Undetermined as problem:
        facts["lag"] = str(problem)
    rows = [
        (quantity, size, *found)
        for quantity, sizes in (("fall", falls), ("lag", LAGS))
        for size, found in zip(sizes, powers.get(quantity) or [nothing] * len(sizes), strict=True)
    ]
    return pd.DataFrame(rows, columns=["quantity", "size", "power", "n_simulations"]), facts


def known(curve: Curve | Undetermined) -> Curve:
    """The curve, or why there is none."""
    if isinstance(curve, Undetermined):
        raise curve
    return curve


def relative_noise(curve: Curve) -> float | None:
    """Standard error of one checkpoint's deviation as a share of the first rise; None where nothing rises."""
    size, _ = first_rise(curve.fit, curve.signs)
    error = np.sqrt(np.median(np.diag(curve.bank.noise(curve.fit.tau))))
    return None if size is None else float(error / size)


def fall_power(curve: Curve, sizes: Sequence[float]) -> list[Power]:
    """Power for falls of several sizes."""
    if curve.most < 2:
        raise Undetermined(f"grid too coarse: {len(curve.bank.t)} checkpoints after step 0 bear no three transitions")
    if first_rise(curve.fit, curve.signs)[0] is None:
        raise Undetermined("alignment has no first rise, of which a fall could be a share")
    evidence = Evidence(curve)
    found = [evidence.power(size) for size in sizes]
    return [power for power in found if power is not None]


def lag_power(alignment: Curve, behaviour: Curve, number: int, rng: np.random.Generator) -> list[Power]:
    """Power for each of LAGS: both curves leave a plateau, as fast as they rise in the study and with their noise.

    Where alignment's onset would lie is unknown: the replicates go round all places that leave room for the lag.
    """
    for name, curve in (("alignment", alignment), ("behaviour", behaviour)):
        if curve.most < 1:
            raise Undetermined(f"grid too coarse: {len(curve.bank.t)} checkpoints after step 0 of {name} bear no onset")
        if first_rise(curve.fit, curve.signs)[0] is None:
            raise Undetermined(f"{name} has no rise whose onset could lag")
    shares = []
    for lag in np.log10(LAGS):
        places = [t for t in alignment.bank.t[2:-2] if behaviour.bank.t[2] <= t + lag <= behaviour.bank.t[-3]]
        if not places:
            shares.append(Power(np.nan, 0))
            continue
        onsets = np.array(places)[np.arange(number) % len(places)]
        first, second = onset_errors(alignment, onsets, rng), onset_errors(behaviour, onsets + lag, rng)
        error = second - first
        widened = sum(np.median(np.diff(curve.bank.t)) for curve in (alignment, behaviour))
        # What is found of the lag is the lag and an error; its interval is as wide as the errors are.
        bound = lag + error - np.quantile(error, (1 + LEVEL) / 2) - widened
        shares.append(Power(float((bound > 0).mean()), number))
    return shares


def onset_errors(curve: Curve, onsets: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Errors, in log10 tokens, of the onsets found in curves that leave a plateau at `onsets`, one curve for each."""
    t, rising = curve.bank.t, int(np.argmax(np.array(curve.signs) > 0))
    means = curve.fit.slopes[rising] * np.clip(t[:, None] - onsets, 0, None)
    series = curve.simulate(means, len(onsets), curve.fit.tau, rng)
    _, best = curve.bank.search(series, lambda signs: 0 if tuple(map(bool, signs)) == ONSET else -1, 1)
    return t[[curve.bank.shapes[i].knots[0] for i in best[0]]] - onsets


def as_text(tables: Mapping[str, pd.DataFrame]) -> str:
    """Power of all models as a table for the terminal; `tables`: model to DataFrame with the facts in `attrs`."""
    lines = []
    for model, table in tables.items():
        noise = table.attrs["noise"]
        said = "" if noise is None else f" (noise of one checkpoint: {noise:.0%} of the first rise)"
        lines.append(f"{model}{said}")
        for quantity, words in (
            ("fall", "a fall of {:.0%} of the first rise"),
            ("lag", "a lag by a factor of {:g} in tokens"),
        ):
            if table.attrs[quantity]:
                lines.append(f"  {quantity}: undetermined: {table.attrs[quantity]}")
                continue
            for row in table[table["quantity"] == quantity].itertuples():
                found = f"power {row.power:.0%}" if row.n_simulations else "does not fit on the grid"
                lines.append(f"  {words.format(row.size):<38} {found}")
    return "\n".join(lines)
