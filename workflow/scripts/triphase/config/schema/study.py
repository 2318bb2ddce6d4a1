"""The whole config of a study, and its sections `phases` and `execution`."""

from typing import Annotated, Literal

from pydantic import Field

from triphase.config.schema.base import (
    MISSING,
    OURS,
    Device,
    InnerShare,
    Name,
    NotNegative,
    Positive,
    Repository,
    Section,
    Seed,
    Share,
    Text,
    Texts,
    Unique,
    bounded,
    key,
    section,
)
from triphase.config.schema.data import Dataset, Responses
from triphase.config.schema.encoding import Activations, Encoding
from triphase.config.schema.models import Model
from triphase.config.schema.states import States, Tasks

Replicates = Annotated[int, bounded(100, 100_000, "memory and time grow with them, and nothing here is read so finely")]
Batch = Annotated[int, bounded(1, 1_000_000, "they lie in memory")]
AtATime = Annotated[int, bounded(1, 1024, "no server takes so many")]
Tries = Annotated[int, bounded(0, 100, "the pauses between them grow")]


class Headline(Section):
    """What the verdict is about, declared before the run.

    Alignment is the r of the joint model minus that of the nuisance model, held out.
    """

    roi: Text = key(
        MISSING,
        "A region of the data set or atlas, `language` (those marked so) or `all`. Also chooses the layer, by training "
        "cross-validation, one per model and subject.",
        example="language",
    )
    tasks: Texts = key([], "Evaluations that count as accuracy.", "there are none", example=["arc_easy"])
    adherence: Texts = key(
        [], "Adherence entries that count as following instructions.", "there are none", example=["qa"]
    )


class Specification(Section):
    """Other choices that the headline's question is asked with, in the specification table.

    What is in it: `docs/concepts/inference.md`.

    Each has 40 simulations in place of `phases/simulations`, since there are hundreds; with r of them the smallest p is
    1 / (r + 1), and twice that where simulation stops early.
    """

    depths: list[Share] = key(
        [0.67],
        "Shares of the model's depth: the fitted layer nearest to each is crossed with every other choice, as the "
        "headline's layer rule and the one that chooses anew at each checkpoint are. All other layers are judged with"
        " the headline's choices alone.",
        "two thirds up is where published alignment is mostly best",
        mark=OURS,
    )
    rois: Texts = key(["all"], "Regions judged there beside the headline's; `language` and `all` too.", "always there")


class Phases(Section):
    """Transitions of the headline curve and the verdict on three phases, by this project's own definitions [ours].

    What a study does not choose is in `triphase.phases.transitions.Settings`: intervals of 99 %, legs of at least a
    tenth of the curve's range, tests at 0.05, a power of 0.8 for "not supported", at most four breakpoints.
    """

    headline: Headline
    smallest_fall: InnerShare = key(
        0.2,
        'The detachment that "not supported" must have had the power to find, as a share of the first rise.',
        "a smaller fall would hardly be called a phase",
        mark=OURS,
    )
    draws: Replicates = key(1000, "Bootstrap draws of intervals.", "bounds of a 99 % interval rest on five draws each")
    simulations: Replicates = key(
        200,
        "Simulated curves: under each rival for the test against it, and of a study with the smallest fall for its "
        "power.",
        "p down to 0.005, and power to some 3 %",
    )
    floor_tokens: NotNegative | None = key(
        None,
        "Up to here a task's scores are its floor: their mean and their spread, step 0 among them (0: step 0 alone, "
        "or the first checkpoint). A rise of accuracy or adherence counts only where it ends above the floor, a fall "
        "where it ends below or starts above; three and more checkpoints after step 0 on the floor share one level.",
        "that of the model's family in the registry of models (of Pythia 5.4e8, step 256), else 0",
        unit="tokens",
        example=5.4e8,
        mark=OURS,
    )
    specification: Specification = section(Specification)


class Execution(Section):
    """Where and how jobs run.

    No result depends on it and nothing runs again for it; results note what they were made with.

    A profile can set it for a machine, under `config: execution:`.
    """

    device: Device = key(
        "auto",
        "Of models and encoding models: auto, cpu, cuda, … auto is accelerate's `device_map` over the GPUs that the "
        "job has, and CUDA for encoding models where there is a GPU. What of a model does not fit the GPUs and the "
        "job's `mem_mb` is offloaded. `mem_mb` is 4 GB and 2.2 times the checkpoint's files (float32 of a bfloat16 "
        "repository), times the attempt; other numbers: `--set-resources extract_activations:mem_mb=20000`. More GPUs"
        " for a job: `--set-resources extract_activations:gpu=2`.",
        "uses what is there",
        example="cpu",
    )
    activation_batch: Literal["auto"] | Batch = key(
        "auto",
        "Windows of a batch. Where memory does not suffice a batch is halved, and the run goes on.",
        "by the device",
        unit="windows",
        example=8,
    )
    task_batch: Batch = key(
        64,
        "Most prompts of a batch; on a CPU its tokens are bounded as well.",
        "enough short prompts to keep a GPU busy",
        unit="prompts",
    )
    solver: Literal["auto", "lowrank", "himalaya"] = key(
        "auto",
        "One eigendecomposition per fold for all band weights (lowrank), or himalaya's random search on the same "
        "grid. The results are equal.",
        "lowrank where the nuisance bands are narrow, else himalaya",
        example="himalaya",
    )
    transfers: AtATime = key(4, "Downloads at a time.", "more are rarely faster, and servers refuse many")
    retries: Tries = key(
        3,
        "Further tries after a failure that may pass (a lost connection, a busy server), with growing pauses.",
        "what fails four times mostly goes on failing",
    )
    keep_raw: bool = key(
        True,
        "False: a subject's files are dropped from the clone once its responses are written, where DataLad can verify "
        "another copy and nobody else needs them.",
        "nothing is deleted unasked",
    )
    disk_gb: Positive | None = key(
        None,
        "Weights that may lie in `resources/models` at once. A job that needs room removes those that nobody uses "
        "now, oldest use first, or waits; weights go when their checkpoint is joined, and come again by themselves if"
        " a later job needs them. Your own cache and folders are never touched.",
        "no bound, and nothing is removed",
        unit="GB",
        example=500,
    )
    fsync: bool = key(
        True,
        "Whether every result is brought to the disk before it gets its name. False: a machine that loses its power "
        "may leave empty or torn files, which the jobs that read them name.",
        "some milliseconds a file, against results that are lost after they were said to be there",
    )


class Study(Section):
    """The config of a study."""

    study: Name = key(MISSING, "Name of the study; its results lie in `results/<study>/`.", example="my-study")
    seed: Seed = key(
        0,
        "Seeds permutations, bootstrap draws, subsamples and label shuffles. Data sets and models made here have "
        "seeds of their own.",
        "any number; one, so that a study can be repeated",
    )
    local_data: Text | None = key(
        None,
        "Folder of your own files, which `{local_data}/…` and `root: local_data` name.",
        "the environment variable TRIPHASE_TEST_DATA",
        example="/data/listening",
    )
    lock: Text | None = key(
        None,
        "The commits of all checkpoints, written by `snakemake lock_checkpoints` and read at every start: part of the"
        " study, to be kept with it. Checkpoints that it lacks are looked up when they are fetched. Locking again "
        "follows branches that have moved, and says which.",
        "`config/locks/<study>.json`, in the working directory or the project",
        example="config/locks/my-study.json",
    )
    trust_remote_code: Annotated[list[Repository], Unique()] = key(
        [],
        "Repositories whose own Python code may run on this machine when their models are loaded. Read that code "
        "first.",
        "code from a hub runs only where a study says so",
        example=["LLM360/Amber"],
    )
    integrity: Literal["error", "exclude", "warn"] = key(
        "exclude",
        "What becomes of a checkpoint that is not what its name says, such as late weights under an early step. "
        "Error: the study stops at its trajectories. Exclude: the checkpoint is left out there, and named in "
        "`phases.json`. Warn: it stays. A revision that the hub does not have: under error `snakemake "
        "lock_checkpoints` refuses it; under exclude and warn it stands in the lock as missing, and the study goes on"
        " without it (without a lock, its fetch fails). A checkpoint that is left out is no reference of a comparison"
        " either (`lost_pairs` of the table's metadata). Only files and weights decide, never a loss, a score or "
        "alignment; `results/<study>/integrity.parquet` has the finding of every rule, and a contradiction of two "
        "checkpoints whose culprit is not known stops only under `error`.",
        "published series do have bad copies: Pythia's step 1 equals its step 0 (EleutherAI/pythia#83)",
    )
    plugins: Texts = key(
        [],
        "Python files with measures, figures, readers, transcript formats and initialisation schemes of your own. A "
        "relative path counts from the working directory, then from the project.",
        "what ships",
        example=["my_measures.py"],
    )
    dataset: Dataset
    responses: Responses = section(Responses)
    models: Annotated[list[Model], Field(min_length=1)]
    activations: Activations = section(Activations)
    encoding: Encoding = section(Encoding)
    states: States = section(States)
    tasks: Tasks = section(Tasks)
    phases: Phases
    execution: Execution = section(Execution)
