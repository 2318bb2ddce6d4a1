"""Pattern and verdict of one model's headline curve under every analysis choice that the study has numbers for."""

import logging
from dataclasses import asdict

from triphase.config.jobs import TabulateSpecifications
from triphase.core.artefacts import read_json, read_table, write_table
from triphase.core.job import Job, start
from triphase.phases.specification import Asked, Series, brief, declaration, shares, tabulate
from triphase.phases.transitions import Settings


def main(job: Job[TabulateSpecifications]) -> None:
    """Judge the curve by every analysis."""
    paths, told, model = job.paths, job.settings, job.wildcards.model
    rows = read_table(paths.trajectories, [model])
    layers = {subject: layer for name, subject, layer in rows.attrs["layers"] if name == model}
    kept = set(rows["checkpoint"])
    encodings = {
        (checkpoint, layer): path
        for (checkpoint, layer), path in zip(told.files, paths.encoding, strict=True)
        if checkpoint in kept
    }
    settings = Settings(**told.judgement, floor_tokens=told.floor_tokens)
    series = Series(model, rows, encodings, layers, read_json(paths.checkpoint)["layers"])
    asked = Asked(told.headline["roi"], told.scalings, **told.specification)
    found, lacking = tabulate(series, asked, settings, told.seed)
    counted = shares(found)
    logging.info("%s: %s", model, counted)
    facts = {"settings": asdict(brief(settings)), "seed": told.seed} | declaration(told.headline, asdict(settings))
    write_table(paths.table, found, **counted, not_computed=lacking, **facts)


if __name__ == "__main__":
    with start(snakemake, TabulateSpecifications) as job:  # noqa: F821
        main(job)
