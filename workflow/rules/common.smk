# Resolves the config and derives the names and lists that the rule files use. Reads config and lock only.
import time
from operator import attrgetter
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

sys.path.insert(0, str(Path(workflow.basedir) / "workflow" / "scripts"))
from triphase.checkpoints.snapshots import weight_bytes
from triphase.config.jobs import settings_values
from triphase.config.merging import as_values
from triphase.config.places import Sources
from triphase.config.readers import READERS
from triphase.core.digest import script_digest
from triphase.core.errors import InputError
from triphase.encoding.memory import fit_megabytes
from triphase.planning.records import count_jobs
from triphase.planning.study import Study
from triphase.report.figures.drawings import drawings
from triphase.report.figures.table import on_surface

SOURCES = Sources(
    files=workflow.overwrite_configfiles or ["config/config.yaml"],
    arguments=as_values(workflow.config_settings.config),
)
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
# What several rule files name.
WORDS = f"{OUT}/stimuli/words.parquet"
SOUND = [f"{OUT}/stimuli/sound.parquet"] if STUDY.hears_sound else []
RESPONSES = expand(f"{OUT}/responses/{{subject}}.zarr.zip", subject=STUDY.subjects)
CHECKPOINT = f"{OUT}/models/{{model}}/{{checkpoint}}.json"
ENCODING = f"{OUT}/encoding/{{model}}/{{checkpoint}}/{{layer}}.zarr.zip"


wildcard_constraints:
    model="|".join(MODELS),
    checkpoint="|".join({entry["checkpoint"] for entry in SERIES}),
    reference="|".join({entry["checkpoint"] for entry in SERIES}),
    subject="|".join(STUDY.subjects),
    layer=r"\d+",


def settings(rule, calls=None, **given):
    """Param function: what a rule's jobs are told (`triphase.config.jobs`), and a digest of the code that they run.

    Values `given` may be functions of the wildcards; `asked`, the time, makes a rule run whenever it is asked for. It is a
    function even where no wildcard counts, since Snakemake would fill in the names of a path's template itself. `calls` is
    a function of the wildcards: the file with the function that the job is told to call.
    """
    script = Path(workflow.basedir) / "workflow/scripts" / f"{rule}.py"
    fixed = settings_values(rule, config, **given)
    changing = {name: value for name, value in given.items() if callable(value)}
    if calls:
        changing["code"] = lambda wildcards: script_digest(script, STUDY.plugins, calls(wildcards))
    else:
        fixed["code"] = script_digest(script, STUDY.plugins)
    return lambda wildcards: fixed | {name: value(wildcards) for name, value in changing.items()}


def roles(wildcards):
    """What the wildcards' reference checkpoint is to their checkpoint: first, previous, last."""
    return STUDY.reference_roles(wildcards.model, wildcards.checkpoint)[wildcards.reference]


def floor_tokens(wildcards):
    """Tokens up to which the scores of a model's tasks are its floor."""
    return MODELS[wildcards.model]["floor_tokens"]


def in_turn(wildcards):
    """Priority function: all jobs of a checkpoint before those of the next, so that its weights are needed in one go."""
    return STUDY.turns[wildcards.model, wildcards.checkpoint]


def bytes_of(wildcards, input):
    """Bytes of a checkpoint's weights by its manifest, which is there when the job starts; before, the registry's."""
    try:
        return weight_bytes(input.checkpoint)
    except FileNotFoundError:
        return MODELS[wildcards.model].get("bytes") or 0


def model_memory(wildcards, input, attempt):
    """Resource function: MB of a job that holds a model in float32, whose repository may take half as many bytes."""
    return attempt * (4000 + int(2.2e-6 * bytes_of(wildcards, input)))


def with_download(minutes):
    """Resource function: minutes of a job that may have to fetch a checkpoint first, at 10 MB/s."""
    return lambda wildcards, input, attempt: attempt * (minutes + int(bytes_of(wildcards, input) / 600e6))


def fit_memory(wildcards, input, attempt):
    """Resource function: MB of a fit by the size of its design; where that did not suffice, as much again."""
    n_alphas, n_draws = config["encoding"]["alphas"][2], config["encoding"]["boot_draws"]
    return attempt * fit_megabytes(input.shared, input.activations, n_alphas=n_alphas, n_draws=n_draws)


def figure_named(attribute):
    """Function of a rule's wildcards: an attribute of its figure."""
    return lambda wildcards: attrgetter(attribute)(DRAWINGS[wildcards.figure])


def study_jobs(*more):
    """Jobs of this study by rule, from a dry run of its own with the same config: a function, as it takes its time."""
    files = [str(path) for path in workflow.overwrite_configfiles]
    given = workflow.config_settings.config_args
    arguments = ["--snakefile", workflow.main_snakefile, *more]
    arguments += ["--configfile", *files] if files else []
    arguments += ["--config", *given] if given else []
    return lambda wildcards: count_jobs(*arguments)
