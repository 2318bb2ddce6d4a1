"""Which rows of a table are the words of a stimulus, and what becomes of rows that lack a word or its times."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path

from triphase.core.errors import InputError
from triphase.core.lazy import np, pd
from triphase.core.tables import UNKNOWN, need_column, to_number
from triphase.core.texts import composed


def rows_where(
    path: str | Path, table: pd.DataFrame, where: Mapping[str, str], names: Mapping[str, str], key: str
) -> pd.DataFrame:
    """The rows of a table in which columns say what they must.

    Parameters
    ----------
    path : for messages
    table : DataFrame of str
    where : dict of column to a template of its cells; numbers are compared as such ("1" is "1.0")
    names : dict of placeholder to what it stands for
    key : of the config, for messages

    Raises
    ------
    InputError : no such column, or no row is left
    """
    for column, template in where.items():
        need_column(path, table, column, key)
        wanted, cells = composed(template.format(**names)), table[composed(column).strip()].str.strip()
        same, number = cells == wanted, to_number(wanted)
        if np.isfinite(number):
            same |= cells.map(to_number) == number
        if not same.any():
            said = ", ".join(map(repr, list(dict.fromkeys(cells))[:8]))
            raise InputError(f"{path}: no row in which {column!r} is {wanted!r} ({key}); it says {said}")
        table = table[same]
    return table


def spread_times(path: str | Path, words: pd.DataFrame) -> pd.DataFrame:
    """Words with times for those that have none: equal shares of the silence between the words beside them.

    A transcript that was aligned with its sound lacks times where a word was not recognised, but the word was heard,
    and the model should read it. Where nothing lies between its neighbours, and before the first and after the last
    word with times, such a word has the time of its neighbour and no length.

    Parameters
    ----------
    words : DataFrame with onset and offset (s), both NaN for a word without times

    Raises
    ------
    InputError : no word has times, or one has an onset without an offset
    """
    begin, end = words["onset"].to_numpy(float, copy=True), words["offset"].to_numpy(float, copy=True)
    known = np.isfinite(begin) & np.isfinite(end)
    if halves := np.flatnonzero(np.isfinite(begin) != np.isfinite(end)).tolist():
        raise InputError(f"{path}, row {words.index[halves[0]]}: a word has an onset or an offset alone; give both")
    if not known.any():
        raise InputError(f"{path}: no word has times; align the transcript with its sound")
    timed = np.flatnonzero(known)
    for place in np.flatnonzero(~known & (np.concatenate([[True], known[:-1]]))):
        after = timed[timed > place]
        stop = int(after[0]) if len(after) else len(words)
        low = end[place - 1] if place else begin[stop]
        high = max(begin[stop], low) if stop < len(words) else low
        edges = np.linspace(low, high, stop - place + 1)
        begin[place:stop], end[place:stop] = edges[:-1], edges[1:]
    return words.assign(onset=begin, offset=end)


def listed_words(path: str | Path, table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """The words of a table whose cells are lists, as of all words of a scan, one after the other.

    Parameters
    ----------
    columns : dict with the table's column for word, onset, and offset or duration

    Returns
    -------
    DataFrame with these keys as columns, text; its index is that of the row, again for each of its words

    Raises
    ------
    InputError : a cell is no list, or the lists of a row differ in length
    """
    rows: list[list[str]] = []
    lines: list[int] = []
    for line, cells in zip(table.index, table[list(columns.values())].to_numpy(), strict=True):
        lists = [_list(path, line, column, cell) for column, cell in zip(columns.values(), cells, strict=True)]
        if len({len(each) for each in lists}) > 1:
            lengths = ", ".join(
                f"{len(each)} in {column}" for column, each in zip(columns.values(), lists, strict=True)
            )
            raise InputError(f"{path}, row {line}: its lists differ in length ({lengths}); they are of the same words")
        rows += [list(row) for row in zip(*lists, strict=True)]
        lines += [line] * len(lists[0])
    return pd.DataFrame(rows, columns=list(columns), index=lines, dtype=object)


def _list(path, line, column, cell) -> Sequence[str]:
    text = cell.strip()
    if text.lower() in UNKNOWN:
        return []
    try:
        values = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        values = None
    if not isinstance(values, list):
        raise InputError(
            f"{path}, row {line}: {column} is {cell!r}; with `lists` a cell is a list, as ['a', 'b'] or []"
        )
    return [str(value) for value in values]
