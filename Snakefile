"""triphase: do language models go through three phases while they train?

A workflow over model x checkpoint x layer that measures similarity to the brain, internal states and task performance,
and ends in phase plots and a verdict with uncertainty. `snakemake --cores 8` runs the study of config/config.yaml;
`--configfile config/studies/<study>.yaml` another one, which stands on the defaults of the schema alone.
A config that names a synthesis joins finished studies instead: `snakemake synthesis --configfile config/syntheses/triple.yaml`.
"""

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.20")


# With --configfile a study stands on the defaults alone: what is named here would lie beneath it.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


sys.path.insert(0, str(Path(workflow.basedir) / "workflow" / "scripts"))
from triphase.config.merging import as_values
from triphase.config.places import Sources
from triphase.core.errors import InputError
from triphase.planning.naming import complete_rules

SOURCES = Sources(
    files=workflow.overwrite_configfiles or ["config/config.yaml"],
    arguments=as_values(workflow.config_settings.config),
)


if "synthesis" in config:

    include: "workflow/rules/synthesis.smk"

    rule synthesis:
        default_target: True
        input:
            f"{OUT}/index.html",
            f"{OUT}/summary.md",
            f"{OUT}/figures/synthesis.svg",

else:

    include: "workflow/rules/common.smk"
    include: "workflow/rules/demo.smk"
    include: "workflow/rules/retrieve.smk"
    include: "workflow/rules/stimuli.smk"
    include: "workflow/rules/responses.smk"
    include: "workflow/rules/data.smk"
    include: "workflow/rules/activations.smk"
    include: "workflow/rules/encoding.smk"
    include: "workflow/rules/states.smk"
    include: "workflow/rules/tasks.smk"
    include: "workflow/rules/integrity.smk"
    include: "workflow/rules/trajectories.smk"
    include: "workflow/rules/phases.smk"
    include: "workflow/rules/figures.smk"
    include: "workflow/rules/summary.smk"
    include: "workflow/rules/plan.smk"

    onsuccess:
        from triphase.report.closing import closing_lines

        if lines := closing_lines(OUT):
            logger.info(lines, extra={"shown": True})

    rule all:
        default_target: True
        input:
            STUDY.paths(f"{OUT}/checkpoints/{{model}}/{{checkpoint}}.parquet"),
            f"{OUT}/trajectories.parquet",
            CHANGES,
            f"{OUT}/definition.json",
            f"{OUT}/phases.json",
            f"{OUT}/across_models.json",
            expand(f"{OUT}/specifications/{{model}}.parquet", model=MODELS),
            [
                f"{OUT}/figures/{name}.{suffix}"
                for name, drawing in DRAWINGS.items()
                for suffix in drawing.figure.suffixes
            ],
            f"{OUT}/data.html",
            f"{OUT}/summary.md",
            f"{OUT}/methods.md",
            f"{OUT}/index.html",

    # What the study will cost, printed before it starts; beside what it took, afterwards: `snakemake plan`.
    rule plan:
        input:
            f"{OUT}/plan.json",

    # Which fall and which lag the study could have found, printed: `snakemake power`.
    rule power:
        input:
            f"{OUT}/power/table.txt",


# What follows from a rule's name: its log, its benchmark, what its jobs are told of the config.
complete_rules(workflow.rules, OUT, settings)
