"""What a finished study found, read from its folder when it is asked for.

    study = triphase.open("results/embedded")
    study.curve("steady")

Nothing is computed that the workflow has not: the numbers are those of the files. Nothing is written but by `export`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from triphase.core.artefacts import read_arrays, read_json, read_table
from triphase.core.errors import InputError
from triphase.phases.curves import Undetermined, average_subjects, read_curve
from triphase.table.selection import Selection
from triphase.table.tidy import ALIGNMENT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from nibabel.filebasedimages import FileBasedImage


def open_study(folder: str | Path) -> Study:
    """Open the results of a study.

    Parameters
    ----------
    folder : such as `results/embedded`

    Raises
    ------
    InputError : the folder holds no finished study
    """
    study = Study(Path(folder))
    for name in ("trajectories.parquet", "phases.json"):
        if not (study.folder / name).is_file():
            raise InputError(f"{folder}: no {name} there; name the results folder of a study that has run to its end")
    return study


@dataclass(frozen=True)
class Study:
    """A finished study.

    Attributes
    ----------
    folder : its results
    """

    folder: Path

    @cached_property
    def table(self) -> pd.DataFrame:
        """The tidy table, a row for every value; docs/reference/measures.md says what its columns are."""
        return read_table(self.folder / "trajectories.parquet")

    @cached_property
    def phases(self) -> dict[str, dict[str, Any]]:
        """Course and verdict of every model, with the reason, as `phases.json` holds them."""
        return read_json(self.folder / "phases.json")

    @cached_property
    def description(self) -> dict[str, Any]:
        """What was found of the data set before any model."""
        return read_json(self.folder / "responses/description.json")

    @cached_property
    def _bootstrap(self) -> xr.Dataset:
        return read_arrays(self.folder / "bootstrap.zarr.zip")

    @property
    def models(self) -> list[str]:
        """Names of the models."""
        return list(self.phases)

    @property
    def verdicts(self) -> pd.DataFrame:
        """One row per model: verdict, course, and the reason in words."""
        keys = ["verdict", "pattern", "reason"]
        return pd.DataFrame({model: {key: found[key] for key in keys} for model, found in self.phases.items()}).T

    def checkpoints(self, model: str) -> pd.DataFrame:
        """The checkpoints of a model in the order of training: their names, steps and tokens."""
        rows = self.table[self.table["model"] == self._model(model)]
        columns = ["checkpoint", "step", "tokens"]
        rows = rows[columns].dropna(subset=["checkpoint"]).drop_duplicates("checkpoint")
        return rows.sort_values("step").reset_index(drop=True)

    def trajectories(
        self,
        measure: str | None = None,
        model: str | None = None,
        roi: str | None = None,
        subject: str | None = None,
        target: str | None = None,
        main: bool = True,
    ) -> pd.DataFrame:
        """Rows of the tidy table.

        Parameters
        ----------
        measure, model, roi, subject, target : only rows of these, where they are given
        main : leave the sensitivity analyses out

        Raises
        ------
        InputError : the study has no such measure, model, region, subject or target
        """
        rows = self.table[self.table["main"]] if main else self.table
        given = {"measure": measure, "model": model, "roi": roi, "subject": subject, "target": target}
        for column, wanted in given.items():
            if wanted is not None:
                _known(column, wanted, self.table[column].dropna().unique())
                rows = rows[rows[column] == wanted]
        return rows.reset_index(drop=True)

    def curve(
        self,
        model: str,
        measure: str = ALIGNMENT,
        roi: str | None = None,
        subject: str | None = None,
        targets: Iterable[str] | None = None,
        layer: int | None = None,
    ) -> pd.DataFrame:
        """A measure over the checkpoints of one model.

        Parameters
        ----------
        measure : of docs/reference/measures.md; the mean over `targets` (all where none are named)
        roi : of alignment; the headline's where not given
        subject : of alignment; the mean over subjects where not given
        layer : of a measure that has layers

        Returns
        -------
        DataFrame with checkpoint, step, tokens, value, and se, the standard error of the paired draws where the study
        has drawn this measure, else that of the table

        Raises
        ------
        InputError : the study lacks it, or `layer` is not said for a measure of layers
        """
        curve = self._trajectory(model, measure, roi, subject, targets, layer)
        drawn = curve.draws is not None
        return pd.DataFrame(
            {
                "checkpoint": curve.checkpoint,
                "step": curve.step.astype(int),
                "tokens": curve.tokens,
                "value": curve.values,
                "se": curve.draws.std(axis=1, ddof=1) if drawn else curve.errors,
            }
        )

    def draws(
        self,
        model: str,
        measure: str = ALIGNMENT,
        roi: str | None = None,
        subject: str | None = None,
        targets: Iterable[str] | None = None,
    ) -> xr.DataArray:
        """Bootstrap draws of a curve, paired over checkpoints and models: array (checkpoint, draw).

        Parameters
        ----------
        as for `curve`

        Raises
        ------
        InputError : the study lacks the measure, or has not drawn it
        """
        curve = self._trajectory(model, measure, roi, subject, targets, None)
        if curve.draws is None:
            raise InputError(f"{measure}: the study has no draws of it; `curve` gives its standard errors")
        coords = {"checkpoint": curve.checkpoint, "tokens": ("checkpoint", curve.tokens)}
        return xr.DataArray(curve.draws, dims=("checkpoint", "draw"), coords=coords, name=measure)

    def encoding(self, model: str, checkpoint: str, layer: int) -> xr.Dataset:
        """Scores of one fit: per voxel, per region, and over blocks; the attributes say what it was made from.

        Raises
        ------
        InputError : there is no such fit
        """
        return read_arrays(self._file("encoding", model, checkpoint, f"{layer}.zarr.zip"))

    def activations(self, model: str, checkpoint: str) -> xr.Dataset:
        """Activations (layer, word, feature) and surprisal of one checkpoint, where the study has kept them.

        Raises
        ------
        InputError : they are not there
        """
        return read_arrays(self._file("activations", model, f"{checkpoint}.zarr.zip"))

    def maps(self, model: str, checkpoint: str) -> dict[str, dict[str, FileBasedImage]]:
        """The gain of every voxel of one checkpoint, each subject at its headline layer, as images.

        Returns
        -------
        dict of subject to images: `volume`, a NIfTI image in MNI space, or `left` and `right`, GIFTI data on fsaverage5

        Raises
        ------
        InputError : the study's responses lie on no common space, or it lacks the checkpoint
        """
        from triphase.api.images import images

        path = self.folder / "maps" / f"{self._model(model)}.zarr.zip"
        if not path.is_file():
            raise InputError(f"{path}: no maps; they are made of responses in MNI space or on fsaverage5")
        maps = read_arrays(path)
        _known("checkpoint", checkpoint, maps["checkpoint"].values)
        gain = maps["gain"].sel(checkpoint=checkpoint)
        return images(gain, self.description["dataset"]["space"])

    def plot_triple(self, model: str, ax: Axes | None = None) -> Axes:
        """Draw brain alignment over training with its fitted course, as panel a of the triple figure.

        Parameters
        ----------
        ax : where to draw; a new figure's where not given

        Returns
        -------
        matplotlib Axes
        """
        from triphase.report.figures.panels import shade
        from triphase.report.figures.style import TokenAxis, plt
        from triphase.report.figures.triple import draw_alignment, label_phases

        table = self.table[self.table["model"] == self._model(model)]
        if ax is None:
            ax = plt.subplots(figsize=(8.2, 3.4), layout="constrained")[1]
        axis = TokenAxis(table["tokens"].dropna().unique())
        shade(ax, axis, self.phases[model]["segments"])
        label_phases(ax, axis, self.phases[model])
        draw_alignment(ax, axis, table, self._draws_of(model), self.phases[model])
        axis.apply(ax, label=True)
        return ax

    def export(self, folder: str | Path) -> list[Path]:
        """Write pages, figures, tables (CSV) and maps (NIfTI or GIFTI, in BIDS names) into a new folder, an RO-Crate.

        Returns
        -------
        list of the files' paths

        Raises
        ------
        InputError : the folder is not empty
        """
        from triphase.api.export import export

        return export(self, folder)

    def push(self, repository: str, private: bool = True) -> str:
        """Push the tables to a data set of the Hugging Face hub, `owner/name`, made where there is none.

        Returns
        -------
        address of the commit
        """
        from triphase.api.hub import push

        return push(self, repository, private)

    def _trajectory(self, model, measure, roi, subject, targets, layer):
        table, boot = self.table[self.table["model"] == self._model(model)], self._draws_of(model)
        _known("measure", measure, table["measure"].unique())
        rows = table[table["measure"] == measure]
        for column, wanted in (("subject", subject), ("roi", roi), *(("target", name) for name in targets or ())):
            if wanted is not None:
                _known(column, wanted, rows[column].dropna().unique())
        if layer is not None:
            _known("layer", layer, rows["layer"].dropna().unique())
            table = table[table["layer"] == layer]
        elif measure != ALIGNMENT and len(layers := sorted(rows["layer"].dropna().unique())) > 1:
            raise InputError(f"{measure}: say which `layer`; it has {', '.join(map(str, layers))}")
        chosen = None if targets is None else tuple(targets)
        if roi is None and rows["roi"].notna().any():
            roi = self.phases[model]["headline"]["roi"]
        subjects = [subject] if subject else list(rows["subject"].dropna().unique()) or [None]
        try:
            each = [read_curve(table, boot, Selection(measure, chosen, roi, name)) for name in subjects]
            return average_subjects(each, np.random.default_rng(0)) if len(each) > 1 else each[0]
        except Undetermined as error:
            raise InputError(f"{model}, {measure}: {error}") from None

    def _draws_of(self, model):
        return self._bootstrap.isel(series=self._bootstrap["model"].values == model)

    def _model(self, name):
        _known("model", name, self.models)
        return name

    def _file(self, stage, model, *names):
        self._model(model)
        path = self.folder.joinpath(stage, model, *names)
        if not path.is_file():
            there = sorted(each.name.removesuffix(".zarr.zip") for each in path.parent.glob("*.zarr.zip"))
            raise InputError(f"{path}: not there; there are {', '.join(there) or 'none of this model and checkpoint'}")
        return path


def _known(what: str, name: Any, there: Iterable[Any]) -> None:
    there = list(there)
    if name not in there:
        raise InputError(f"{what} {name!r} is not in this study, which has {', '.join(map(str, there)) or 'none'}")
