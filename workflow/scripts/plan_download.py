"""What a study would download: files and bytes by subject and role, before anything is fetched."""

from triphase.core.artefacts import write_json
from triphase.core.job import start
from triphase.planning.downloads import as_table, plan_atlas, plan_study, summarise


def main(paths, terminal, *, atlas, **study):
    """Write the plan and print it as a table; `study` is what `plan_study` takes."""
    planned = [plan_study(**study)]
    if atlas:
        planned.append(plan_atlas(atlas))
    summary = summarise(planned)
    write_json(paths.plan, summary)
    print(as_table(summary), file=terminal, flush=True)


if __name__ == "__main__":
    with start(snakemake) as job:  # noqa: F821
        main(job.paths, job.terminal, **job.params)
