"""Phase transitions, their intervals and a verdict per model, from the tidy table and the paired draws."""

import logging
from dataclasses import asdict

from triphase.artefacts import open_arrays, read_arrays, read_table, write_json
from triphase.job import start
from triphase.phases.model import model_phases
from triphase.phases.specification import declaration
from triphase.phases.transitions import Settings
from triphase.provenance import library_versions


def main(paths, *, models, headline, judgement, rois, seed):
    """Write phases.json: one entry per model. `judgement`: the fields of `transitions.Settings`."""
    table, boot = read_table(paths.trajectories), read_arrays(paths.bootstrap)
    settings, phases, declared = Settings(**judgement), {}, declaration(headline, judgement)["sha256"]
    versions = library_versions("numpy", "scipy", "pandas")
    for model, fingerprint in zip(models, paths.fingerprints, strict=True):
        mine = boot.isel(series=boot["model"].values == model)
        rows = table[(table["model"] == model) | table["model"].isna()]
        phases[model] = model_phases(rows, mine, model, headline, settings, seed, rois)
        with open_arrays(fingerprint) as tensors:
            phases[model]["parameters"] = int(tensors["count"].sum())
        left_out = [entry[1:] for entry in table.attrs["excluded"] if entry[0] == model]
        phases[model]["excluded"] = [dict(zip(("checkpoint", "rules", "detail"), e, strict=True)) for e in left_out]
        provenance = {"seed": seed, "settings": asdict(settings), "versions": versions, "declared_sha256": declared}
        phases[model]["provenance"] = provenance
        logging.info("%s: %s", model, phases[model]["reason"])
    write_json(paths.phases, phases)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
