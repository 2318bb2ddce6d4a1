"""Phase transitions of one model, their intervals and the verdict, from the tidy table and the paired draws."""

import logging
from dataclasses import asdict

from triphase.config.jobs import FitPhases
from triphase.core.artefacts import open_arrays, read_arrays, read_table, write_json
from triphase.core.job import Job, start
from triphase.core.provenance import library_versions
from triphase.phases.competence import competence
from triphase.phases.emergence import emergence
from triphase.phases.model import model_phases
from triphase.phases.specification import declaration
from triphase.phases.transitions import Settings


def main(job: Job[FitPhases]) -> None:
    """Write the model's entry of phases.json."""
    paths, told, model = job.paths, job.settings, job.wildcards.model
    table, boot = read_table(paths.trajectories, [model, None]), read_arrays(paths.bootstrap)
    settings = Settings(**told.judgement, floor_tokens=told.floor_tokens)
    mine = boot.isel(series=boot["model"].values == model)
    phases = model_phases(table, mine, model, told.headline, settings, told.seed, told.rois)
    phases["scope"] += f", for {told.generalise_to}"
    phases["competence"] = competence(table, mine, told.headline["roi"], told.evaluations, settings, told.seed)
    phases["emergence"] = emergence(table, mine, settings, told.seed)
    with open_arrays(paths.fingerprint) as tensors:
        phases["parameters"] = int(tensors["count"].sum())
    left_out = [entry[1:] for entry in table.attrs["excluded"] if entry[0] == model]
    phases["excluded"] = [dict(zip(("checkpoint", "rules", "detail"), e, strict=True)) for e in left_out]
    versions = library_versions("numpy", "scipy", "pandas")
    provenance = {"seed": told.seed, "settings": asdict(settings), "versions": versions}
    provenance |= {"declared_sha256": declaration(told.headline, asdict(settings))["sha256"]}
    write_json(paths.phases, phases | {"provenance": provenance})
    logging.info("%s: %s", model, phases["reason"])


if __name__ == "__main__":
    with start(snakemake, FitPhases) as job:  # noqa: F821
        main(job)
