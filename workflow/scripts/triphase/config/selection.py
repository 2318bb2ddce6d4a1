"""Which checkpoints of a series a study takes: all, a list of steps, a log-spaced number, or a grid of tokens.

Snakemake imports this at every start, so nothing heavy is imported here.
"""

import difflib
import itertools
import math
import re
from collections.abc import Collection, Iterable
from typing import Any

from triphase.core.errors import InputError
from triphase.core.types import Entries, Section

# As in step1000-tokens5B, token-840B, tokens1.5T; a name rounds them up, down or to the nearest.
TOKENS = re.compile(r"(?:(?<=tokens)|(?<=tokens[-_])|(?<=token-))\d+(?:\.\d+)?(?=[KMBTkmbt](?![A-Za-z]))")
UNITS = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
STAGE = re.compile(r"^stage1-(?=step)")


def expand_steps(spec: list[Any]) -> list[int]:
    """Steps in order from a list of integers and ranges `{from, to, by}` (both ends included)."""
    steps: list[int] = []
    for item in spec:
        steps += range(item["from"], item["to"] + 1, item["by"]) if isinstance(item, dict) else [item]
    return sorted(steps)


def same_step(revision: str, names: Iterable[str]) -> list[str]:
    """Names that differ from a revision's at most in the tokens after the step, or in a stage before it.

    Some branches lack the stage that others of their series are named by: step150-tokens1B, stage1-step1000-tokens5B.
    """
    names, bare = list(names), STAGE.sub("", revision)
    found = _like(revision, names)
    return found or (_like(bare, names) if bare != revision else [])


def _like(revision: str, names: list[str]) -> list[str]:
    expression = re.compile(r"\d+(?:\.\d+)?".join(re.escape(part) for part in TOKENS.split(revision)))
    return [name for name in names if expression.fullmatch(name)]


def tokens_said(name: str) -> tuple[float, float] | None:
    """Tokens that a name says, and what its last digit is worth: (5e9, 1e9) of step1000-tokens5B; None without them."""
    if not (found := TOKENS.search(name)):
        return None
    unit = UNITS[name[found.end()].upper()]
    return float(found[0]) * unit, unit / 10 ** len(found[0].partition(".")[2])


def check_tokens(model: Section, entry: Section, revision: str) -> None:
    """InputError where a name on the hub says other tokens than the study reckons with, beyond what rounding does.

    Parameters
    ----------
    model, entry : dict, a resolved model and one of its checkpoints
    revision : what the hub calls it; it differs from the checkpoint's at most in the tokens
    """
    said, computed = tokens_said(revision), tokens_said(entry["revision"])
    if said and computed and abs(said[0] - computed[0]) > said[1] * (1 + 1e-9):
        raise InputError(
            f"models/{model['name']}/checkpoints/{entry['name']}: the hub's revision {revision!r} says "
            f"{said[0] / 1e9:.12g} billion tokens, and the study reckons with {computed[0] / 1e9:.12g}; correct "
            "tokens_per_step, or list the checkpoint with its `revision` and its `tokens`"
        )


def select(request: Section | str, available: Entries, where: str) -> Entries:
    """Choose checkpoints of a series.

    Parameters
    ----------
    request : "all", or dict with one of `steps: [step]`, `log_spaced: number`, `tokens: [tokens]`
    available : list of dict with step and tokens, in the order of training
    where : str, put before messages

    Returns
    -------
    list of dict
        The chosen entries of `available` in order. For a grid of tokens each has also `asked_tokens`, the values of
        the grid that it is the nearest to: mostly one; with several the checkpoint is taken once.

    Raises
    ------
    InputError : the key, its value and what there is
    """
    if isinstance(request, str):
        return [dict(entry) for entry in available]
    ((kind, value),) = request.items()
    if kind == "steps":
        return _steps(value, available, f"{where}/steps")
    if kind == "log_spaced":
        return _log_spaced(value, available, f"{where}/log_spaced")
    return _nearest(value, available)


def _steps(steps: list[int], available: Entries, where: str) -> Entries:
    known = {entry["step"]: entry for entry in available}
    for step in steps:
        if step not in known:
            near = sorted(known, key=lambda other: abs(other - step))[:3]
            raise InputError(
                f"{where}: there is no checkpoint at step {step}; the nearest of {len(known)} are "
                f"{', '.join(map(str, sorted(near)))}"
            )
    return [dict(known[step]) for step in sorted(steps)]


def _log_spaced(number: int, available: Entries, where: str) -> Entries:
    if number > len(available):
        raise InputError(f"{where}: {number} checkpoints are asked for, and the series has at most {len(available)}")
    trained = [entry for entry in available if entry["tokens"] > 0]
    start = [entry for entry in available if entry["tokens"] == 0]
    wanted = number - len(start)
    places = [math.log(entry["tokens"]) for entry in trained]
    low, high = places[0], places[-1]
    # Both ends first, then the nearest to each place of the even grid, then what fills the widest gaps: where the early
    # grid is too coarse, several places share a checkpoint.
    chosen = {len(trained) - 1} if wanted == 1 else {0, len(trained) - 1}
    for k in range(1, wanted - 1):
        place = low + (high - low) * k / (wanted - 1)
        chosen.add(min(range(len(places)), key=lambda i: abs(places[i] - place)))
    while len(chosen) < wanted:
        rest = [i for i in range(len(places)) if i not in chosen]
        chosen.add(max(rest, key=lambda i: min(abs(places[i] - places[j]) for j in chosen)))
    return [dict(entry) for entry in start + [trained[i] for i in sorted(chosen)]]


def _nearest(asked: list[float], available: Entries) -> Entries:
    chosen: dict[int, Section] = {}
    for tokens in sorted(asked):
        entry = min(available, key=lambda entry: _distance(entry["tokens"], tokens))
        chosen.setdefault(entry["step"], {**entry, "asked_tokens": []})["asked_tokens"].append(int(tokens))
    return [chosen[step] for step in sorted(chosen)]


def _distance(have: float, asked: float) -> float:
    """Distance on a log scale, on which zero is as far from the first step as anything can be."""
    return abs(math.log(max(have, 0.5)) - math.log(max(asked, 0.5)))


def refill(model: Section, there: Entries) -> Section:
    """A resolved model with its log-spaced number chosen anew, from what the hub has of the series (entries)."""
    where = f"models/{model['name']}/checkpoints/log_spaced"
    return {**model, "checkpoints": _log_spaced(model["series"]["log_spaced"], there, where)}


def thin_lines(models: Iterable[Section]) -> list[str]:
    """Lines for the user: where a log-spaced grid has a gap of twice its even distance or more [ours]."""
    lines = []
    for model in models:
        tokens = [entry["tokens"] for entry in model["checkpoints"] if entry["tokens"] > 0 and "missing" not in entry]
        if "log_spaced" not in model or len(tokens) < 3:
            continue
        even = math.log(tokens[-1] / tokens[0]) / (len(tokens) - 1)
        gaps = [pair for pair in itertools.pairwise(tokens) if math.log(pair[1] / pair[0]) >= 2 * even]
        if gaps:
            told = ", ".join(f"{low:.3g} and {high:.3g} ({high / low:.3g} x)" for low, high in gaps)
            lines.append(
                f"models/{model['name']}: the grid of checkpoints is thin between {told} tokens, where even steps "
                f"would be {math.exp(even):.3g} x: what happens in between is not seen"
            )
    return lines


def near_misses(name: str, known: Collection[str], limit: int = 5) -> str:
    """Text that lists the names nearest to one that is not there."""
    near = difflib.get_close_matches(name, known, n=limit, cutoff=0.5)
    return f"; the nearest of {len(known)} are {', '.join(near)}" if near else f"; there are {len(known)}"


def distances(model: Section) -> list[str]:
    """Lines for the user: what a grid of tokens asked for and what the series has instead."""
    lines = []
    for entry in model["checkpoints"]:
        for asked in entry.get("asked_tokens", []):
            if asked != entry["tokens"]:
                has = f"{entry['name']} has {entry['tokens']:.4g} ({_gap(entry['tokens'], asked)})"
                lines.append(f"{model['name']}: {asked:.4g} tokens asked for, {has}")
    return lines


def shared_lines(models: Iterable[Section]) -> list[str]:
    """Lines for the user: values of a grid of tokens that have one nearest checkpoint, which is taken once."""
    lines = []
    for model in models:
        for entry in model["checkpoints"]:
            asked = entry.get("asked_tokens", [])
            if len(asked) > 1:
                values = ", ".join(f"{tokens:.4g} ({_gap(entry['tokens'], tokens)})" for tokens in asked)
                lines.append(
                    f"models/{model['name']}/checkpoints/tokens: {entry['name']} with {entry['tokens']:.4g} tokens is "
                    f"the nearest to {values} and is taken once"
                )
    return lines


def _gap(have: float, asked: float) -> str:
    return f"{have / asked:.3g} x" if asked and have else f"{have - asked:+.3g} tokens"
