"""The optimiser's bound between checkpoints, and which side of a contradiction is wrong.

`schedule` says how far a run can have gone between two steps. Three consequences, all absolute:

1. From an initialisation that is known, the weights of an early step can't lie further than that: its gains, biases,
   standard deviations and largest weights are bounded one by one, without any other checkpoint. This is what late
   weights under an early name break, whatever the rest of the series holds, and it tells which checkpoint is wrong.
2. A checkpoint that is proven to lie at the initialisation (step 0, and steps whose reach is a fraction of what they
   started from) contradicts every checkpoint that is further from it than the optimiser can go.
3. Neighbouring steps that are further apart than that: one of the two is wrong. Differences and reach both add up along
   a path, so a contradiction between any two checkpoints shows between neighbours on the way; only these are compared.

In the third case weights name the pair, and only their place tells the culprit: it is the one that lies nearer to a
checkpoint far away in the order of steps than that one's own neighbours do. If that holds for both or none, both are
"not checked", with the contradiction as the detail, rather than accuse the wrong one. A series without a contradiction
is never looked at this way.

Late in training the bound is wide: a thousand steps at 3e-4 reach 0.35, more than most weights are large. Wrong weights
that stay within it, such as two neighbours exchanged, can't be proven wrong by any rule of this kind.
"""

from functools import cached_property

import numpy as np

from triphase.checkpoints.integrity.initialisation import Start
from triphase.checkpoints.integrity.schedule import Reach
from triphase.checkpoints.integrity.series import Series

NEAR = 0.25  # a checkpoint whose reach is below this share of the smallest initial deviation lies at its start
# Weights that swing about a slow path are sqrt(2) times their swing apart at two steps, and once their swing of the
# later step has died away: any step can seem nearer by 1 / sqrt(2) = 0.71 than neighbours do, and no more.
HOME = 0.6
# A multiple of the bound, the tensor that shows it, and the place that it was compared with.
Pair = tuple[float, str, int]


class Bound:
    """Contradictions within a series.

    Parameters
    ----------
    series : Series
    reach : Reach of the same steps
    start : Start or None
    """

    def __init__(self, series: Series, reach: Reach, start: Start | None) -> None:
        self.series, self.reach, self.start = series, reach, start
        self.seen: dict[tuple[int, int], tuple[float, str]] = {}

    @cached_property
    def apart(self) -> np.ndarray:
        """Distances of all weights, (place, place)."""
        return self.series.distance()

    def early(self) -> dict[int, tuple[float, str]]:
        """First consequence: dict of place to (excess, detail) for every checkpoint that can't have come so far."""
        found: dict[int, tuple[float, str]] = {}
        assert self.start
        for at, mark in enumerate(self.series.marks):
            if self.series.steps[at] > 0:
                departures = self.start.departures(mark, self.reach.reach[at], float(np.exp(self.reach.decay[at])))
                worst = max(departures, key=lambda row: row[0], default=(0.0, ""))
                if worst[0] > 1:
                    found[at] = worst
        return found

    def anchors(self, wrong: set[int]) -> list[int]:
        """Places that are proven to lie at the initialisation."""
        if self.start is None or not np.isfinite(self.start.std).any():
            return []
        near = NEAR * np.nanmin(self.start.std)
        return [at for at in range(len(self.series)) if at not in wrong and self.reach.reach[at] <= near]

    def excess(self, a: int, b: int) -> tuple[float, str]:
        """Largest difference of two places as a multiple of the bound: (float, tensor)."""
        key = (min(a, b), max(a, b))
        if key not in self.seen:
            between = self.reach.between(*key)
            self.seen[key] = self.series.excess(*key, between, self.reach.kept(*key))
        return self.seen[key]

    def torn(self, a: int, b: int) -> bool:
        """Whether two places contradict each other; two at one step are no pair."""
        return bool(self.series.steps[a] != self.series.steps[b] and self.excess(a, b)[0] > 1)

    def far_from_start(self, wrong: set[int]) -> dict[int, Pair]:
        """Second consequence: dict of place to (excess, tensor, anchor)."""
        open_ = [at for at in range(len(self.series)) if at not in wrong]
        anchors = [at for at in self.anchors(wrong)]
        against = {a: [at for at in open_ if at != a and self.torn(a, at)] for a in anchors}
        # A start that nothing continues, as of a run from another seed (pythia#203), is a stranger itself.
        lone = [a for a in anchors if len(open_) > 2 and len(against[a]) == len(open_) - 1]
        if lone:
            return {a: (*self.excess(a, against[a][0]), against[a][0]) for a in lone}
        return {at: (*self.excess(a, at), a) for a in anchors for at in against[a] if at not in anchors}

    def contradictions(self, wrong: set[int]) -> tuple[dict[int, Pair], dict[int, Pair]]:
        """Third consequence: (dict of place to finding of those accused, the same of pairs that stay undecided)."""
        accused: dict[int, Pair] = {}
        undecided: dict[int, Pair] = {}
        wrong, skipped = set(wrong), set()
        while True:
            open_ = [at for at in range(len(self.series)) if at not in wrong]
            pairs = [pair for pair in zip(open_, open_[1:], strict=False) if pair not in skipped and self.torn(*pair)]
            if not pairs:
                return accused, undecided
            pair = max(pairs, key=lambda p: self.excess(*p)[0])
            strangers = [at for at in pair if self._misplaced(at, open_)]
            if len(strangers) == 1:
                at, other = strangers[0], pair[1 - pair.index(strangers[0])]
                accused[at] = (*self.excess(*pair), other)
                undecided.pop(at, None)
                wrong.add(at)
            else:
                skipped.add(pair)
                for at, other in (pair, pair[::-1]):
                    undecided[at] = (*self.excess(*pair), other)

    def _misplaced(self, at, open_):
        """Whether a place lies nearer to a checkpoint elsewhere in the order than that one's own neighbours do."""
        order = {place: i for i, place in enumerate(open_)}
        for other in open_:
            i = order[other]
            if abs(i - order[at]) <= 2:
                continue
            beside = [open_[j] for j in (i - 1, i + 1) if 0 <= j < len(open_)]
            settled = all(self.excess(other, place)[0] <= 1 for place in beside)
            if settled and self.apart[at, other] <= HOME * min(self.apart[other, place] for place in beside):
                return True
        return False
