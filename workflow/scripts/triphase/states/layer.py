"""One layer's states, and what several measures of them need: computed once, when it is first asked for."""

import logging
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from triphase.states.dimension import gride, neighbour_distances, scales
from triphase.states.geometry import spectrum
from triphase.states.probes import Plan, Score, probe_scores
from triphase.states.similarity import Cloud, cloud


@dataclass
class Layer:
    """What a measure of internal states is given beside the states.

    Attributes
    ----------
    number : int
        0 is the embedding.
    states : float32 array (words, features)
    words : DataFrame
        One row per word, each stimulus once.
    drawn : int array
        Words of measures whose estimate depends on how many there are, or that compare layers: the same at every
        checkpoint.
    below : dict of layer to Cloud
        The layers before this one.
    plan : Plan
        Labels and folds of the probes, which no model enters.
    classifier : str
    """

    number: int
    states: np.ndarray
    words: pd.DataFrame
    drawn: np.ndarray
    below: dict[int, Cloud]
    plan: Plan
    classifier: str

    @cached_property
    def spectrum(self) -> np.ndarray:
        """Eigenvalues of the covariance, largest first, which sum to 1."""
        return spectrum(self.states)

    @cached_property
    def distances(self) -> np.ndarray:
        """Distances of the drawn words to their neighbours, repeated vectors once: (distinct words, neighbours)."""
        distances = neighbour_distances(self.states[self.drawn])
        if len(distances) < len(self.drawn):
            counts = self.number, len(distances), len(self.drawn)
            logging.info("layer %s: %d of %d vectors are distinct; repeats left out", *counts)
        return distances

    @cached_property
    def gride_curve(self) -> list[tuple[int, float, float]]:
        """Scale (neighbours n1), intrinsic dimension by GRIDE and its standard error, from the smallest scale on."""
        return [(n1, *gride(self.distances, n1)) for n1 in scales(len(self.distances)).tolist()]

    @cached_property
    def cloud(self) -> Cloud:
        """The drawn words, prepared for comparisons with other layers."""
        return cloud(self.states[self.drawn])

    @cached_property
    def probe_scores(self) -> list[Score]:
        """Concept, kind of score, value, standard error and n of every probe; see `probe_scores`."""
        return probe_scores(self.states, self.plan, self.classifier)
