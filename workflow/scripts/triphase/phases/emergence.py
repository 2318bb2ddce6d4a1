"""Order of emergence: where each task and each probe begins to rise, and whether models agree on the order [ours].

A task is its accuracy rescaled to chance, an instruction its adherence, a concept its selectivity at the headline's
layer. The onset is where the first rise of a fitted curve begins. One that is under way at the first checkpoint began
there or earlier, and one that has no rise is later than all others: both have a rank, and no place.
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import kendalltau, rankdata

from triphase.core.types import Section
from triphase.phases.curves import Undetermined, read_curve
from triphase.phases.transitions import Settings, grid_interval, pattern
from triphase.phases.verdict import Judged
from triphase.stats.intervals import LEVEL
from triphase.table.selection import Selection
from triphase.table.tidy import ALIGNMENT

# What emerges, by the name of its kind.
KINDS = {"task": "accuracy_rescaled", "instruction": "adherence", "concept": "selectivity"}
ITEM_DRAWS, ERRORS = "bootstrap of items", "standard errors"
EARLY, SEEN, NEVER = "under way at the first checkpoint", "seen", "no rise"
LEAST_THINGS = 3  # whose order can be compared
PERMUTATIONS = 9999


def emergence(table: pd.DataFrame, boot: xr.Dataset, settings: Settings, seed: int) -> Section:
    """The entry `emergence` of phases.json.

    Parameters
    ----------
    table : DataFrame
        Tidy rows of one model.
    boot : xarray.Dataset
        Paired draws of the same model.
    settings : transitions.Settings
    seed : int

    Returns
    -------
    dict of kind and name ("task agreement") to: kind, name, measure, status (`EARLY`, `SEEN`, `NEVER`; None where the
    curve cannot be fitted, with the reason in `remark`), onset (tokens) with its interval and the place of its middle
    draw, pattern, and interval_from: tasks have draws of their items, probes standard errors
    """
    rng = np.random.default_rng([seed, len(KINDS)])
    layers = Selection(ALIGNMENT).rows(table)["layer"].dropna()
    found: Section = {}
    for kind, measure in KINDS.items():
        rows = table
        if kind == "concept":
            if not len(layers):
                continue
            rows = table[table["layer"] == layers.mode().iloc[0]]
        floor = None if kind == "concept" else settings.floor_tokens
        for name in Selection(measure).rows(rows)["target"].dropna().unique():
            entry: Section = {"kind": kind, "name": str(name), "measure": measure}
            try:
                judged = Judged(read_curve(rows, boot, Selection(measure, (name,))), settings, rng, floor)
            except Undetermined as problem:
                entry |= dict.fromkeys(("status", "onset", "interval", "interval_from", "pattern"))
                found[f"{kind} {name}"] = entry | {"remark": str(problem)}
                continue
            found[f"{kind} {name}"] = entry | onset_of(judged) | {"remark": None}
    return found


def onset_of(judged: Judged) -> Section:
    """Status, onset in tokens with its interval, and pattern of one fitted curve."""
    draws, words = judged.onset(), pattern(judged.signs)
    known: Section = {"onset": None, "interval": None, "interval_from": None, "pattern": words}
    if draws is None:
        return known | {"status": NEVER}
    starts = [0, *judged.curve.fit.shape.knots]
    place = starts[next(i for i, sign in enumerate(judged.signs) if sign > 0)]
    if place == 0:
        return known | {"status": EARLY}
    ends = np.clip(draws, 1, len(judged.t) - 2)
    low, high = grid_interval(judged.t, ends, LEVEL)
    known |= {"onset": round(10 ** judged.t[place]), "interval": [round(10**low), round(10**high)]}
    return known | {"status": SEEN, "interval_from": ERRORS if judged.draws is None else ITEM_DRAWS}


def agreement(models: Mapping[str, Section], rng: np.random.Generator) -> Section:
    """Whether models agree on the order: rank correlation of every pair, and Kendall's W over all of them.

    W (Kendall and Babington Smith 1939, with the correction for ties) is 0 without agreement and 1 where all have one
    order; models in which all are tied have none, and are not in it. `chance` is the interval that holds 95 % of the
    values of W where every model's ranks are permuted, `p` how often these are as large.

    Parameters
    ----------
    models : dict of model to its entry `emergence`
    rng : numpy.random.Generator

    Returns
    -------
    dict with things (names that are ranked in every model, by their mean rank), ranks (dict of model to list),
    left_out (dict of name to the reason), pairs (list of dict with first, second, tau and n), w, chance, p, n_models
    (in W, where there is one), reason
    """
    names = list(dict.fromkeys(name for found in models.values() for name in found))
    left_out, things = {}, []
    for name in names:
        lacking = [model for model, found in models.items() if found.get(name, {}).get("status") is None]
        if lacking:
            left_out[name] = f"cannot be ranked in {', '.join(lacking)}"
        else:
            things.append(name)
    ranks = {model: order_of([found[name] for name in things]) for model, found in models.items()}
    empty: Section = {"w": None, "chance": None, "p": None, "n_models": len(models)}
    entry: Section = {"left_out": left_out, "pairs": [], **empty}
    if things:
        mean = np.mean(list(ranks.values()), axis=0)
        by_rank = np.argsort(mean, kind="stable")
        things = [things[place] for place in by_rank]
        ranks = {model: own[by_rank] for model, own in ranks.items()}
    entry |= {"things": things, "ranks": {model: own.tolist() for model, own in ranks.items()}}
    if len(models) < 2:
        return entry | {"reason": "one model: there is no order to compare it with"}
    if len(things) < LEAST_THINGS:
        return entry | {
            "reason": f"{len(things)} tasks and probes have a rank in every model; {LEAST_THINGS} are needed"
        }
    matrix = np.array(list(ranks.values()))
    for first, second in combinations(ranks, 2):
        tau = kendalltau(ranks[first], ranks[second]).statistic
        tau = float(tau) if np.isfinite(tau) else None
        entry["pairs"].append({"first": first, "second": second, "tau": tau, "n": len(things)})
    ordered = matrix[np.ptp(matrix, axis=1) > 0]
    if len(ordered) < 2:
        return entry | {"reason": f"in all but {len(ordered)} of the models all tasks and probes are tied: no order"}
    entry["n_models"], matrix = len(ordered), ordered
    w = kendall_w(matrix)
    drawn = kendall_w(rng.permuted(np.tile(matrix, (PERMUTATIONS, 1, 1)), axis=2))
    chance = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    p = float(((drawn >= w - 1e-12).sum() + 1) / (PERMUTATIONS + 1))
    return entry | {"w": float(w), "chance": chance.tolist(), "p": p, "reason": None}


def order_of(entries: list[Section]) -> np.ndarray:
    """Ranks of onsets, ties sharing their mean rank: what began early first, what never rose last."""
    places = {EARLY: -np.inf, NEVER: np.inf}
    ranks: np.ndarray = rankdata([places.get(entry["status"], entry["onset"]) for entry in entries])
    return ranks


def kendall_w(ranks: np.ndarray) -> np.ndarray:
    """Kendall's W of ranks (..., models, things), corrected for ties; 0 where all of a model's ranks are tied."""
    models, things = ranks.shape[-2:]
    sums = ranks.sum(axis=-2)
    spread = ((sums - sums.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
    # The variance of a model's ranks is what ties leave of it, so the sum of theirs bounds that of the sums.
    most = models * ((ranks - (things + 1) / 2) ** 2).sum(axis=(-1, -2))
    w: np.ndarray = np.where(most > 0, spread / np.where(most > 0, most, 1), 0)
    return w
