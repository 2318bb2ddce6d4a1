"""Pattern and verdict of one model's headline curve under every analysis choice that the study has numbers for."""

import logging
from dataclasses import asdict

from triphase.core.artefacts import read_json, read_table, write_table
from triphase.core.job import start
from triphase.phases.specification import declaration, shares, tabulate
from triphase.phases.transitions import Settings


def main(paths, *, model, files, headline, judgement, specification, scalings, seed):
    """`files`: checkpoint and layer of each encoding result; `judgement`: the fields of `transitions.Settings`."""
    rows = read_table(paths.trajectories, [model])
    layers = {subject: layer for name, subject, layer in rows.attrs["layers"] if name == model}
    kept = set(rows["checkpoint"])
    encodings = {
        (checkpoint, layer): path
        for (checkpoint, layer), path in zip(files, paths.encoding, strict=True)
        if checkpoint in kept
    }
    smaller = dict.fromkeys(("calibration", "power"), specification["replicates"])
    bends = min(specification["max_breakpoints"], judgement["max_breakpoints"])
    settings = Settings(**judgement | smaller | {"max_breakpoints": bends})
    depth = read_json(paths.checkpoint)["layers"]
    found, lacking = tabulate(
        rows, encodings, model, layers, headline=headline, scalings=scalings, settings=settings,
        depths=specification["depths"], rois=specification["rois"], depth=depth, seed=seed,
    )  # fmt: skip
    counted = shares(found)
    logging.info("%s: %s", model, counted)
    declared = declaration(headline, judgement)
    write_table(paths.table, found, **counted, not_computed=lacking, settings=asdict(settings), seed=seed, **declared)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
