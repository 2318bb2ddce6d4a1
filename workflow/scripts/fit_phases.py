"""Phase transitions, their intervals and a verdict per model, from the tidy table and the paired draws."""

import logging
from dataclasses import asdict

from triphase.artefacts import read_arrays, read_table, write_json
from triphase.job import start
from triphase.phases.model import model_phases
from triphase.phases.transitions import Settings
from triphase.provenance import library_versions


def main(paths, *, models, headline, judgement, seed):
    """Write phases.json: one entry per model. `judgement`: the fields of `transitions.Settings`."""
    table, boot = read_table(paths.trajectories), read_arrays(paths.bootstrap)
    settings, phases = Settings(**judgement), {}
    versions = library_versions("numpy", "scipy", "pandas")
    for model in models:
        mine = boot.isel(series=boot["model"].values == model)
        phases[model] = model_phases(table[table["model"] == model], mine, model, headline, settings, seed)
        left_out = [entry[1:] for entry in table.attrs["excluded"] if entry[0] == model]
        phases[model]["excluded"] = [dict(zip(("checkpoint", "rules", "detail"), e, strict=True)) for e in left_out]
        phases[model]["provenance"] = {"seed": seed, "settings": asdict(settings), "versions": versions}
        logging.info("%s: %s", model, phases[model]["reason"])
    write_json(paths.phases, phases)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, **job.params)
