"""Values of measures, and the table that they make: the form in which every job hands on what it measured."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import nan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


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
