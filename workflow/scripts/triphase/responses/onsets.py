"""When what is heard begins in a run, by the data set's own tables: BIDS events, or one table for all runs."""

from collections.abc import Mapping
from pathlib import Path

from triphase.config.jobs import CleanResponses
from triphase.core.errors import InputError
from triphase.core.tables import MISSING, need_column, number_advice, to_number
from triphase.core.texts import composed
from triphase.core.types import Section
from triphase.sources.manifest import of_run
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
    if found[column].str.strip().nunique() > 1:
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


def run_onset(files: Mapping[str, Section], run: Section, settings: CleanResponses) -> float | None:
    """The onset of a subject's run, s into its scan, as `read_onset`; None without events.

    Parameters
    ----------
    files : dict, `files` of the subject's manifest
    run : dict with name and stimulus
    settings : CleanResponses, whose events and subject are read

    Raises
    ------
    InputError : as `read_onset`; or it is not known, and is to be applied
    """
    events, subject = settings.events, settings.subject
    if not events or "events" not in files:
        return None
    path = of_run(files["events"], run)["path"]
    names = {key: value for key, value in subject.items() if isinstance(value, str) and key != "name"}
    names |= {"subject": subject.get("name", ""), "stimulus": run["stimulus"]}
    onset = read_onset(path, events, {**names, "run": subject.get("files", {}).get(run["name"], run["name"])})
    if onset is None and events["applied"]:
        raise InputError(
            f"{path}: the onset of run {run['name']!r} is not known (n/a), but it is applied (dataset/events); leave "
            "the run or the subject out, or set events/applied to false and dropped_volumes by hand"
        )
    return onset
