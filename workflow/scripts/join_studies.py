"""Finished studies joined into one answer: agreement, summaries over data sets, language, the verdict over all."""

import logging

from triphase.config.jobs import JoinStudies
from triphase.core.artefacts import write_json
from triphase.core.job import Job, start
from triphase.core.provenance import library_versions
from triphase.synthesis.files import FILES
from triphase.synthesis.join import join
from triphase.synthesis.studies import read_studies


def main(job: Job[JoinStudies]) -> None:
    """Read the studies, refuse what does not belong together, and write what they say together."""
    paths, told = job.paths, job.settings
    studies = read_studies({name: getattr(paths, name) for name in FILES})
    joined = join(studies, told.bound, told.language, told.seed)
    provenance = {"seed": told.seed, "versions": library_versions("numpy", "scipy", "pandas")}
    provenance["studies"] = {
        study.name: study.phases and next(iter(study.phases.values()))["provenance"] for study in studies
    }
    write_json(paths.joined, {"synthesis": told.synthesis} | joined | {"provenance": provenance})
    logging.info("%s", joined["verdicts"]["all"]["reason"])


if __name__ == "__main__":
    with start(snakemake, JoinStudies) as job:  # noqa: F821
        main(job)
