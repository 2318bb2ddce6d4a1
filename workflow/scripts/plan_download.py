"""What a study would download: files and bytes by subject and role, before anything is fetched."""

from triphase.config.jobs import PlanDownload
from triphase.core.artefacts import write_json
from triphase.core.job import Job, start
from triphase.planning.downloads import as_table, plan_atlas, plan_study, summarise


def main(job: Job[PlanDownload]) -> None:
    """Write the plan and print it as a table."""
    paths, settings = job.paths, job.settings
    planned = [plan_study(settings)]
    if settings.atlas:
        planned.append(plan_atlas(settings.atlas))
    summary = summarise(planned)
    write_json(paths.plan, summary)
    print(as_table(summary), file=job.terminal, flush=True)


if __name__ == "__main__":
    with start(snakemake, PlanDownload) as job:  # noqa: F821
        main(job)
