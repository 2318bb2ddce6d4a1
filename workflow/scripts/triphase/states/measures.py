"""Measures of one layer's states, each a function under its own name; `triphase.table.measures` says what they are.

A function takes the states, float32 (words, features), and a `triphase.states.layer.Layer`. It returns a value; or
value, standard error and n; or a list of `Value`, where there are several targets or settings.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from triphase.core.measures import Result, Row, Value, values_of
from triphase.states import geometry
from triphase.states.dimension import plateau, two_nn
from triphase.states.layer import Layer
from triphase.states.similarity import cka

StateMeasure = Callable[[np.ndarray, Layer], Result]
# By name, in the order of the table.
STATE_MEASURES: dict[str, StateMeasure] = {}


def measure_of_states(function: StateMeasure) -> StateMeasure:
    """Add a function to the measures that every layer is taken."""
    STATE_MEASURES[function.__name__] = function
    return function


def layer_rows(layer: Layer, measures: Mapping[str, StateMeasure]) -> Iterator[Row]:
    """Rows of every measure of one layer, for `triphase.core.measures.measure_table`."""
    for name, function in measures.items():
        for value in values_of(name, function(layer.states, layer), len(layer.states)):
            yield layer.number, name, value


@measure_of_states
def intrinsic_dimension(states: np.ndarray, layer: Layer) -> Result:
    """TwoNN."""
    return *two_nn(layer.distances), len(layer.distances)


@measure_of_states
def intrinsic_dimension_gride(states: np.ndarray, layer: Layer) -> Result:
    """GRIDE at the plateau of its scales."""
    _, value, error = _at_plateau(layer)
    return value, error, len(layer.distances)


@measure_of_states
def gride_scale(states: np.ndarray, layer: Layer) -> Result:
    """The scale of the plateau."""
    scale, value, _ = _at_plateau(layer)
    return scale if np.isfinite(value) else np.nan, np.nan, len(layer.distances)


def _at_plateau(layer: Layer) -> tuple[int, float, float]:
    return layer.gride_curve[plateau([value for _, value, _ in layer.gride_curve])]


@measure_of_states
def gride(states: np.ndarray, layer: Layer) -> Result:
    """GRIDE at every scale."""
    n = len(layer.distances)
    return [Value(value, error, n, setting=scale) for scale, value, error in layer.gride_curve]


@measure_of_states
def participation_ratio(states: np.ndarray, layer: Layer) -> Result:
    """(sum l)² / sum l² of covariance eigenvalues."""
    return geometry.participation_ratio(layer.spectrum)


@measure_of_states
def effective_rank(states: np.ndarray, layer: Layer) -> Result:
    """Exponential entropy of the normalised singular values."""
    return geometry.effective_rank(layer.spectrum)


@measure_of_states
def spectral_entropy(states: np.ndarray, layer: Layer) -> Result:
    """Entropy of covariance eigenvalues."""
    return geometry.spectral_entropy(layer.spectrum)


@measure_of_states
def spectral_decay(states: np.ndarray, layer: Layer) -> Result:
    """Exponent of the power law of covariance eigenvalues."""
    return geometry.spectral_decay(layer.spectrum)


@measure_of_states
def anisotropy(states: np.ndarray, layer: Layer) -> Result:
    """Mean cosine of two different words."""
    return *geometry.anisotropy(states), len(states)


@measure_of_states
def curvature(states: np.ndarray, layer: Layer) -> Result:
    """Mean angle between the steps from word to word."""
    return geometry.curvature(states, layer.words["stimulus"].to_numpy())


@measure_of_states
def probe(states: np.ndarray, layer: Layer) -> Result:
    """Balanced accuracy, sentences held out."""
    return _probed(layer, "sentences")


@measure_of_states
def selectivity(states: np.ndarray, layer: Layer) -> Result:
    """`probe` minus the mean of control tasks."""
    return _probed(layer, "selectivity")


@measure_of_states
def probe_types(states: np.ndarray, layer: Layer) -> Result:
    """Balanced accuracy, sentences and word types held out."""
    return _probed(layer, "types")


@measure_of_states
def probe_learning(states: np.ndarray, layer: Layer) -> Result:
    """`probe` with shares of the training sentences."""
    curve = [(score, score.kind) for score in layer.probe_scores if not isinstance(score.kind, str)]
    return [Value(score.value, score.se, score.n, target=score.concept, setting=share) for score, share in curve]


def _probed(layer: Layer, kind: str) -> list[Value]:
    scores = [score for score in layer.probe_scores if score.kind == kind]
    return [Value(score.value, score.se, score.n, target=score.concept) for score in scores]


@measure_of_states
def cka_layer(states: np.ndarray, layer: Layer) -> Result:
    """Debiased CKA with every layer below."""
    n = len(layer.drawn)
    return [Value(*cka(layer.cloud, other), n, target=str(number)) for number, other in layer.below.items()]
