"""All that does not depend on a model: responses, nuisance features, folds, gap, blocks and the nuisance-only fit."""

import logging

import numpy as np

from triphase.artefacts import read_arrays, read_table, write_arrays
from triphase.encoding.bands import nuisance_band
from triphase.encoding.bootstrap import block_variables, cut_blocks, prediction_sums, stored_length
from triphase.encoding.features import delays_in_scans
from triphase.encoding.folds import autocorrelation, first_below, held_out_segments, make_splits
from triphase.encoding.permutation import block_counts
from triphase.encoding.resampling import block_length, segment_groups
from triphase.encoding.ridge import fit_bands
from triphase.encoding.scoring import correlate
from triphase.encoding.subjects import check_lengths, check_regions, stack_subjects
from triphase.job import start
from triphase.provenance import library_versions

log = logging.getLogger(__name__)
LAGS = 60  # scans over which autocorrelations are followed


def main(paths, *, runs, rois, tr, delays, nuisance, split, alphas, gap_seconds, minimum_block):
    """Write what every `fit_encoding` job of the study reads."""
    words = read_table(paths.words)
    stacked = stack_subjects([read_arrays(path) for path in paths.responses])
    check_regions(stacked["roi"].values, rois)
    labels, times, y = stacked["run"].values, stacked["time_s"].values, stacked["responses"].values
    stimulus_of = {run["name"]: run["stimulus"] for run in runs}
    # Stimuli are known by their content, so that one story under two names still stands on one side of every split.
    stimuli = np.array([words.attrs["hashes"][stimulus_of[run]] for run in labels])
    scans = delays_in_scans(delays, tr)
    check_lengths(labels, scans, tr)

    test_runs = [run["name"] for run in runs if run["test"]]
    trained = ~np.isin(labels, test_runs)
    acf = autocorrelation(y[trained], labels[trained], LAGS)
    gap = max(int(np.ceil(gap_seconds / tr)), max(scans) + first_below(acf, 0.1))
    group_of = {run["name"]: run.get("group") or "" for run in runs}
    numbers = {"outer_folds": split["folds"], "inner_folds": split["inner"]}
    groups = np.array([group_of[run] for run in labels])
    outer, inner = make_splits(labels, stimuli, test_runs, kind=split["kind"], gap=gap, groups=groups, **numbers)
    sound = read_table(*paths.sound) if paths.sound else None
    band = nuisance_band(words, labels, times, tr, nuisance, scans, sound)
    alone, _ = fit_bands([band], y, outer, inner, alphas=np.logspace(*alphas), weights=[[1.0]], names=["nuisance"])

    segments = held_out_segments(outer, labels)
    length = block_length(acf, autocorrelation(band[trained], labels[trained], LAGS), minimum_block)
    stretch_groups = segment_groups(segments, labels, stimuli)
    counts = block_counts(segments, stretch_groups, length)
    blocks = cut_blocks(segments, stored_length(segments, length))
    log.info("gap %d scans, blocks of %d scans, %s blocks per held-out stretch", gap, length, counts)
    folds = max(len(masks) for masks in inner)
    dataset = stacked.assign(
        nuisance=(("time", "column"), band.astype(np.float32)),
        nuisance_alone=(("time", "target"), alone[0]),
        r_nuisance_alone=("target", correlate(alone, y, segments)[0]),
        nuisance_blocks=(("sum", "block", "target"), prediction_sums(alone[0], y, blocks)),
        **block_variables(y, blocks, stretch_groups),
        outer=(("split", "time"), outer),
        inner=(("split", "fold", "time"), np.stack([np.pad(m, ((0, folds - len(m)), (0, 0))) for m in inner])),
    )
    dataset = dataset.assign_coords(stimulus=("time", stimuli), response_sum=["y", "yy"], sum=["x", "xx", "xy"])
    lengths = {"gap": gap, "block_length": length, "boot_length": stored_length(segments, length)}
    attrs = {"block_counts": counts, "delays_scans": scans, "tr": tr}
    sources = {"stimulus_hashes": words.attrs["hashes"], "versions": library_versions("himalaya", "numpy", "scipy")}
    sources |= {key: stacked.attrs[key] for key in ("dataset", "dataset_commit")}
    dataset.attrs = {**lengths, **attrs, **sources}
    write_arrays(paths.shared, dataset)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
