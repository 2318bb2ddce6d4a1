"""Internal states of one checkpoint as rows of the tidy table; results/README.md lists the measures."""

import logging

import numpy as np
import pandas as pd

from triphase.core.errors import InputError
from triphase.states.dimension import gride, neighbour_distances, plateau, scales, two_nn
from triphase.states.geometry import (
    anisotropy,
    effective_rank,
    participation_ratio,
    spectral_decay,
    spectral_entropy,
    spectrum,
)
from triphase.states.labels import sentence_groups
from triphase.states.probes import clustered_error, probe_scores
from triphase.states.similarity import cka, cloud

COLUMNS = ["layer", "measure", "value", "se", "n"]


def tidy_rows(rows):
    """Rows (layer or None, measure, value, se, n) as a table."""
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return frame.astype({"layer": "Int64", "measure": str, "value": float, "se": float, "n": "Int64"})


def drawn_words(number, n, seed):
    """Words that a measure is taken from: drawn by the seed and their number alone, so the same at every checkpoint.

    Returns
    -------
    int array (min(n, number),), ascending
    """
    return np.sort(np.random.default_rng(seed).permutation(number)[:n])


def surprisal_row(bits, words):
    """Mean surprisal in bits per word, its standard error clustered by sentence; words without one are left out."""
    known = np.isfinite(bits)
    values = bits[known].astype(float)
    error = clustered_error((values - values.mean()) / values.size, sentence_groups(words)[known])
    return (None, "surprisal", values.mean(), error, values.size)


def dimension_rows(layer, points):
    """Intrinsic dimension of one layer by TwoNN, by GRIDE at every scale, and by GRIDE at the plateau of its scales.

    Parameters
    ----------
    points : array (n, features)
        As many at every checkpoint, since both estimates depend on n.
    """
    distances = neighbour_distances(points)
    n = len(distances)
    if n < len(points):
        logging.info("layer %s: %d of %d vectors are distinct; repeats left out", layer, n, len(points))
    curve = [(n1, *gride(distances, n1)) for n1 in scales(n).tolist()]
    n1, dimension, error = curve[plateau([value for _, value, _ in curve])]
    return [
        (layer, "intrinsic_dimension", *two_nn(distances), n),
        (layer, "intrinsic_dimension_gride", dimension, error, n),
        (layer, "gride_scale", n1 if np.isfinite(dimension) else np.nan, np.nan, n),
        *[(layer, f"gride/{scale}", value, se, n) for scale, value, se in curve],
    ]


def geometry_rows(layer, points):
    """How the variance of one layer is spread over directions."""
    values, n = spectrum(points), len(points)
    shapes = {
        "participation_ratio": participation_ratio, "effective_rank": effective_rank,
        "spectral_entropy": spectral_entropy, "spectral_decay": spectral_decay,
    }  # fmt: skip
    rows = [(layer, name, shape(values), np.nan, n) for name, shape in shapes.items()]
    return [*rows, (layer, "anisotropy", *anisotropy(points), n)]


def layer_similarity_rows(clouds):
    """Debiased CKA of every layer with each one below it, as cka_layer/<the one below>.

    Parameters
    ----------
    clouds : dict of layer to `triphase.states.similarity.Cloud`, of the same words
    """
    rows = []
    for layer, own in clouds.items():
        below = [other for other in clouds if other < layer]
        rows += [(layer, f"cka_layer/{other}", *cka(own, clouds[other]), len(own.gram)) for other in below]
    return rows


def probe_rows(layer, points, plan, classifier):
    """Every probe of one layer; see `triphase.states.probes.probe_scores`."""
    scores = probe_scores(points, plan, classifier)
    return [(layer, _probe_measure(concept, kind), *rest) for concept, kind, *rest in scores]


def _probe_measure(concept, kind):
    names = {"sentences": "probe", "selectivity": "selectivity", "types": "probe_types"}
    return f"{names[kind]}/{concept}" if kind in names else f"probe_learning/{concept}/{kind:g}"


def identity_rows(plan, classifier):
    """The same probes on static word identity, one column per word type: what a concept owes to words alone."""
    identity = np.eye(plan.types.max() + 1, dtype=np.float32)[plan.types]
    names = {"sentences": "probe_identity", "selectivity": "selectivity_identity"}
    scores = probe_scores(identity, plan, classifier, schemes={"sentences"})
    return [(None, f"{names[kind]}/{concept}", *rest) for concept, kind, *rest in scores]


def probe_metadata(plan):
    """Per concept what is probed and what is left out, for the table's metadata."""
    return {
        concept.name: {"classes": concept.classes, "skipped": concept.skipped, "reason": concept.reason}
        for concept in plan.concepts
    }


def check_same_words(ours, theirs):
    """Raise InputError unless two activation files hold the same words (by the hashes of their stimuli)."""
    if ours.attrs["stimulus_hashes"] != theirs.attrs["stimulus_hashes"]:
        raise InputError(
            f"states.cka: {ours.attrs['revision']!r} and {theirs.attrs['revision']!r} were run on different stimuli: "
            f"{ours.attrs['stimulus_hashes']} and {theirs.attrs['stimulus_hashes']}; remake the older activations"
        )


def similarity_rows(layer, points, reference, roles):
    """Debiased CKA of one layer with the same layer of a reference checkpoint, as cka_<role> for each role it plays."""
    value, error = cka(cloud(points), cloud(reference))
    return [(layer, f"cka_{role}", value, error, len(points)) for role in roles]
