# Resolves the config and derives the names and lists that the rule files use. Reads config and lock only.
import os
import re
import time
from operator import attrgetter

from snakemake.logging import logger

from triphase.config.readers import READERS
from triphase.planning.needs import Needs
from triphase.planning.records import COUNTING, study_jobs
from triphase.planning.study import Study
from triphase.report.figures.drawings import drawings, files_of
from triphase.report.figures.table import on_surface

try:
    STUDY = Study.load(config, workflow.basedir, SOURCES)
    DRAWINGS = drawings(STUDY.config)
except InputError as error:
    raise WorkflowError(f"config: {error}") from None
config.update(STUDY.config)
if workflow.is_main_process:
    for line in STUDY.remarks():
        logger.warning(line)

OUT = f"results/{config['study']}"
MODELS, SERIES, PAIRS = STUDY.models, STUDY.series, STUDY.pairs
DATASET, SOURCE = config["dataset"], STUDY.source
NEEDS = Needs(MODELS, config["encoding"])
# What a rule's jobs are told: named in its params only where that is more than the config says.
settings = STUDY.settings
# What several rule files name.
WORDS = f"{OUT}/stimuli/words.parquet"
SOUND = [f"{OUT}/stimuli/sound.parquet"] if STUDY.hears_sound else []
RESPONSES = expand(f"{OUT}/responses/{{subject}}.zarr.zip", subject=STUDY.subjects)
CHECKPOINT = f"{OUT}/models/{{model}}/{{checkpoint}}.json"
ENCODING = f"{OUT}/encoding/{{model}}/{{checkpoint}}/{{layer}}.zarr.zip"


def one_of(names):
    """Pattern of a wildcard that is one of some names, in which a dot is a dot."""
    return "|".join(sorted({re.escape(name) for name in names}))


wildcard_constraints:
    model=one_of(MODELS),
    checkpoint=one_of(entry["checkpoint"] for entry in SERIES),
    reference=one_of(entry["checkpoint"] for entry in SERIES),
    subject=one_of(STUDY.subjects),
    layer=r"\d+",


def roles(wildcards):
    """What the wildcards' reference checkpoint is to their checkpoint: first, previous, last."""
    return STUDY.reference_roles(wildcards.model, wildcards.checkpoint)[wildcards.reference]


def floor_tokens(wildcards):
    """Tokens up to which the scores of a model's tasks are its floor."""
    return MODELS[wildcards.model]["floor_tokens"]


def in_turn(wildcards):
    """Priority function: all jobs of a checkpoint before those of the next, so that its weights are needed in one go."""
    return STUDY.turns[wildcards.model, wildcards.checkpoint]


def figure_named(attribute):
    """Function of a rule's wildcards: an attribute of its figure."""
    return lambda wildcards: attrgetter(attribute)(DRAWINGS[wildcards.figure])


def figure_file(suffix):
    """A figure's file that the report shows."""
    category, labels = figure_named("figure.category"), figure_named("labels")
    return report(f"{OUT}/figures/{{figure}}.{suffix}", "../report/figure.rst", category, labels=labels)
