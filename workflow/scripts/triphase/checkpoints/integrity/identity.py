"""The same weights at different steps, and which of the steps that share them can be right.

Training changes every matrix at every step, so equal matrices at two steps are a fact about files, however many
revisions share them. Of those at most one is right. It is looked for in this order, and what stays undecided is at
fault as a whole, since nothing tells its members apart:

1. what another rule proves wrong is wrong (start of training, reach of the optimiser, distances of the shards);
2. if step 0 is among them and is an initialisation, it is right;
3. a checkpoint stands in its place if, of all checkpoints outside the group, its shared weights lie nearest to one
   that is its neighbour in the order of steps;
4. where only some files are shared, the one whose files fit each other best.
"""

import numpy as np

from triphase.checkpoints.integrity.mark import Finding
from triphase.checkpoints.integrity.series import Series
from triphase.core.messages import listed

# Smaller matrices, and vectors, can keep their stored values over a few tiny steps in 16 bits.
SMALLEST, FITS = 1000, np.log(1.3)


def equal_tensors(series: Series) -> list[tuple[np.ndarray, np.ndarray]]:
    """Groups of places that share matrices: list of (array of places, array of tensors), largest share first."""
    first = series.marks[0]
    groups: dict[tuple[int, ...], list[int]] = {}
    whole = len(series)
    for at in range(len(series.tensors)):
        varies = max(mark.std[at] for mark in series.marks) > 0
        if len(first.shapes[at]) < 2 or first.count[at] < SMALLEST or not varies:
            continue
        held = series.hashes[:, at]
        for value in np.unique(held):
            places = np.flatnonzero(held == value)
            if len(set(series.steps[places])) > 1:
                groups.setdefault(tuple(places), []).append(at)
    # What never changes while the rest does is not trained: fixed position tables, frozen parts.
    everywhere = tuple(range(whole))
    if everywhere in groups and whole > 2 and len(groups[everywhere]) < _matrices(series):
        del groups[everywhere]
    found = [(np.array(places), np.array(tensors)) for places, tensors in groups.items()]
    return sorted(found, key=lambda group: -len(group[1]))


def _matrices(series):
    first = series.marks[0]
    return sum(len(shape) > 1 and count >= SMALLEST for shape, count in zip(first.shapes, first.count, strict=True))


def judge_equals(
    series: Series,
    groups: list[tuple[np.ndarray, np.ndarray]],
    proven: set[int],
    untrained: int | None,
    shards: dict[int, tuple[str, str, float]],
) -> dict[int, Finding]:
    """Findings of the groups: dict of place to (verdict, detail).

    Parameters
    ----------
    groups : from `equal_tensors`
    proven : set of places that another rule has found wrong
    untrained : place of step 0 if it is an initialisation, else None
    shards : dict of place to (verdict, detail, jump)
    """
    found = {at: ("ok", "") for at in range(len(series))}
    linked = _linked([places for places, _ in groups])
    for places, tensors in groups:
        outside = [at for at in range(len(series)) if at not in linked[int(places[0])]]
        right = _right(series, places, tensors, outside, proven, untrained, shards)
        whole = len(tensors) == _matrices(series)
        share = "all matrices" if whole else f"{len(tensors)} tensors ({series.tensors[tensors[0]]}, …)"
        for at in places:
            others = [series.names[other] for other in places if other != at]
            if at == right and found[int(at)][0] == "ok":
                found[int(at)] = ("ok", f"{share} also under {listed(others)}, where they are wrong")
            elif at != right:
                tail = "at most one can be right" if right is None else f"they belong to {series.names[right]}"
                if right is not None and right == untrained:  # a first update at a rate of 0 leaves this too
                    tail += ", nothing is trained yet"
                found[int(at)] = ("fault", f"{share} equal those of {listed(others)}; {tail}")
    return found


def _right(series, places, tensors, outside, proven, untrained, shards):
    open_ = [int(at) for at in places if at not in proven]
    if untrained is not None and untrained in open_:
        return untrained
    if outside:
        distance = series.distance(tensors)[np.ix_(range(len(series)), outside)]
        nearest = {at: outside[int(np.argmin(distance[at]))] for at in open_}
        open_ = [at for at in open_ if nearest[at] in _beside(at, outside)]
    if len(open_) > 1 and _fills_files(series.marks[open_[0]], tensors):
        jumps = sorted((shards[at][2], at) for at in open_ if shards[at][0] in ("ok", "fault"))
        if len(jumps) == len(open_) and jumps[1][0] > max(2 * jumps[0][0], FITS):
            open_ = [jumps[0][1]]
    return open_[0] if len(open_) == 1 else None


def _fills_files(mark, tensors):
    """Whether tensors are all matrices of some files and none of others."""
    chosen, files = set(int(at) for at in tensors), {mark.files[at] for at in tensors}
    inside = [at for at in range(len(mark.names)) if mark.files[at] in files and len(mark.shapes[at]) > 1]
    big = {at for at in inside if mark.count[at] >= SMALLEST}
    return len(files) < len(set(mark.files)) and big <= chosen


def _beside(at, others):
    """The nearest of `others` before and after a place."""
    before, after = [i for i in others if i < at], [i for i in others if i > at]
    return set(before[-1:] + after[:1])


def _linked(groups):
    """Dict of place to the set of all places that share something with it, directly or through others."""
    sets = []
    for places in groups:
        merged = set(int(at) for at in places)
        kept = []
        for other in sets:
            if other & merged:
                merged |= other
            else:
                kept.append(other)
        sets = [*kept, merged]
    return {at: members for members in sets for at in members}
