"""What each rule's job is told: one class per rule, named like it, whose fields never change.

A field with a key is read from the study's resolved config; the rule file gives the others. A job sees nothing else of
the config, so a change of another key reruns nothing. These classes only declare: their values reach a job through its
params, which is why `triphase.core.digest` leaves this module out. Snakemake imports it at every start: nothing heavy.
"""

from typing import Any, NamedTuple, dataclass_transform

from triphase.core.types import Entries, Section

# The default of a field that has to be given.
REQUIRED = object()


class Key(NamedTuple):
    """Where the config has a field: the path of its key, and which keys of a section it takes (all if none)."""

    path: str
    only: tuple[str, ...]
    default: Any

    def read(self, config: Section) -> Any:
        """The field's value in a resolved config."""
        value: Any = config
        for name in self.path.split("/"):
            value = value[name]
        return {name: value.get(name) for name in self.only} if self.only and value is not None else value


def key(path: str, *only: str, default: Any = REQUIRED) -> Any:
    """A field that is read from the config, see `Key`; the default is for who calls the library without one."""
    return Key(path, only, default)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(key,))
class Told:
    """What the jobs of one rule are told; a subclass declares its fields, as a dataclass does.

    A real dataclass writes and compiles its methods when it is declared, which for all rules takes longer than the rest
    of a small job's start.
    """

    def __init__(self, **values: Any) -> None:
        kind = type(self)
        declared = {name: getattr(kind, name, REQUIRED) for name in vars(kind).get("__annotations__", ())}
        defaults = {name: value.default if isinstance(value, Key) else value for name, value in declared.items()}
        values = {name: value for name, value in defaults.items() if value is not REQUIRED} | values
        if wrong := values.keys() ^ declared:
            raise TypeError(f"{kind.__name__}: {', '.join(sorted(wrong))}: missing, or not a field of it")
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} does not change: {name}")


def settings_values(rule: str, config: Section, **given: Any) -> Section:
    """Values of the fields of a rule's settings, from the config and, for fields without a key, from the rule file.

    Raises
    ------
    TypeError : `given` lacks a field without a key, or names one that the class does not have
    """
    values = {name: field.read(config) for name, field in _keys(rule).items()} | given
    SETTINGS[rule](**values)
    return values


def _keys(rule: str) -> dict[str, Key]:
    return {name: value for name, value in vars(SETTINGS[rule]).items() if isinstance(value, Key)}


# ---- the demo's data set and models


class SimulateDataset(Told):
    dataset: Section = key("dataset", "name", "version", "license", "citation", "tr", "runs", "simulate")
    subjects: Entries = key("dataset/subjects")


class TrainModel(Told):
    repository: str
    recipe: Section
    local_data: str | None


# ---- sources: data sets, checkpoints, tasks

ORIGIN = ("name", "url", "version", "roots", "local_data_hint")


class FetchStimuli(Told):
    audio: Section | None
    local_data: str | None
    study: str = key("study")
    dataset: Section = key("dataset", *ORIGIN)
    words: Section = key("dataset/words", "root", "path")
    runs: Entries = key("dataset/runs")


class FetchResponses(Told):
    subject: Section
    local_data: str | None
    study: str = key("study")
    dataset: Section = key("dataset", *ORIGIN)
    source: Section = key("dataset/source")
    runs: Entries = key("dataset/runs")
    events: Section | None = key("dataset/events", default=None)


class FetchAtlas(Told):
    study: str = key("study")
    atlas: Section = key("dataset/atlas", "name", "url", "version", "image", "table")


class PlanDownload(Told):
    audio: Section | None
    atlas: Section | None
    asked: float
    dataset: Section = key("dataset", *ORIGIN)
    words: Section = key("dataset/words", "root", "path", "unverified")
    source: Section = key("dataset/source")
    subjects: Entries = key("dataset/subjects")
    runs: Entries = key("dataset/runs")
    local_data: str | None = key("local_data")
    events: Section | None = key("dataset/events", default=None)


class LockCheckpoints(Told):
    asked: float
    study: str = key("study")
    models: Entries = key("models")
    lock: str = key("lock")
    integrity: str = key("integrity")


class FetchCheckpoint(Told):
    source: Section


class FetchTasks(Told):
    tasks: Entries
    folder: str
    asked: float


# ---- stimuli and responses


class BuildWords(Told):
    study: str = key("study")
    words: Section = key("dataset/words")
    runs: Entries = key("dataset/runs")


class BuildSound(Told):
    study: str = key("study")
    runs: Entries = key("dataset/runs")
    margin: float = key("dataset/margin", default=180.0)


class CleanResponses(Told):
    rois: Entries
    study: str = key("study")
    source: Section = key("dataset/source")
    runs: Entries = key("dataset/runs")
    tr: float = key("dataset/tr")
    brain: str = key("dataset/brain")
    atlas: Section | None = key("dataset/atlas")
    cleaning: Section = key("responses")
    events: Section | None = key("dataset/events", default=None)
    subject: Section = {}
    header_tr: str = key("dataset/header_tr", default="check")
    margin: float = key("dataset/margin", default=180.0)


class MeasureCeiling(Told):
    subjects: list[str]
    common_space: bool | None
    runs: Entries = key("dataset/runs")
    rois: Entries = key("dataset/rois")
    tr: float = key("dataset/tr")
    seed: int = key("seed")


class DescribeData(Told):
    study: str = key("study")
    dataset: Section = key("dataset", "name", "title", "url", "version", "license", "citation")
    source: Section = key("dataset/source", "name", "reader", "space", "modality")
    words: Section = key("dataset/words", "language", "unit")
    subjects: Entries = key("dataset/subjects")
    runs: Entries = key("dataset/runs")
    left_out: Any = key("dataset/left_out")
    unread: list[str] = key("dataset/unread")
    rois: Entries = key("dataset/rois")
    tr: float = key("dataset/tr")
    unverified: list[str] = key("dataset/unverified")
    seed: int = key("seed")


class MeasureGap(Told):
    rois: Entries = key("dataset/rois")
    tr: float = key("dataset/tr")
    delays: list[float] = key("encoding/delays")
    delays_as: str = key("encoding/delays_as", default="columns")
    downsampling: str = key("encoding/downsampling")
    nuisance: list[str] = key("encoding/nuisance")
    split: Section = key("encoding/split")
    alphas: list[float] = key("encoding/alphas")
    gap_seconds: float = key("encoding/gap_seconds")


# ---- one checkpoint


class FingerprintCheckpoint(Told):
    pass


class ExtractActivations(Told):
    context: Section = key("activations/context")
    dtype: str = key("activations/dtype")
    storage: str = key("activations/storage")
    pool: str = key("activations/pool")


class MeasureStates(Told):
    probes: Section = key("states/probes")
    words: int = key("states/words")
    seed: int = key("seed")


class MeasureIdentity(Told):
    probes: Section = key("states/probes")
    seed: int = key("seed")


class MeasureMechanism(Told):
    length: int = key("states/mechanism/length")
    dtype: str = key("activations/dtype")
    seed: int = key("seed")


class MeasureReading(Told):
    context: Section = key("activations/context")
    dtype: str = key("activations/dtype")
    language: str = key("states/reading/language")
    name: str = key("states/reading/name")


class CompareCheckpoints(Told):
    roles: list[str]
    words: int = key("states/words")
    seed: int = key("seed")


class EvaluateTasks(Told):
    jobs: Entries
    chat_template: bool = False
    seed: int = key("seed")


class PrepareEncoding(Told):
    runs: Entries = key("dataset/runs")
    space: str = key("dataset/source/space", default="none")
    rois: Entries = key("dataset/rois")
    tr: float = key("dataset/tr")
    delays: list[float] = key("encoding/delays")
    delays_as: str = key("encoding/delays_as", default="columns")
    delay_alternatives: list[list[float]] = key("encoding/delay_alternatives")
    downsampling: str = key("encoding/downsampling")
    nuisance: list[str] = key("encoding/nuisance")
    lexical: Section = key("encoding/lexical")
    static: Section | None = key("encoding/static", default=None)
    split: Section = key("encoding/split")
    alphas: list[float] = key("encoding/alphas")
    band_weights: list[float] = key("encoding/band_weights")
    gap_seconds: float = key("encoding/gap_seconds")
    training_sizes: bool = key("encoding/training_sizes")
    boot_draws: int = key("encoding/boot_draws")
    generalise_to: str = key("encoding/generalise_to")
    seed: int = key("seed")


class FitEncoding(Told):
    space: str = key("dataset/source/space", default="none")
    rois: Entries = key("dataset/rois")
    alphas: list[float] = key("encoding/alphas")
    band_weights: list[float] = key("encoding/band_weights")
    scalings: list[str] = key("encoding/scalings")
    components: int = key("encoding/components")
    static: Section | None = key("encoding/static", default=None)
    surprisal: bool = key("encoding/surprisal", default=False)
    significance: str = key("encoding/significance")
    permutations: int = key("encoding/permutations")
    boot_draws: int = key("encoding/boot_draws")
    generalise_to: str = key("encoding/generalise_to")
    seed: int = key("seed")


class CompareAlignment(Told):
    roles: list[str]
    rois: Entries = key("dataset/rois")
    permutations: int = key("encoding/permutations")
    boot_draws: int = key("encoding/boot_draws")
    generalise_to: str = key("encoding/generalise_to")
    seed: int = key("seed")


class JoinCheckpoint(Told):
    entry: Section
    study: str = key("study")
    rois: Entries = key("dataset/rois")
    adherence: Entries = key("tasks/adherence")


# ---- the whole study


class CheckIntegrity(Told):
    models: Entries
    series: list[list[str]]


class JoinChanges(Told):
    series: Entries
    pairs: Entries
    study: str = key("study")
    integrity: str = key("integrity")


class JoinTrajectories(Told):
    series: Entries
    pairs: Entries
    study: str = key("study")
    roi: str = key("phases/headline/roi")
    space: str = key("dataset/source/space", default="none")
    rois: Entries = key("dataset/rois")
    adherence: Entries = key("tasks/adherence")
    integrity: str = key("integrity")
    seed: int = key("seed")


JUDGEMENT = ("smallest_fall", "draws", "simulations")


class FitPhases(Told):
    floor_tokens: float
    generalise_to: str = key("encoding/generalise_to")
    headline: Section = key("phases/headline")
    judgement: Section = key("phases", *JUDGEMENT)
    evaluations: Entries = key("tasks/evaluations")
    rois: Entries = key("dataset/rois")
    seed: int = key("seed")


class TabulateSpecifications(Told):
    files: list[list[Any]]
    floor_tokens: float
    headline: Section = key("phases/headline")
    judgement: Section = key("phases", *JUDGEMENT)
    specification: Section = key("phases/specification")
    scalings: list[str] = key("encoding/scalings")
    seed: int = key("seed")


class CompareModels(Told):
    models: Section
    language: str = key("dataset/words/language")
    headline: Section = key("phases/headline")
    judgement: Section = key("phases", *JUDGEMENT)
    seed: int = key("seed")


class SimulatePower(Told):
    floor_tokens: float
    headline: Section = key("phases/headline")
    judgement: Section = key("phases", *JUDGEMENT)
    seed: int = key("seed")


class PrintPower(Told):
    models: list[str]
    asked: float


class WriteSummary(Told):
    models: list[str]
    study: str = key("study")


class WriteIndex(Told):
    models: list[str]
    gaps: list[str]
    figures: list[list[str]]
    captions: list[str]
    study: str = key("study")


class WriteMethods(Told):
    models: Entries
    responses: Section = key("responses")
    activations: Section = key("activations")
    encoding: Section = key("encoding")
    states: Section = key("states")
    tasks: Section = key("tasks")
    study: str = key("study")
    seed: int = key("seed")


class WriteDataPage(Told):
    pass


class DrawFigure(Told):
    function: str
    inputs: list[str]
    arguments: Section


class PlanStudy(Told):
    jobs: dict[str, int]
    left: dict[str, int]
    models: Entries
    words: str
    tasks: Entries
    asked: float
    study: str = key("study")
    lock: str = key("lock")
    heard: Section = key("dataset", "runs", "simulate", "tr")
    mechanism: Section | None = key("states/mechanism", "length")
    reading: Section | None = key("states/reading", "name")
    activations: Section = key("activations", "context", "dtype", "storage")


# Keys by which an encoding model's scores mean what they do.
DEFINING = ("delays", "delays_as", "downsampling", "nuisance", "scalings", "components", "generalise_to")


class WriteDefinition(Told):
    models: Section
    study: str = key("study")
    dataset: Section = key("dataset", "name")
    language: str = key("dataset/words/language")
    headline: Section = key("phases/headline")
    smallest_fall: float = key("phases/smallest_fall")
    activations: Section = key("activations", "context", "pool")
    encoding: Section = key("encoding", *DEFINING)


# ---- several studies


class JoinStudies(Told):
    synthesis: str = key("synthesis")
    bound: float = key("bound")
    language: Section = key("language")
    seed: int = key("seed")


class WriteSynthesis(Told):
    caption: str


def rule_name(settings: type) -> str:
    """The rule of a class: fit_encoding of FitEncoding."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in settings.__name__).lstrip("_")


SETTINGS = {rule_name(kind): kind for kind in Told.__subclasses__()}
