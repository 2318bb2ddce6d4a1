"""Internal states of one checkpoint as rows of the tidy table, but for those in `triphase.states.measures`."""

import numpy as np
import pandas as pd
import xarray as xr

from triphase.core.errors import InputError
from triphase.core.measures import Row, Value
from triphase.core.types import Section
from triphase.states.labels import sentence_groups
from triphase.states.probes import Plan, clustered_error, probe_scores
from triphase.states.similarity import cka, cloud


def drawn_words(number: int, n: int, seed: int) -> np.ndarray:
    """Words that a measure is taken from: drawn by the seed and their number alone, so the same at every checkpoint.

    Returns
    -------
    int array (min(n, number),), ascending
    """
    return np.sort(np.random.default_rng(seed).permutation(number)[:n])


def surprisal_row(bits: np.ndarray, words: pd.DataFrame) -> Row:
    """Mean surprisal in bits per word, its standard error clustered by sentence; words without one are left out."""
    known = np.isfinite(bits)
    values = bits[known].astype(float)
    error = clustered_error((values - values.mean()) / values.size, sentence_groups(words)[known])
    return None, "surprisal", Value(values.mean(), error, values.size)


def identity_rows(plan: Plan, classifier: str) -> list[Row]:
    """The same probes on static word identity, one column per word type: what a concept owes to words alone."""
    identity = np.eye(plan.types.max() + 1, dtype=np.float32)[plan.types]
    names: dict[str | float, str] = {"sentences": "probe_identity", "selectivity": "selectivity_identity"}
    scores = probe_scores(identity, plan, classifier, schemes={"sentences"})
    return [(None, names[kind], Value(value, se, n, target=concept)) for concept, kind, value, se, n in scores]


def probe_metadata(plan: Plan) -> Section:
    """Per concept what is probed and what is left out, for the table's metadata."""
    return {
        concept.name: {"classes": concept.classes, "skipped": concept.skipped, "reason": concept.reason}
        for concept in plan.concepts
    }


def check_same_words(ours: xr.Dataset, theirs: xr.Dataset) -> None:
    """Raise InputError unless two activation files hold the same words (by the hashes of their stimuli)."""
    if ours.attrs["stimulus_hashes"] != theirs.attrs["stimulus_hashes"]:
        raise InputError(
            f"states.cka: {ours.attrs['revision']!r} and {theirs.attrs['revision']!r} were run on different stimuli: "
            f"{ours.attrs['stimulus_hashes']} and {theirs.attrs['stimulus_hashes']}; remake the older activations"
        )


def similarity_rows(layer: int, points: np.ndarray, reference: np.ndarray, roles: list[str]) -> list[Row]:
    """Debiased CKA of one layer with the same layer of a reference checkpoint, for each role that this plays."""
    value, error = cka(cloud(points), cloud(reference))
    return [(layer, "cka", Value(value, error, len(points), reference=role)) for role in roles]
