"""Phase transitions of one model, their intervals and the verdict, from the tidy table and the paired draws."""

import logging
from dataclasses import asdict

from triphase.core.artefacts import open_arrays, read_arrays, read_table, write_json
from triphase.core.job import start
from triphase.core.provenance import library_versions
from triphase.phases.model import model_phases
from triphase.phases.specification import declaration
from triphase.phases.transitions import Settings


def main(paths, *, model, headline, judgement, rois, seed):
    """Write the model's entry of phases.json. `judgement`: the fields of `transitions.Settings`."""
    table, boot = read_table(paths.trajectories, [model, None]), read_arrays(paths.bootstrap)
    settings, declared = Settings(**judgement), declaration(headline, judgement)["sha256"]
    mine = boot.isel(series=boot["model"].values == model)
    phases = model_phases(table, mine, model, headline, settings, seed, rois)
    with open_arrays(paths.fingerprint) as tensors:
        phases["parameters"] = int(tensors["count"].sum())
    left_out = [entry[1:] for entry in table.attrs["excluded"] if entry[0] == model]
    phases["excluded"] = [dict(zip(("checkpoint", "rules", "detail"), e, strict=True)) for e in left_out]
    versions = library_versions("numpy", "scipy", "pandas")
    provenance = {"seed": seed, "settings": asdict(settings), "versions": versions, "declared_sha256": declared}
    write_json(paths.phases, phases | {"provenance": provenance})
    logging.info("%s: %s", model, phases["reason"])


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
