"""Delays in scans. Snakemake imports this at every start, so nothing heavy is imported here."""

from collections.abc import Sequence

from triphase.core.errors import InputError


def delays_in_scans(delays: Sequence[float], tr: float) -> list[int]:
    """Delays in seconds rounded to scans; InputError when two of them fall on the same scan or one is negative."""
    scans = [int(round(delay / tr)) for delay in delays]
    if len(set(scans)) < len(scans) or min(scans) < 0:
        raise InputError(
            f"encoding/delays: {list(delays)} s are {scans} scans at TR {tr} s; each must be >= 0 and on its own scan"
        )
    return scans


def alternative_delays(
    alternatives: Sequence[Sequence[float]], delays: Sequence[float], tr: float
) -> dict[str, list[int]]:
    """Other delays that an analysis could have taken, each with every scan from its first to its last.

    They may not go beyond the study's own: gaps between what trains and what is held out, and the scans of the grid
    before a run's first row, are as long as its longest delay.

    Parameters
    ----------
    alternatives : list of [first, last], s
    delays : list of float, s
    tr : float, s

    Returns
    -------
    dict of name to list of int, scans; the name is that of the seconds, as "2-5"

    Raises
    ------
    InputError
        The last comes before the first, goes beyond the longest delay, or the scans are those of the study or of
        another alternative.
    """
    own, found = delays_in_scans(delays, tr), {}
    taken = {tuple(sorted(own)): "encoding/delays"}
    for first, last in alternatives:
        scans = list(range(round(first / tr), round(last / tr) + 1))
        where = f"encoding/delay_alternatives: [{first:g}, {last:g}] s"
        if last < first:
            raise InputError(f"{where}: the last delay comes before the first; give [first, last]")
        if scans[-1] > max(own):
            raise InputError(
                f"{where} reach {scans[-1]} scans at TR {tr} s, beyond the longest of encoding/delays, "
                f"{max(delays):g} s, for which gaps are made: shorten it, or lengthen encoding/delays"
            )
        if tuple(scans) in taken:
            raise InputError(f"{where} are scans {scans} at TR {tr} s, as is {taken[tuple(scans)]}; take it out")
        taken[tuple(scans)] = f"[{first:g}, {last:g}] s"
        found[f"{first:g}-{last:g}"] = scans
    return found
