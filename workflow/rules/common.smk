# Validates the config, derives the names and lists that the rule files use. Reads config only.
import os
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

sys.path.insert(0, str(Path(workflow.basedir) / "workflow" / "scripts"))
from triphase.config.rules import absent_concepts
from triphase.config.resolve import in_order, resolve_config, tokens_seen
from triphase.sources.manifest import existing_files, paths_of, wanted_files
from triphase.core.digest import script_digest
from triphase.encoding.memory import fit_megabytes
from triphase.core.errors import InputError
from triphase.config.lockfile import apply_lock, missing_lines, read_lock
from triphase.planning.records import count_jobs
from triphase.config.selection import shared_lines
from triphase.checkpoints.snapshots import weight_bytes

config["local_data"] = config.get("local_data") or os.environ.get("TRIPHASE_TEST_DATA") or None
try:
    config.update(in_order(resolve_config(dict(config), workflow.basedir)))
    MODELS = {m["name"]: m for m in apply_lock(config["models"], read_lock(config["lock"]), config["integrity"])}
except InputError as error:
    raise WorkflowError(f"config: {error}") from None

OUT = f"results/{config['study']}"
# Jobs are of those checkpoints that are there; the integrity table also has those that the lock says to be missing.
CHECKPOINTS = {
    name: {entry["name"]: entry for entry in model["checkpoints"] if "missing" not in entry}
    for name, model in MODELS.items()
}
if workflow.is_main_process:
    for line in missing_lines(MODELS.values()) + shared_lines(MODELS.values()) + absent_concepts(config):
        logger.warning(line)
# In the order of the config.
SERIES = [
    {
        "model": model,
        "checkpoint": checkpoint,
        "step": entry["step"],
        "tokens": tokens_seen(MODELS[model], entry),
        "layers": MODELS[model]["layers"],
    }
    for model, entries in CHECKPOINTS.items()
    for checkpoint, entry in entries.items()
]
TURN = {(entry["model"], entry["checkpoint"]): len(SERIES) - place for place, entry in enumerate(SERIES)}
SOURCE = config["dataset"]["source"]
SUBJECTS = {subject["name"]: subject for subject in config["dataset"]["subjects"]}
# Only targets in a common space can be drawn on the template's brain, and vertices on its surface alone.
ON_TEMPLATE = SOURCE["space"] == "mni"
ON_SURFACE = SOURCE["space"] in ("mni", "fsaverage5")
# Only where blocks of a single run are held out do training scans have a distance to them.
GAPPED = config["encoding"]["split"]["kind"] == "outer_cv" and len(config["dataset"]["runs"]) == 1


wildcard_constraints:
    model="|".join(MODELS),
    checkpoint="|".join({name for entries in CHECKPOINTS.values() for name in entries}),
    reference="|".join({name for entries in CHECKPOINTS.values() for name in entries}),
    subject="|".join(SUBJECTS),
    layer=r"\d+",


def digest(script):
    """Digest of the library code that a rule's script uses: a param, so that editing the library reruns its users."""
    return script_digest(Path(workflow.basedir) / "workflow" / "scripts" / script)


def model_entry(key):
    """Param function: a key of the wildcard's model."""
    return lambda wildcards: MODELS[wildcards.model].get(key)


def in_turn(wildcards):
    """Priority function: all jobs of a checkpoint before those of the next, so that its weights are needed in one go."""
    return TURN[wildcards.model, wildcards.checkpoint]


def bytes_of(wildcards, input):
    """Bytes of a checkpoint's weights by its manifest, which is there when the job starts; before, the registry's."""
    try:
        return weight_bytes(input.checkpoint)
    except FileNotFoundError:
        return MODELS[wildcards.model].get("bytes") or 0


def by_attempt(amount):
    """Resource function: an amount, or a function of wildcards and input, as often as this is the attempt at the job."""
    return lambda wildcards, input, attempt: attempt * (amount(wildcards, input) if callable(amount) else amount)


def with_weights(base):
    """Resource function: MB of a job that holds a model in float32, whose repository may take half as many bytes."""
    return by_attempt(lambda wildcards, input: base + int(2.2e-6 * bytes_of(wildcards, input)))


def with_download(minutes):
    """Resource function: minutes of a job that may have to fetch a checkpoint first, at 10 MB/s."""
    return by_attempt(lambda wildcards, input: minutes + int(bytes_of(wildcards, input) / 600e6))


def fit_memory(wildcards, input, attempt):
    """Resource function: MB of a fit by the size of its design; where that did not suffice, as much again."""
    n_alphas, n_draws = config["encoding"]["alphas"][2], config["encoding"]["boot_draws"]
    return attempt * fit_megabytes(input.shared, input.activations, n_alphas=n_alphas, n_draws=n_draws)


def checkpoint_entry(key):
    """Param function: a key of the wildcard's checkpoint."""
    return lambda wildcards: CHECKPOINTS[wildcards.model][wildcards.checkpoint].get(key)


def study_jobs(*more):
    """Param function: jobs of this study by rule, from a dry run of its own with the same config."""
    files = [str(path) for path in workflow.overwrite_configfiles]
    given = workflow.config_settings.config_args
    arguments = ["--snakefile", workflow.main_snakefile, *more]
    arguments += ["--configfile", *files] if files else []
    arguments += ["--config", *given] if given else []
    return lambda wildcards: count_jobs(*arguments)


def of_series(pattern):
    """A path for every checkpoint of the study."""
    return [pattern.format(**entry) for entry in SERIES]


def local_data_of(*roots):
    """The user's own folder for files that lie there; null for others, which must not rerun when it changes."""
    return config["local_data"] if "local_data" in roots else None


def own_files(sets):
    """Files of the user's own folder as inputs, so that replacing one reruns what read it; `sets` as for fetch_files."""
    return [
        path
        for root, files in sets
        if root == "local_data"
        for path in existing_files(paths_of(files), config["local_data"])
    ]


def unseen_text():
    """The text that surprisal of the stimulus is compared with, as an input: a list of its path, or of none."""
    text = (config["states"]["mechanism"] or {}).get("unseen")
    if not text:
        return []
    return existing_files([text["path"]], config["local_data"]) if text.get("root") else [text["path"]]


def folder_files(folder):
    """Files of a checkpoint's own folder as inputs, so that replacing one reruns what read it."""
    return sorted(str(path) for path in Path(folder).iterdir() if path.is_file()) if folder else []


def text_corpus(model):
    """Path below `local_data` of the text that a model is trained on here; null for other models."""
    corpus = (MODELS[model].get("train") or {}).get("corpus") or {}
    return corpus["path"] if corpus.get("kind") == "text" else None


def trained_here(model):
    """Whether the demo stage trains a model; its weights then come from the study's own repository alone."""
    return bool(MODELS[model].get("train"))


def reference_roles(model, checkpoint):
    """Reference checkpoints of one checkpoint, each with what it is to it: first, previous, last in the config's order."""
    names = list(CHECKPOINTS[model])
    at = names.index(checkpoint)
    chosen = {"first": 0, "previous": at - 1, "last": len(names) - 1}
    roles = {}
    for role in config["states"]["cka"]["references"]:
        if chosen[role] >= 0 and chosen[role] != at:
            roles.setdefault(names[chosen[role]], []).append(role)
    return roles


# Comparisons of checkpoints see two of a series, so they join at the trajectories and not in a checkpoint's own file.
PAIRS = [
    {"model": entry["model"], "checkpoint": entry["checkpoint"], "reference": reference}
    for entry in SERIES
    for reference in reference_roles(entry["model"], entry["checkpoint"])
]
