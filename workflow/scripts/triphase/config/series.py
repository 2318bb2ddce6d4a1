"""From a family's entry in the registry to the checkpoints of one of its runs, in the order of training.

The entry says them in groups, one after the other: stages of training whose branches have names, batches, and often a
count of steps, of their own. Snakemake imports this at every start, so nothing heavy is imported here.
"""

import re
import string
from dataclasses import dataclass
from functools import cache
from typing import Any

from triphase.config.selection import expand_steps
from triphase.core.errors import InputError
from triphase.core.types import Entries, Section

# Fields of names that a checkpoint has; a family's run has size, and where it has several seed and variant.
OF_A_CHECKPOINT = ("step", "index", "thousands", "billions")


@dataclass(frozen=True)
class Rate:
    """Tokens of a group's checkpoints: `first_token` at `first_step` of the curve, `per_step` for each after it."""

    first_step: int
    first_token: int
    per_step: int

    def at(self, step: int) -> int:
        """Tokens at a step of the curve."""
        return self.first_token + (step - self.first_step) * self.per_step


@dataclass(frozen=True)
class Run:
    """One run of a family.

    Attributes
    ----------
    repository : pattern of the repository's name
    groups : list of dict, `revisions` of the registry
    tokens_per_step : of groups that do not say their own, or None
    fields : what stands for size, seed and variant in names
    """

    repository: str
    groups: Entries
    tokens_per_step: int | None
    fields: dict[str, Any]


def checkpoints_of(run: Run, where: str) -> Entries:
    """Checkpoints of a run.

    Parameters
    ----------
    where : put before messages

    Returns
    -------
    list of dict with name, repository, revision, step and tokens (of the curve), in the order of training

    Raises
    ------
    InputError : a pattern has a field that is none, or one name stands for several steps; steps or tokens do not grow;
        tokens are not said, or not as often as steps; each with the group and the value
    """
    found: Entries = []
    rates: tuple[Rate, Rate] | None = None
    for place, group in enumerate(run.groups):
        if group.get("seeds") and run.fields.get("seed") not in group["seeds"]:
            continue
        here = f"{where}/revisions/{place}"
        rates = _rates(group, run.tokens_per_step, rates, here)
        found += _group(group, run, rates, found[-1]["step"] if found else 0, here)
    _check(found, where)
    return found


def _rates(
    group: Section, default: int | None, before: tuple[Rate, Rate] | None, where: str
) -> tuple[Rate, Rate] | None:
    """The rate of a group's tokens, and that of the tokens in its names; None where it lists its tokens.

    A group goes on where the one before is at its `first_step`, with that one's rate unless it says another.
    """
    if group.get("tokens"):
        return None
    per_step: int | None = group.get("tokens_per_step", before[0].per_step if before else default)
    if per_step is None:
        raise InputError(f"{where}: revisions need tokens_per_step, of the group or of the family, or a list of tokens")
    goes_on = before is not None and "tokens_per_step" not in group
    named: int = group.get("named_rate", before[1].per_step if before and goes_on else per_step)
    first = group.get("first_step")
    if first is None and before:
        if "tokens_per_step" in group or group.get("restarts"):
            raise InputError(f"{where}: key 'first_step' is missing: from which step of the curve this holds")
        return before
    first = first or 0
    start = group.get("first_token", before[0].at(first) if before else 0)
    if before is None and first and "first_token" not in group:
        raise InputError(f"{where}: key 'first_token' is missing: how many tokens step {first} has")
    return Rate(first, start, per_step), Rate(first, before[1].at(first) if before else start, named)


def _group(group: Section, run: Run, rates: tuple[Rate, Rate] | None, last: int, where: str) -> Entries:
    patterns, repositories = group["pattern"], group.get("repository", run.repository)
    tokens = group.get("tokens") or []
    given = [step for item in group.get("steps", []) for step in expand_steps([item])]
    # Without steps checkpoints are counted.
    own = given or list(range(last + 1, last + 1 + len(tokens)))
    if not own:
        raise InputError(
            f"{where}: steps are missing, and so are tokens: one of them has to say which checkpoints there are"
        )
    for key, value in (("tokens", tokens or own), ("pattern", patterns), ("repository", repositories)):
        if isinstance(value, list) and len(value) != len(own):
            raise InputError(f"{where}/{key}: there are {len(value)} for {len(own)} steps; each step needs one")
    found = []
    for at, step in enumerate(own):
        curve = step + (group.get("first_step", 0) if group.get("restarts") else 0)
        values = {**run.fields, "step": step, "index": step - 1}
        if step % 1000 == 0:
            values["thousands"] = step // 1000
        if rates:
            counted = rates[1].at(curve) - (rates[1].first_token if group.get("restarts") else 0)
            values["billions"] = in_billions(counted, group.get("rounding", "up"))
        pattern = patterns[at] if isinstance(patterns, list) else patterns
        repository = repositories[at] if isinstance(repositories, list) else repositories
        revision, label = (_named(text, values, where) for text in (pattern, repository))
        unnumbered = not given or "{index" in pattern
        found.append(
            {
                "name": re.sub(r"[^A-Za-z0-9._-]", "-", revision) if unnumbered else f"step{curve}",
                "repository": label,
                "revision": revision,
                "step": curve,
                "tokens": tokens[at] if tokens else (rates[0].at(curve) if rates else 0),
            }
        )
    return found


def in_billions(tokens: int, rounding: str = "up") -> int:
    """Billions of tokens as names have them: rounded up, down or to the nearest."""
    # In whole numbers: a float's error would move an exact billion to the next.
    return {"up": -(-tokens // 10**9), "down": tokens // 10**9, "nearest": (tokens + 5 * 10**8) // 10**9}[rounding]


@cache
def fields_of(pattern: str) -> frozenset[str]:
    """Names of the fields of a pattern; ValueError where its braces do not fit."""
    return frozenset(field for _, field, _, _ in string.Formatter().parse(pattern) if field is not None)


def _named(pattern: str, values: dict[str, Any], where: str) -> str:
    try:
        for field in fields_of(pattern) - values.keys():
            if field == "thousands":
                raise InputError(f"{where}: {pattern!r} counts thousands, and step {values['step']} is none")
            known = ", ".join(f"{{{name}}}" for name in values)
            raise InputError(
                f"{where}: {pattern!r} has the field {{{field}}}, which this family has not; known are {known}"
            )
        return pattern.format(**values)
    except (ValueError, IndexError, KeyError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{where}: {pattern!r} is no pattern of names ({error}); braces hold a field, as {{step}}"
        ) from None


def _check(found: Entries, where: str) -> None:
    for before, entry in zip(found, found[1:], strict=False):
        for key in ("step", "tokens"):
            if entry[key] <= before[key]:
                raise InputError(
                    f"{where}: steps of revisions must differ and come in the order of training, and so must their "
                    f"tokens; {entry['revision']} has {key} {entry[key]:,} and stands after {before['revision']} with "
                    f"{before[key]:,}; a stage that counts anew has `restarts: true` and its `first_step`"
                )
    places: dict[tuple[str, str], str] = {}
    for entry in found:
        other = places.setdefault((entry["repository"], entry["revision"]), entry["name"])
        if other != entry["name"]:
            raise InputError(
                f"{where}: {entry['revision']!r} of {entry['repository']} is both {other} and {entry['name']}; a "
                "pattern of several steps needs a field that tells them apart, {step}, {index}, {thousands} or "
                "{billions}, in the revision or in the repository"
            )
