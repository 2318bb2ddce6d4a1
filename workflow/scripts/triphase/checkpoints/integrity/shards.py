"""Whether all files of one checkpoint lie equally far from the checkpoints beside it.

A checkpoint t between a and b is moved by a step size that all its tensors share, so the ratio

    r = 1/2 log((d(a, t)^2 + d(t, b)^2) / d(a, b)^2)

of a tensor depends little on which tensor it is: 1/2 log 1/2 on a straight path, 0 for a random walk, 1/2 log 2 where
weights only swing about a mean, more at a spike. In it the size and speed of a tensor cancel, and so do the intervals
between the steps. A file that was taken from another step has d(a, t) and d(t, b) of that step instead.

Like is compared with like: the same kind of tensor in the layers on either side of the border between two files, which
no training knows of. The border stands out when the ratio jumps there, in every kind of tensor alike, by more than
`JUMP` and by more than `TIMES` what it does anywhere between neighbouring layers of one file. A transition that moves
some layers more than others changes the ratio between layers of one file too, or not just where a file ends.
"""

import re
from collections.abc import Iterable

import numpy as np

from triphase.checkpoints.integrity.series import Series

# In 3,800 checkpoints of 200 series that were trained for `tests/trained_series.py` no border that all kinds of tensors
# agree on reaches a factor of 1.25 from every pair of neighbours, and none the double of what neighbouring layers show.
JUMP, TIMES, SMALLEST = np.log(1.5), 2.0, 64
VIEWS = ((0, 0), (0, 1), (1, 0), (1, 1))
# Verdict, detail and jump.
Judgement = tuple[str, str, float]
LAYER = re.compile(r"\.(\d+)\.")


class Shards:
    """Borders between files, and the ratio of every tensor at every checkpoint.

    Parameters
    ----------
    series : Series
    """

    def __init__(self, series: Series) -> None:
        self.series = series
        self.kinds, self.layers = _kinds(series.tensors)
        enough = series.marks[0].count >= SMALLEST
        self.used = np.flatnonzero((self.layers >= 0) & enough)

    def judge_all(self, suspects: Iterable[int]) -> dict[int, Judgement]:
        """Findings of all checkpoints: dict of place to (verdict, detail, jump).

        `suspects`, places that share a file with another step, are nobody's neighbours, and the worst offender is taken
        out before the rest are judged again: what lies beside a wrong file must not be blamed for it. The first and the
        last checkpoint have neighbours on one side only and come after the others.
        """
        ends, avoid = {0, len(self.series) - 1}, set(suspects)
        found = {}
        open_ = [at for at in range(len(self.series)) if at not in ends]
        while open_:
            found.update({at: self.judge(at, avoid) for at in open_})
            guilty = [at for at in open_ if found[at][0] == "fault"]
            if not guilty:
                break
            worst = max(guilty, key=lambda at: found[at][2])
            avoid.add(worst)
            open_ = [at for at in open_ if at != worst]
        return found | {at: self.judge(at, avoid) for at in ends}

    def judge(self, at: int, avoid: Iterable[int] = ()) -> Judgement:
        """Finding of one checkpoint: (verdict, detail, jump), by its place; neighbours are sought outside `avoid`.

        It has to be odd between any of the two nearest checkpoints on either side, so that one wrong neighbour, whose
        own file lies far from everything, does not speak against it; the smallest jump is reported.
        """
        files = np.array(self.series.marks[at].files)
        if len(set(files[self.used])) < 2:
            return "not applicable", "all layers lie in one file", 0.0
        views = [view for ranks in VIEWS if (view := self._view(at, set(avoid) | {at}, ranks, files)) is not None]
        if not views:
            return "not applicable", "nothing to compare with on both sides of a border between files", 0.0
        jump, usual, alike, odd, other, beside = min(views, key=lambda view: view[0])
        if all(view[0] > max(JUMP, TIMES * view[1]) and view[2] and view[3] == odd for view in views):
            text = (
                f"{odd} lies {np.exp(jump):.1f} times as far from {beside} as {other} does; between layers of one file "
                f"the factor is at most {np.exp(usual):.2f}"
            )
            return "fault", text, jump
        return "ok", f"files differ by a factor of {np.exp(jump):.2f}", jump

    def _view(self, at, avoid, ranks, files):
        """Largest step at a border, seen from one pair of neighbours; None where nothing can be compared.

        Returns (size, largest step within files, whether all kinds of tensors agree, file that lies further, file that
        lies nearer, names of the neighbours).
        """
        ratio, beside = self._ratios(at, avoid, ranks)
        within, borders = self._steps(ratio, files)
        if not borders:
            return None
        jump, alike, low, high = max(borders, key=lambda border: abs(border[0]))
        odd, other = (high, low) if jump > 0 else (low, high)
        return abs(jump), max(within, default=0.0), alike, odd, other, beside

    def _ratios(self, at, avoid, ranks=(0, 0)):
        """Ratio of each tensor (NaN: not comparable) and the names of the checkpoints beside.

        `ranks`: which neighbour on either side, from 0; at the ends of the series all are on one side.
        """
        series, n = self.series, len(self.series)
        before = [i for i in range(at - 1, -1, -1) if i not in avoid]
        after = [i for i in range(at + 1, n) if i not in avoid]
        ratio, named = np.full(len(series.tensors), np.nan), set()
        for tensor in self.used:
            held, squared = series.hashes[:, tensor], series.squared[tensor]
            # A checkpoint that holds the very same tensor says nothing of how far it should be.
            a = [i for i in before if held[i] != held[at]]
            b = [i for i in after if held[i] != held[at]]
            one, two = _pair(a, b, ranks)
            if one is None:
                continue
            between = squared[one, two]
            path = squared[one, at] + (squared[at, two] if a and b else 0.0)
            if between > 0 and path > 0:
                ratio[tensor] = 0.5 * np.log(path / between)
                named.update((one, two))
        return ratio, " and ".join(series.names[i] for i in sorted(named)[:2])

    def _steps(self, ratio, files):
        """Changes of the ratio from layer to layer: sizes in files; (median, all alike, file, file) at borders."""
        within, borders = {}, {}
        for kind in set(self.kinds[self.used]):
            own = [i for i in self.used if self.kinds[i] == kind and np.isfinite(ratio[i])]
            own.sort(key=lambda i: self.layers[i])
            for one, two in zip(own, own[1:], strict=False):
                if files[one] == files[two]:
                    within.setdefault(int(self.layers[one]), []).append(ratio[two] - ratio[one])
                else:
                    borders.setdefault((files[one], files[two]), []).append(ratio[two] - ratio[one])
        inside = [abs(float(np.median(steps))) for steps in within.values()]
        found = [
            (float(np.median(steps)), len(set(np.sign(steps))) == 1, one, two) for (one, two), steps in borders.items()
        ]
        return inside, found


def _pair(before, after, ranks):
    """Two neighbours of these ranks, one on each side where both sides have some, else the nearer one first."""
    if before and after:
        sides = (before, after)
        if all(rank < len(side) for rank, side in zip(ranks, sides, strict=True)):
            return before[ranks[0]], after[ranks[1]]
    else:
        side, first = before or after, ranks[0]
        second = first + 1 + ranks[1]
        if second < len(side):
            return side[first], side[second]
    return None, None


def _kinds(names):
    """Kind of each tensor (its name without the layer's number) and its layer (-1: in none)."""
    kinds, layers = [], []
    for name in names:
        found = LAYER.search(name)
        kinds.append(LAYER.sub(".*.", name, count=1))
        layers.append(int(found.group(1)) if found else -1)
    return np.array(kinds), np.array(layers)
