"""Curves of one model under any layer rule: values from the tidy table, draws from the encoding results.

The study's paired draws (`bootstrap.zarr.zip`) are of the headline layer alone. Those of every layer lie with their
fits, where all layers, checkpoints and models were resampled alike, so that a curve may take each checkpoint and
subject from a layer of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from triphase.core.artefacts import read_variables
from triphase.encoding.analyses import OF_FITS, Analysis, fitted_analyses
from triphase.phases.curves import Trajectory
from triphase.table.selection import Selection

HEADLINE, PER_CHECKPOINT = "headline", "per checkpoint"
# Layer of every checkpoint and subject.
Choice = Mapping[tuple[str, str], int]
# Checkpoint, layer, subject, region and score of one value.
Place = tuple[str, int, str, str, tuple[str, Analysis]]


@dataclass(frozen=True)
class Source:
    """What a curve is made of: a score of single layers, less its own value at step 0 where `over_step0`."""

    measure: str
    analysis: Analysis
    over_step0: bool = False

    @property
    def score(self) -> tuple[str, Analysis]:
        """Which score it is, whatever is subtracted."""
        return self.measure, self.analysis


@dataclass(frozen=True)
class Rule:
    """Which layer a curve takes: `choice`, (checkpoint, subject) to layer; `layer`, where it is always the same one."""

    choice: Choice
    layer: int | None = None


def layer_rules(table: pd.DataFrame, layers: Mapping[str, int], roi: str) -> dict[str, Rule]:
    """The rules by which a layer can be chosen.

    Parameters
    ----------
    table : DataFrame
        Tidy rows of one model.
    layers : dict of subject to layer
        The headline's.
    roi : str
        Region whose training score `cv_score` decides.

    Returns
    -------
    dict of name ("headline", "per checkpoint", "layer 3", …) to Rule
    """
    scores = table[(table["measure"] == "cv_score") & (table["roi"] == roi) & table["subject"].isin(list(layers))]
    scores = scores.dropna(subset="value")
    best = scores.loc[scores.groupby(["checkpoint", "subject"])["value"].idxmax()]
    places = list(dict.fromkeys(zip(scores["checkpoint"], scores["subject"], strict=True)))
    rules = {
        HEADLINE: Rule({place: layers[place[1]] for place in places}),
        PER_CHECKPOINT: Rule({(row.checkpoint, row.subject): int(row.layer) for row in best.itertuples()}),
    }
    single = sorted(int(layer) for layer in scores["layer"].unique())
    return rules | {f"layer {layer}": Rule(dict.fromkeys(places, layer), layer) for layer in single}


class LayerCurves:
    """Values and draws of single layers of one model, read once.

    Parameters
    ----------
    table : DataFrame
        Tidy rows of one model.
    files : dict of (checkpoint, layer) to path of an encoding result
    wanted : list of (choice, source, roi)
        Curves that will be asked for; only their draws are kept. `choice` is that of a Rule.
    n_draws : int
        At most so many draws.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        files: Mapping[tuple[str, int], str],
        wanted: Sequence[tuple[Choice, Source, str]],
        n_draws: int,
    ) -> None:
        rows = table[table["layer"].notna() & table["roi"].notna()]
        steps = rows.groupby("checkpoint")[["step", "tokens"]].first().sort_values("step")
        self.names = list(steps.index)
        self.steps, self.tokens = steps.to_numpy(float).T
        self.start = self.names[0] if len(self.steps) and self.steps[0] == 0 else None
        needed = {place for choice, source, roi in wanted for place in self.places(choice, source, roi)}
        rows = rows[rows["roi"].isin({roi for *_, roi in wanted})]
        self.values: dict[Place, float] = {}
        for measure, analysis in {source.score for _, source, _ in wanted}:
            own = Selection(measure, analysis=analysis).rows(rows)
            keys = zip(*(own[key].tolist() for key in ("checkpoint", "layer", "subject", "roi")), strict=True)
            places = ((*key, (measure, analysis)) for key in keys)
            self.values |= dict(zip(places, own["value"].tolist(), strict=True))
        self.draws: dict[Place, np.ndarray] = {}
        self.freedom = np.inf
        of_files: dict[tuple[str, int], list[Place]] = {}
        for place in needed:
            of_files.setdefault(place[:2], []).append(place)
        for key in set(of_files) & set(files):
            draws, freedom = read_draws(files[key], of_files[key], n_draws)
            self.draws |= draws
            self.freedom = min(self.freedom, freedom)

    def places(self, choice: Choice, source: Source, roi: str) -> Iterator[Place]:
        """Keys (checkpoint, layer, subject, roi, score) of everything that one curve is made of."""
        for (checkpoint, subject), layer in choice.items():
            yield checkpoint, layer, subject, roi, source.score
            if source.over_step0 and self.start is not None:
                yield self.start, layer, subject, roi, source.score

    def curve(self, choice: Choice, source: Source, roi: str, subject: str) -> Trajectory | None:
        """One subject's curve (see triphase.phases.curves), or None where it has no value at all."""
        found = []
        for i, name in enumerate(self.names):
            layer = choice.get((name, subject))
            value, draws = self.at(name, layer, subject, roi, source.score)
            if source.over_step0:
                first, drawn = self.at(self.start, layer, subject, roi, source.score)
                value, draws = value - first, None if draws is None or drawn is None else draws - drawn
            if np.isfinite(value):
                found.append((i, value, draws))
        if not found:
            return None
        kept, values, draws = zip(*found, strict=True)
        return Trajectory(
            checkpoint=[self.names[i] for i in kept],
            step=self.steps[list(kept)],
            tokens=self.tokens[list(kept)],
            values=np.array(values),
            errors=np.full(len(kept), np.nan),
            draws=None if any(row is None for row in draws) else np.array(draws, float),
            freedom=self.freedom,
        )

    def at(self, *place: Any) -> tuple[float, np.ndarray | None]:
        """Value (NaN where there is none) and draws (or None) of one checkpoint, layer, subject, region and score."""
        return self.values.get(place, np.nan), self.draws.get(place)


def read_draws(path: str, places: list[Place], n_draws: int) -> tuple[dict[Place, np.ndarray], float]:
    """Draws of one encoding result, and their degrees of freedom.

    Returns
    -------
    dict of place to float32 array (draw,), without places that have none; float
    """
    freedom, r, gain, listeners, regions, *choices = read_variables(
        path, "freedom", "boot_r", "boot_gain", "listener", "region", *OF_FITS
    )
    subjects, rois = ({str(name): i for i, name in enumerate(axis)} for axis in (listeners, regions))
    analyses = fitted_analyses(*choices)
    boots = {("r", Analysis(analyses[0].scaling, analyses[0].delays)): r}
    boots |= {("gain", analysis): gain[:, :, i] for i, analysis in enumerate(analyses)}
    found = {}
    for place in places:
        *_, subject, roi, score = place
        if score in boots and subject in subjects and roi in rois:
            row = boots[score][subjects[subject], rois[roi], :n_draws]
            if np.isfinite(row).all():
                found[place] = row.copy()
    return found, float(freedom)
