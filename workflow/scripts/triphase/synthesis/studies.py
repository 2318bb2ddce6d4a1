"""Finished studies that are to be joined: read from their folders, and refused where they do not belong together."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from triphase.core.artefacts import read_arrays, read_json, read_table
from triphase.core.errors import InputError
from triphase.core.types import Section
from triphase.synthesis.files import FILES


@dataclass(frozen=True)
class Finished:
    """A study that has run to its end.

    Attributes
    ----------
    name, dataset, language : str
    definition : dict of key to value, what its alignment is; the same in all studies that are joined
    models : dict of model to dict with group, seed, language_share (dict of language to share, or None)
    phases : dict of model to its entry of phases.json
    table : DataFrame, tidy rows
    boot : xarray.Dataset, paired draws
    """

    name: str
    dataset: str
    language: str
    definition: Section
    models: dict[str, Section]
    phases: dict[str, Section]
    table: pd.DataFrame
    boot: xr.Dataset

    def share(self, model: str) -> float | None:
        """Share of the study's language in what a model was trained on; None where nobody has said it."""
        share: float | None = (self.models[model]["language_share"] or {}).get(self.language)
        return share


def read_studies(files: Mapping[str, Sequence[str]]) -> list[Finished]:
    """Read studies, one after the other, and check that they can be joined.

    Parameters
    ----------
    files : dict of the names of FILES to paths, one for each study

    Raises
    ------
    InputError : two are one and the same, or their definitions differ
    """
    refuse_twins(files["trajectories"])
    studies = []
    for definition, phases, table, boot in zip(*(files[name] for name in FILES), strict=True):
        about, entries = read_json(definition), read_json(phases)
        # Negative controls are no models to be joined.
        entries = {name: of for name, of in entries.items() if not about["models"][name].get("control_of")}
        studies.append(
            Finished(
                about["study"],
                about["dataset"],
                about["language"],
                about["definition"],
                about["models"],
                entries,
                read_table(table),
                read_arrays(boot),
            )
        )
    check_definitions(studies)
    return studies


def refuse_twins(tables: Sequence[str]) -> None:
    """InputError where two studies' tables are the same, but for where they lie."""
    seen: dict[str, Path] = {}
    for table in tables:
        frame = read_table(table).drop(columns="study")
        digest = hashlib.sha256(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes()).hexdigest()
        folder = Path(table).parent
        if digest in seen:
            rest = [str(Path(path).parent) for path in tables if path != table]
            raise InputError(
                f"studies: {folder} holds the numbers of {seen[digest]}: they are one study; take it out, without it "
                f"these are joined: {', '.join(rest)}"
            )
        seen[digest] = folder


def check_definitions(studies: Sequence[Finished]) -> None:
    """InputError where studies differ in what their alignment is, with every key that differs, and whose it is."""
    first = studies[0]
    for other in studies[1:]:
        keys = [key for key in {**first.definition, **other.definition} if _differs(key, first, other)]
        if keys:
            said = "; ".join(f"{key}: {_value(first, key)} in {first.name}, {_value(other, key)}" for key in keys)
            alike = [s.name for s in studies if s.definition == first.definition]
            raise InputError(
                f"studies: {other.name} is of another definition than {first.name} ({said}): their numbers do not mean "
                f"the same; run it again with the same values, or join those that are alike: {', '.join(alike)}"
            )


def _differs(key: str, first: Finished, other: Finished) -> bool:
    missing = object()
    return bool(first.definition.get(key, missing) != other.definition.get(key, missing))


def _value(study: Finished, key: str) -> Any:
    return study.definition.get(key, "not there")
