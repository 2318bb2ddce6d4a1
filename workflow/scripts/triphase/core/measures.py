"""What a measure is, the registry of all measures, and the values that jobs hand on as rows of one form.

The library's own measures are described in `triphase.table.measures`; their functions lie where they are computed. A
user's own come from a plugin, function and description together:

    from triphase.core.measures import MEASURES

    @MEASURES.register(
        name="spread", label="spread", unit="norm", range=(0, None), about="Root mean square of the words' norms."
    )
    def spread(states, layer):
        return float((states**2).sum(axis=1).mean() ** 0.5)

`states` are float32 (words, features), `layer` a `triphase.states.layer.Layer`; what may be returned says
`triphase.states.measures`. Snakemake imports this module where a study has plugins: nothing heavy.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from math import inf, nan
from numbers import Real
from typing import TYPE_CHECKING, Any

from triphase.core.errors import InputError
from triphase.core.registry import Registry

if TYPE_CHECKING:
    import pandas as pd

STATES, ITEMS = "hidden states", "items"


@dataclass(frozen=True)
class Measure:
    """What a measure is, for the reference, for figures, and for who reads its values.

    Attributes
    ----------
    name : str
        In the column `measure` of the tidy table.
    label : str
        In figures and tables, a few words.
    unit : str
    range : pair of float
        Least and largest value; None where there is no bound.
    about : str
        What it is, for the reference.
    section : str
        Of the reference.
    needs : str
        What it is computed from.
    per_layer : bool
        Whether each layer has a value of its own.
    target, setting : str
        What the columns of these names hold.
    panel : str
        Title over its map of layers and checkpoints in the report: the label where empty, no map where None.
    colour : str
        Of its curve, where it is drawn as one.
    function : callable
        Given for a measure from outside the library: of a layer's states, or where it `needs` items of those of one
        evaluation.
    """

    name: str
    label: str
    unit: str
    range: tuple[float | None, float | None]
    about: str
    section: str = "Internal states"
    needs: str = STATES
    per_layer: bool = True
    target: str | None = None
    setting: str | None = None
    panel: str | None = ""
    colour: str = "#0072B2"
    function: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        low, high = self.bounds
        if not low < high:
            raise InputError(f"the measure {self.name!r} has the range {self.range}: give the least value first")
        if self.function and self.needs not in (STATES, ITEMS):
            raise InputError(
                f"the measure {self.name!r} needs {self.needs!r}: a function of a measure takes {STATES} or {ITEMS}"
            )

    @property
    def bounds(self) -> tuple[float, float]:
        """The range, with infinity where there is no bound."""
        low, high = self.range
        return -inf if low is None else low, inf if high is None else high

    @property
    def title(self) -> str:
        """What stands over a panel of it."""
        return self.panel or f"{self.label[:1].upper()}{self.label[1:]}"

    @property
    def text(self) -> str:
        """Its label, with its unit in brackets where the label does not say it."""
        return self.label if self.unit.rstrip("s") in self.label else f"{self.label} ({self.unit})"


MEASURES: Registry[Measure] = Registry("measure", Measure, described_in="triphase.table.measures")


def added(needs: str) -> dict[str, Callable[..., Any]]:
    """Functions of the measures that plugins add, of those that need the same."""
    return {name: entry.function for name, entry in MEASURES.items() if entry.function and entry.needs == needs}


@dataclass(frozen=True)
class Value:
    """One value of a measure, with what tells it from the measure's other values.

    Attributes
    ----------
    value, se : float
        The value and its standard error; NaN where there is none.
    n : int
        Words, items, sequences or voxels behind it.
    target : str
        What it is of: a concept, a task, an attention head.
    setting : float
        Where it lies on a curve over a setting of the measure, such as the scale of a dimension.
    reference : str
        What it is compared with, such as the first checkpoint.
    """

    value: float
    se: float = nan
    n: int | None = None
    target: str | None = None
    setting: float | None = None
    reference: str | None = None


Result = float | tuple[float, float, int] | list[Value]


def values_of(name: str, result: Result, n: int) -> list[Value]:
    """What a measure's function returned, as values; a bare number is of all `n`.

    Raises
    ------
    InputError : it is nothing that such a function may return
    """
    if isinstance(result, list) and all(isinstance(value, Value) for value in result):
        return result
    if isinstance(result, tuple) and len(result) == 3:
        return [Value(*result)]
    if isinstance(result, Real):
        return [Value(float(result), n=n)]
    raise InputError(
        f"measure {name!r} returned {result!r:.200}; return a number, (value, standard error, n), or a list of Value"
    )


def measure_table(rows: Iterable[tuple[int | None, str, Value]]) -> "pd.DataFrame":
    """Layer (None where there is none), measure and value of every row, as columns that the tidy table has too."""
    import pandas as pd

    columns = ["layer", "measure", *Value.__dataclass_fields__]
    frame = pd.DataFrame(
        [{"layer": layer, "measure": name, **asdict(value)} for layer, name, value in rows], columns=columns
    )
    text = dict.fromkeys(["measure", "target", "reference"], "string")
    numbers = dict.fromkeys(["value", "se", "setting"], "float64")
    return frame.astype(text | numbers | dict.fromkeys(["layer", "n"], "Int64"))
