"""Whether two results folders hold the same values: decoded arrays, tables, JSON and their attributes.

Everything that a file holds is laid out under a place, `file::name`, as columns (arrays, columns of tables) and facts
(attributes, JSON). What the rows of a table are is told by their keys, so that their order does not matter.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import xarray as xr
from zarr.storage import ZipStore

TOLERANCE = 1e-6
# Numbers that say what a row of a table with measures is, as its texts do, and the value of each that says nothing.
ROW_NUMBERS = {"step": None, "tokens": None, "layer": None, "setting": None, "normalised": False, "main": True}
# Folders of the demo's own files, of logs and of pictures.
NOT_COMPARED = ("demo/dataset/", "demo/hub/", "benchmarks/", "logs/", "figures/")

SEAL = "_seal"  # digest of a file that it holds itself


@dataclass(frozen=True)
class Column:
    """Values whose first axis are rows; where rows are joined, the keys of each and the measure that it is of."""

    values: np.ndarray
    rows: list | None = None
    measures: np.ndarray | None = None


@dataclass(frozen=True)
class Allowed:
    """A difference with its cause: where (a regular expression), and by how much of the scale; None: in any way."""

    place: str
    cause: str
    within: float | None = None


@dataclass(frozen=True)
class Translation:
    """What has another name now, and what may differ.

    `rebuilt`: gives what a file of before holds (a Dataset, a DataFrame, JSON) the form of now, by the file's name.
    `texts`: pairs of a regular expression and what replaces it, in texts of before.
    `skipped`: regular expressions of places that are no results.
    """

    rebuilt: Callable = lambda name, content: content
    texts: tuple = ()
    skipped: tuple = ()
    exceptions: tuple = ()

    def text(self, text):
        """How a text of before is worded now."""
        for pattern, new in self.texts:
            text = re.sub(pattern, new, text)
        return text

    def skips(self, place):
        """Whether what lies there is no result."""
        return any(re.search(pattern, place) for pattern in self.skipped)

    def cause(self, place, by=np.inf):
        """Why what lies there may differ by so much; None where nothing says so."""
        for allowed in self.exceptions:
            if re.search(allowed.place, place) and (allowed.within is None or by <= allowed.within):
                return allowed.cause
        return None


@dataclass
class Comparison:
    """What was compared: numbers of values and of those that are equal bit for bit, and what differs."""

    translation: Translation
    values: int = 0
    identical: int = 0
    largest: float = 0.0
    where: str = ""
    exceptions: Counter = field(default_factory=Counter)
    unexplained: list = field(default_factory=list)
    verdicts: list = field(default_factory=list)
    new: list = field(default_factory=list)

    def differ(self, place, what, number=1, by=np.inf):
        """Note a number of values that differ by at most so much; whether that is a listed exception."""
        cause = self.translation.cause(place, by)
        if cause:
            self.exceptions[cause] += number
        else:
            self.unexplained.append(f"{place}: {what}")
        return cause is not None

    def numbers(self, place, before, after, scale):
        """Compare floating-point numbers; `scale` is the measure's, one or as many as numbers."""
        missing = np.isnan(before) | np.isnan(after) | np.isinf(before) | np.isinf(after)
        same = (before == after) | (np.isnan(before) & np.isnan(after))
        with np.errstate(invalid="ignore", divide="ignore"):
            relative = np.abs(after - before) / np.maximum(np.abs(before), scale)
        relative = np.where(same, 0, np.where(missing, np.inf, relative))
        self.values += before.size
        self.identical += int(same.sum())
        if not relative.size:
            return
        worst = int(relative.argmax())
        by = float(relative.flat[worst])
        if n_wrong := int((relative > TOLERANCE).sum()):
            pair = f"{before.flat[worst]!r} is now {after.flat[worst]!r}"
            if self.differ(place, f"{n_wrong} of {before.size} numbers differ, most: {pair}", n_wrong, by):
                return
        if by > self.largest:
            self.largest, self.where = by, place

    def exact(self, place, before, after):
        """Compare counts, truth values and texts, which have to be the same."""
        before, after = ([_plain(value) for value in values] for values in (before, after))
        before = [self.translation.text(value) if isinstance(value, str) else value for value in before]
        wrong = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
        self.values += len(before)
        self.identical += len(before) - len(wrong)
        if wrong:
            what = f"{len(wrong)} of {len(before)} differ, first: {wrong[0][0]!r} is now {wrong[0][1]!r}"
            self.differ(place, what, len(wrong))


def compare_folders(before, after, translation):
    """Compare all artefacts of a study that lie in both folders; those that are lost are differences."""
    comparison = Comparison(translation)
    paths, new_paths = _artefacts(before), _artefacts(after)
    comparison.new += sorted(set(new_paths) - set(paths))
    for name, path in sorted(paths.items()):
        if translation.skips(name):
            continue
        if name in new_paths:
            compare_contents(comparison, name, translation.rebuilt(name, read(path)), read(new_paths[name]))
        else:
            comparison.differ(name, "is not made any more")
    return comparison


def compare_contents(comparison, name, before, after):
    """Compare what a file of this name held, in the form of now, and what it holds."""
    (columns, facts), (new_columns, new_facts) = (
        [{f"{name}::{key}": value for key, value in part.items()} for part in laid_out(content)]
        for content in (before, after)
    )
    _compare_columns(comparison, columns, new_columns)
    _compare_facts(comparison, facts, new_facts)


def _compare_columns(comparison, columns, new_columns):
    comparison.new += sorted(set(new_columns) - set(columns))
    for place, column in columns.items():
        if comparison.translation.skips(place):
            continue
        if place not in new_columns:
            comparison.differ(place, "is not there any more", column.values.size)
            continue
        before, after, measures = _joined(comparison, place, column, new_columns[place])
        if before.shape != after.shape:
            comparison.differ(place, f"shape {before.shape} is now {after.shape}", before.size)
        elif before.dtype.kind == "f" and after.dtype.kind == "f":
            comparison.numbers(place, before, after, _scales(before, measures))
        elif before.dtype.kind == "O" and any(isinstance(value, np.ndarray | list) for value in before.flat):
            _compare_lists(comparison, place, before, after)
        else:
            comparison.exact(place, before.flat, after.flat)


def _joined(comparison, place, column, new_column):
    """Values of before and after, row by row where the rows are told by keys, and the measure of each."""
    if column.rows is None or new_column.rows is None:
        return column.values, new_column.values, column.measures
    at, new_at = ({row: number for number, row in enumerate(one.rows)} for one in (column, new_column))
    if len(at) < len(column.rows) or len(new_at) < len(new_column.rows):
        comparison.differ(place, "two rows have the same key", len(column.rows))
        return column.values[:0], new_column.values[:0], column.measures[:0]
    for row in [row for row in at if row not in new_at]:
        comparison.differ(f"{place}[{row}]", "the row is not there any more")
    comparison.new += [f"{place}[{row}]" for row in new_at if row not in at]
    both = [row for row in at if row in new_at]
    places = [at[row] for row in both]
    return column.values[places], new_column.values[[new_at[row] for row in both]], column.measures[places]


def _scales(values, measures):
    """The largest finite value of the measure that each number is of; of all, where there are no measures."""
    sizes = np.where(np.isfinite(values), np.abs(values), 0)
    if measures is None:
        return sizes.max(initial=0)
    scales = np.zeros(values.shape)
    for measure in set(measures):
        scales[measures == measure] = sizes[measures == measure].max(initial=0)
    return scales


def _compare_lists(comparison, place, before, after):
    """Compare cells that hold lists of numbers or of texts."""
    lengths = [[np.size(value) for value in values] for values in (before, after)]
    if lengths[0] != lengths[1]:
        comparison.differ(place, "lists have other lengths", before.size)
        return
    before, after = (np.concatenate([np.ravel(value) for value in values]) for values in (before, after))
    if before.dtype.kind == "f" and after.dtype.kind == "f":
        comparison.numbers(place, before, after, _scales(before, None))
    else:
        comparison.exact(place, before, after)


def _compare_facts(comparison, facts, new_facts):
    comparison.new += sorted(set(new_facts) - set(facts))
    sizes = {}
    for place, value in facts.items():
        if _is_float(value):
            kind = re.sub(r"\[\d+\]", "[]", place)
            sizes[kind] = max(sizes.get(kind, 0), abs(value))
    for place, value in facts.items():
        if comparison.translation.skips(place):
            continue
        if place not in new_facts:
            comparison.differ(place, f"{value!r} is not there any more")
        elif _is_float(value) and isinstance(new_facts[place], int | float):
            pair = (np.array([number], float) for number in (value, new_facts[place]))
            comparison.numbers(place, *pair, sizes[re.sub(r"\[\d+\]", "[]", place)])
        else:
            comparison.exact(place, [value], [new_facts[place]])
        if re.search(r"\.json::(.*\.)?verdict$", place):
            comparison.verdicts.append((place, value, new_facts.get(place)))


def read(path):
    """What a file holds: a Dataset, a DataFrame with the file's metadata as attributes, or JSON."""
    if path.suffix == ".json":
        content = json.loads(path.read_text(encoding="utf-8"))
        return {key: value for key, value in content.items() if key != SEAL} if isinstance(content, dict) else content
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        frame = table.to_pandas()
        facts = {key.decode(): value for key, value in (table.schema.metadata or {}).items()}
        frame.attrs = {key: json.loads(value) for key, value in facts.items() if key not in ("pandas", SEAL)}
        return frame
    with ZipStore(path, mode="r") as store:
        return xr.open_zarr(store, consolidated=False).load()


def laid_out(content):
    """Columns and facts of what a file holds, each by name."""
    if isinstance(content, xr.Dataset):
        arrays, rows = content.variables, None
        if "measure" in arrays:
            (rows,) = arrays["measure"].dims
        in_rows = {
            name: np.moveaxis(array.values, array.dims.index(rows), 0)
            for name, array in arrays.items()
            if rows in array.dims
        }
        columns = _columns(in_rows) | {
            name: Column(array.values) for name, array in arrays.items() if name not in in_rows
        }
    elif isinstance(content, pd.DataFrame):
        columns = _columns({name: _with_none(content[name]) for name in content})
    else:
        return {}, dict(_leaves(content))
    return columns, {f"@{key}": value for key, value in _leaves(content.attrs)}


def _columns(arrays):
    """Columns of a table; where it has measures, rows are joined by all that is text or says what a row is."""
    arrays = {name: _numbers(values) for name, values in arrays.items()}
    if "measure" not in arrays:
        return {name: Column(values) for name, values in arrays.items()}
    keys = {name for name, values in arrays.items() if name in ROW_NUMBERS or _is_text(values)}
    rows = [set() for _ in arrays["measure"]]
    for key in keys:
        for row, value in zip(rows, arrays[key], strict=True):
            value = _plain(value)
            # What says nothing is left out, so that tables may differ in the columns that they need.
            if value not in (None, "", ROW_NUMBERS.get(key)):
                row.add(f"{key}={value:.12g}" if isinstance(value, int | float) else f"{key}={value}")
    rows = [" ".join(sorted(row)) for row in rows]
    return {name: Column(values, rows, arrays["measure"]) for name, values in arrays.items() if name not in keys}


def _with_none(series):
    """A column of a table with None for what is missing, but in plain numbers."""
    if isinstance(series.dtype, np.dtype) and series.dtype.kind != "O":
        return series.to_numpy()
    return series.astype(object).where(series.notna(), None).to_numpy()


def _numbers(values):
    """Floating-point numbers with gaps as such, other values as they are."""
    there = [value for value in values.flat if value is not None] if values.dtype.kind == "O" else []
    return values.astype(float) if there and all(isinstance(value, float) for value in there) else values


def _is_text(values):
    return values.ndim == 1 and all(value is None or isinstance(value, str) for value in values)


def _is_float(value):
    return isinstance(value, float)


def _plain(value):
    """A value that equals itself: numbers of numpy as Python's, missing values as None."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if value is None or value != value else value


def _leaves(content, place=""):
    """Places and values of nested lists and mappings; empty ones are values."""
    if isinstance(content, dict) and content:
        for key, value in content.items():
            yield from _leaves(value, f"{place}.{key}" if place else str(key))
    elif isinstance(content, list | tuple) and content:
        for number, value in enumerate(content):
            yield from _leaves(value, f"{place}[{number}]")
    else:
        yield place, content


def _artefacts(folder):
    """Paths of a study's tables, arrays and JSON files, by name."""
    paths = {path.relative_to(folder).as_posix(): path for path in Path(folder).rglob("*") if path.is_file()}
    wanted = (".json", ".parquet", ".zarr.zip")
    return {name: path for name, path in paths.items() if name.endswith(wanted) and not name.startswith(NOT_COMPARED)}
