"""What the numbers of a study are of: read by a synthesis, which joins only studies that mean the same."""

from triphase.config.jobs import WriteDefinition
from triphase.core.artefacts import write_json
from triphase.core.job import Job, start
from triphase.core.provenance import VERSION


def main(job: Job[WriteDefinition]) -> None:
    """Write the keys of the config by which alignment is made, with what a synthesis has to know of the models."""
    told = job.settings
    encoding = {key: value for key, value in told.encoding.items() if key not in ("scalings", "components")}
    # The first scaling is the headline's; only one of them reduces columns.
    scaling = told.encoding["scalings"][0]
    encoding |= {"scalings": scaling} | ({"components": told.encoding["components"]} if scaling == "pca" else {})
    definition = {f"encoding/{key}": value for key, value in encoding.items()}
    definition |= {f"activations/{key}": value for key, value in told.activations.items()}
    definition |= {"phases/headline/measure": told.headline["measure"], "phases/headline/roi": told.headline["roi"]}
    definition |= {"phases/smallest_fall": told.smallest_fall, "version": VERSION}
    about = {"study": told.study, "dataset": told.dataset["name"], "language": told.language, "models": told.models}
    write_json(job.paths.definition, about | {"definition": definition})


if __name__ == "__main__":
    with start(snakemake, WriteDefinition) as job:  # noqa: F821
        main(job)
