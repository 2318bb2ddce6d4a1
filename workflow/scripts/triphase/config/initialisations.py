"""The registry of initialisation schemes. A scheme is a file of `checkpoints/integrity/schemes`, or of a user."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from triphase.core.registry import Registry


@dataclass(frozen=True)
class Scheme:
    """How the weights of an untrained model are drawn.

    Attributes
    ----------
    name : str, as `initialisation/weights` of a family says it
    function : standard deviation of a tensor's weights, drawn around 0, as function(tensor, config) of the tensor's
        name and the model's own config.json; None where the scheme does not tell
    """

    name: str
    function: Callable[[str, Mapping[str, Any]], float | None]


INITIALISATIONS = Registry("initialisation scheme", Scheme, package="triphase.checkpoints.integrity.schemes")
