"""What a fit of a layer holds in memory. Snakemake imports this at every start, so nothing heavy is imported here."""

import json
from pathlib import Path

from triphase.core.seals import DamagedError, open_zip, read_member

# Delayed columns per training row below which the covariance is decomposed, and the kernel above.
PRIMAL = 0.5
# Bytes that the arrays of one batch of voxels may take, and bounds to their number.
BATCH_BYTES, BATCH_VOXELS = 2**29, (256, 16384)
# Bytes of the libraries, and of what nobody has counted.
LIBRARIES = 600e6
# Weightings of narrow bands, at a time.
WEIGHTINGS = 5
# MB that a job asks for before its inputs are there.
UNKNOWN = 4000


def batch_size(n_scans: int, n_draws: int) -> int:
    """Voxels whose predictions and draws fit in memory together."""
    lowest, highest = BATCH_VOXELS
    return min(max(BATCH_BYTES // _bytes_of_voxel(n_scans, n_draws), lowest), highest)


def _bytes_of_voxel(n_scans, n_draws):
    """Responses, predictions of up to three bands and their sums; draws, a copy of them, and their null."""
    return 4 * (6 * n_scans + 4 * n_draws)


def fit_megabytes(
    shared: str | Path, activations: str | Path, *, n_alphas: int, n_draws: int, n_static: int = 0
) -> int:
    """Memory that `fit_encoding` asks for, from the sizes in its inputs: MB.

    Parameters
    ----------
    shared, activations : paths of `encoding/shared.zarr.zip` and of a checkpoint's activations
        4 GB where one of them is not there yet, as in a dry run.
    n_alphas, n_draws : int, penalties and draws of the bootstrap
    n_static : int, components of the static band of a checkpoint's own embedding
    """
    try:
        with open_zip(shared) as archive:
            attributes = json.loads(read_member(archive, "zarr.json"))["attributes"]
            (n_scans, n_targets), (_, n_blocks, _) = (_shape(archive, of) for of in ("responses", "response_blocks"))
            n_splits, n_folds, _ = _shape(archive, "inner")
            n_narrow = sum(_shape(archive, f"band_{name}")[-1] for name in attributes["bands"])
        n_train, delays = attributes["train_scans"], (attributes["delays_scans"], *attributes["alternatives"].values())
        n_delays = 1 if attributes["delays_averaged"] else max(map(len, delays))
        with open_zip(activations) as archive:
            _, n_words, n_features = _shape(archive, "activations")
        n_narrow += n_delays * min(n_static, n_features)
    # Or those of an earlier version, which are made again first; what is damaged the job itself names.
    except (FileNotFoundError, KeyError, DamagedError):
        return UNKNOWN
    n_columns = n_features * n_delays
    floats = spectra_floats(n_scans, n_train, n_splits, n_folds, n_columns, n_narrow, n_alphas)
    # The layer's vectors, on the scanner's clock, and scaled.
    floats += n_features * (n_words + 4 * n_scans)
    batch = min(n_targets, batch_size(n_scans, n_draws)) * _bytes_of_voxel(n_scans, n_draws)
    # Some twenty scores of a voxel and three sums of each block in float64, once more in float32, and two of responses.
    return round((LIBRARIES + 4 * floats + 2 * batch + 12 * n_targets * (20 + 4 * n_blocks)) / 1e6)


def spectra_floats(
    n_scans: float, n_train: float, n_splits: int, n_folds: int, n_columns: int, n_narrow: int, n_alphas: int
) -> float:
    """Numbers in the eigendecompositions of a layer and in what comes and goes around them.

    Parameters
    ----------
    n_scans, n_train : int
        In all, and of those the most that train in one split.
    n_splits, n_folds : int, outer and inner
    n_columns, n_narrow : int
        Delayed columns of the layer, and of the bands beside it.
    n_alphas : int
    """
    fold = n_train / n_folds
    if n_columns <= PRIMAL * (n_train - fold):
        rank: float = n_columns
        # The columns, twice in float64 while they are centred; their covariance and its decomposition.
        making = 5 * n_scans * rank + 12 * rank**2
    else:
        rank = n_train
        # The kernel and its training rows; the centred training kernel, what it is made of, and LAPACK's own arrays.
        making = n_scans**2 + n_train * n_scans + 6 * n_train**2
    # Eigenvectors and cross kernels of each split, and of each of its folds.
    kept = n_splits * rank * (n_scans + n_folds * n_train)
    # And of each penalty and weighting a matrix of the narrow columns, with its square, in float64 and as computed.
    searching = n_alphas * (rank * (fold + n_narrow) + 3 * n_train * n_narrow + 6 * WEIGHTINGS * n_narrow**2)
    return kept + max(making, searching)


def _shape(archive, name):
    """Shape of an array of a `.zarr.zip`."""
    return json.loads(read_member(archive, f"{name}/zarr.json"))["shape"]
