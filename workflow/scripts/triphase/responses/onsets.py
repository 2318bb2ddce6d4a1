"""When what is heard begins in a run, by the data set's own tables: BIDS events, or one table for all runs."""

from collections.abc import Mapping
from pathlib import Path

from triphase.core.errors import InputError
from triphase.core.tables import MISSING, need_column, number_advice, to_number
from triphase.core.texts import composed
from triphase.core.types import Section
from triphase.stimuli.transcripts.rows import rows_where
from triphase.stimuli.transcripts.tables import read_table


def read_onset(path: str | Path, events: Section, names: Mapping[str, str]) -> float | None:
    """The onset of one run, s into its scan; None where the table says n/a.

    Parameters
    ----------
    path : path of a .tsv or .csv table with a header
    events : dict with column, the table's column of onsets, and where, dict of column to the template of what it must
        say in the run's row
    names : dict of placeholder to what it stands for: subject, id, run, stimulus

    Raises
    ------
    InputError : no row, or several, of the run; no such column; no number
    """
    table, column = read_table(path), composed(events["column"]).strip()
    need_column(path, table, column, "dataset/events/column")
    found = rows_where(path, table, events["where"], names, "dataset/events/where")
    if len(found) > 1:
        named = [name for name in table.columns if found[name].map(to_number).isna().all()]
        telling = [name for name in named if found[name].nunique() == len(found)]
        hint = f", such as {telling[0]}: {found[telling[0]].iloc[-1]}" if telling else ""
        raise InputError(
            f"{path}: {len(found)} rows (lines {found.index[0]} to {found.index[-1]}, {column} "
            f"{', '.join(found[column][:5])}) could tell when what is heard begins; say which in dataset/events/where"
            f"{hint}"
        )
    text = found[column].iloc[0].strip()
    if text in MISSING:
        return None
    onset = to_number(text)
    if onset != onset:
        raise InputError(
            f"{path}, row {found.index[0]}: {column} is {text!r}; it must be a number of seconds, or n/a"
            f"{number_advice(text)}"
        )
    return onset
