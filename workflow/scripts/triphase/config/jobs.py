"""What each rule's job is told: one frozen dataclass per rule, named like it.

A field with a key is read from the study's resolved config; the rule file gives the others. A job sees nothing else of
the config, so a change of another key reruns nothing. These classes only declare: their values reach a job through its
params, which is why `triphase.core.digest` leaves this module out. Snakemake imports it at every start: nothing heavy.
"""

from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from triphase.core.types import Entries, Section


def key(path: str, *only: str, default: Any = MISSING) -> Any:
    """A field that is read from the config: the path of its key, and which keys of a section it takes (all if none)."""
    return field(default=default, metadata={"key": path, "only": only})


def _at(config: Section, path: str) -> Any:
    for name in path.split("/"):
        config = config[name]
    return config


def settings_values(rule: str, config: Section, **given: Any) -> Section:
    """Values of the fields of a rule's settings, from the config and, for fields without a key, from the rule file.

    Raises
    ------
    TypeError : `given` lacks a field without a key, or names one that the class does not have
    """
    values = {}
    for entry in fields(SETTINGS[rule]):
        if path := entry.metadata.get("key"):
            value = _at(config, path)
            only = entry.metadata["only"]
            values[entry.name] = {name: value.get(name) for name in only} if only and value is not None else value
    SETTINGS[rule](**values, **given)
    return values | given


def config_keys(rule: str) -> list[str]:
    """Paths of the config's keys that a rule's jobs read."""
    return [entry.metadata["key"] for entry in fields(SETTINGS[rule]) if "key" in entry.metadata]


# ---- the demo's data set and models


@dataclass(frozen=True)
class SimulateDataset:
    dataset: Section = key("dataset", "name", "version", "license", "citation", "tr", "runs", "simulate")
    subjects: Entries = key("dataset/subjects")


@dataclass(frozen=True)
class TrainModel:
    repository: str
    recipe: Section
    local_data: str | None


# ---- sources: data sets, checkpoints, tasks

ORIGIN = ("name", "url", "version", "roots", "local_data_hint")


@dataclass(frozen=True)
class FetchStimuli:
    audio: Section | None
    local_data: str | None
    study: str = key("study")
    dataset: Section = key("dataset", *ORIGIN)
    words: Section = key("dataset/words", "root", "path")
    runs: Entries = key("dataset/runs")


@dataclass(frozen=True)
class FetchResponses:
    subject: Section
    local_data: str | None
    study: str = key("study")
    dataset: Section = key("dataset", *ORIGIN)
    source: Section = key("dataset/source")
    runs: Entries = key("dataset/runs")
    events: Section | None = key("dataset/events", default=None)


@dataclass(frozen=True)
class FetchAtlas:
    study: str = key("study")
    atlas: Section = key("dataset/atlas", "name", "url", "version", "image", "table")


@dataclass(frozen=True)
class PlanDownload:
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


@dataclass(frozen=True)
class LockCheckpoints:
    asked: float
    study: str = key("study")
    models: Entries = key("models")
    lock: str = key("lock")
    integrity: str = key("integrity")


@dataclass(frozen=True)
class FetchCheckpoint:
    source: Section


@dataclass(frozen=True)
class FetchTasks:
    tasks: Entries
    folder: str
    asked: float


# ---- stimuli and responses


@dataclass(frozen=True)
class BuildWords:
    study: str = key("study")
    words: Section = key("dataset/words")
    runs: Entries = key("dataset/runs")


@dataclass(frozen=True)
class BuildSound:
    study: str = key("study")
    runs: Entries = key("dataset/runs")
    margin: float = key("dataset/margin", default=180.0)


@dataclass(frozen=True)
class CleanResponses:
    rois: Entries
    study: str = key("study")
    source: Section = key("dataset/source")
    runs: Entries = key("dataset/runs")
    tr: float = key("dataset/tr")
    brain: str = key("dataset/brain")
    atlas: Section | None = key("dataset/atlas")
    cleaning: Section = key("responses")
    events: Section | None = key("dataset/events", default=None)
    subject: Section = field(default_factory=dict)
    header_tr: str = key("dataset/header_tr", default="check")
    margin: float = key("dataset/margin", default=180.0)


@dataclass(frozen=True)
class MeasureCeiling:
    subjects: list[str]
    common_space: bool | None
    runs: Entries = key("dataset/runs")
    rois: Entries = key("dataset/rois")
    tr: float = key("dataset/tr")
    seed: int = key("seed")


@dataclass(frozen=True)
class DescribeData:
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


@dataclass(frozen=True)
class MeasureGap:
    rois: Entries = key("dataset/rois")
    tr: float = key("dataset/tr")
    delays: list[float] = key("encoding/delays")
    downsampling: str = key("encoding/downsampling")
    nuisance: list[str] = key("encoding/nuisance")
    split: Section = key("encoding/split")
    alphas: list[float] = key("encoding/alphas")
    gap_seconds: float = key("encoding/gap_seconds")


# ---- one checkpoint


@dataclass(frozen=True)
class FingerprintCheckpoint:
    pass


@dataclass(frozen=True)
class ExtractActivations:
    context: Section = key("activations/context")
    dtype: str = key("activations/dtype")
    storage: str = key("activations/storage")
    pool: str = key("activations/pool")


@dataclass(frozen=True)
class MeasureStates:
    probes: Section = key("states/probes")
    words: int = key("states/words")
    seed: int = key("seed")


@dataclass(frozen=True)
class MeasureIdentity:
    probes: Section = key("states/probes")
    seed: int = key("seed")


@dataclass(frozen=True)
class MeasureMechanism:
    length: int = key("states/mechanism/length")
    dtype: str = key("activations/dtype")
    seed: int = key("seed")


@dataclass(frozen=True)
class CompareCheckpoints:
    roles: list[str]
    words: int = key("states/words")
    seed: int = key("seed")


@dataclass(frozen=True)
class EvaluateTasks:
    jobs: Entries
    seed: int = key("seed")


@dataclass(frozen=True)
class PrepareEncoding:
    runs: Entries = key("dataset/runs")
    rois: Entries = key("dataset/rois")
    tr: float = key("dataset/tr")
    delays: list[float] = key("encoding/delays")
    delay_alternatives: list[list[float]] = key("encoding/delay_alternatives")
    downsampling: str = key("encoding/downsampling")
    nuisance: list[str] = key("encoding/nuisance")
    lexical: Section = key("encoding/lexical")
    split: Section = key("encoding/split")
    alphas: list[float] = key("encoding/alphas")
    band_weights: list[float] = key("encoding/band_weights")
    gap_seconds: float = key("encoding/gap_seconds")
    boot_draws: int = key("encoding/boot_draws")
    generalise_to: str = key("encoding/generalise_to")
    seed: int = key("seed")


@dataclass(frozen=True)
class FitEncoding:
    rois: Entries = key("dataset/rois")
    alphas: list[float] = key("encoding/alphas")
    band_weights: list[float] = key("encoding/band_weights")
    scalings: list[str] = key("encoding/scalings")
    components: int = key("encoding/components")
    significance: str = key("encoding/significance")
    permutations: int = key("encoding/permutations")
    boot_draws: int = key("encoding/boot_draws")
    generalise_to: str = key("encoding/generalise_to")
    seed: int = key("seed")


@dataclass(frozen=True)
class CompareAlignment:
    roles: list[str]
    rois: Entries = key("dataset/rois")
    permutations: int = key("encoding/permutations")
    boot_draws: int = key("encoding/boot_draws")
    generalise_to: str = key("encoding/generalise_to")
    seed: int = key("seed")


@dataclass(frozen=True)
class JoinCheckpoint:
    entry: Section
    study: str = key("study")
    rois: Entries = key("dataset/rois")
    adherence: Entries = key("tasks/adherence")


# ---- the whole study


@dataclass(frozen=True)
class CheckIntegrity:
    models: Entries
    series: list[list[str]]


@dataclass(frozen=True)
class JoinChanges:
    series: Entries
    pairs: Entries
    study: str = key("study")
    integrity: str = key("integrity")


@dataclass(frozen=True)
class JoinTrajectories:
    series: Entries
    pairs: Entries
    study: str = key("study")
    roi: str = key("phases/headline/roi")
    rois: Entries = key("dataset/rois")
    adherence: Entries = key("tasks/adherence")
    integrity: str = key("integrity")
    seed: int = key("seed")


JUDGEMENT = ("smallest_fall", "draws", "simulations")


@dataclass(frozen=True)
class FitPhases:
    floor_tokens: float
    generalise_to: str = key("encoding/generalise_to")
    headline: Section = key("phases/headline")
    judgement: Section = key("phases", *JUDGEMENT)
    rois: Entries = key("dataset/rois")
    seed: int = key("seed")


@dataclass(frozen=True)
class TabulateSpecifications:
    files: list[list[Any]]
    floor_tokens: float
    headline: Section = key("phases/headline")
    judgement: Section = key("phases", *JUDGEMENT)
    specification: Section = key("phases/specification")
    scalings: list[str] = key("encoding/scalings")
    seed: int = key("seed")


@dataclass(frozen=True)
class CompareModels:
    models: Section
    language: str = key("dataset/words/language")
    headline: Section = key("phases/headline")
    judgement: Section = key("phases", *JUDGEMENT)
    seed: int = key("seed")


@dataclass(frozen=True)
class SimulatePower:
    floor_tokens: float
    headline: Section = key("phases/headline")
    judgement: Section = key("phases", *JUDGEMENT)
    seed: int = key("seed")


@dataclass(frozen=True)
class PrintPower:
    models: list[str]
    asked: float


@dataclass(frozen=True)
class WriteSummary:
    models: list[str]
    study: str = key("study")


@dataclass(frozen=True)
class WriteIndex:
    models: list[str]
    figures: list[list[str]]
    captions: list[str]
    study: str = key("study")


@dataclass(frozen=True)
class WriteMethods:
    models: Entries
    responses: Section = key("responses")
    activations: Section = key("activations")
    encoding: Section = key("encoding")
    states: Section = key("states")
    tasks: Section = key("tasks")
    study: str = key("study")
    seed: int = key("seed")


@dataclass(frozen=True)
class WriteDataPage:
    pass


@dataclass(frozen=True)
class DrawFigure:
    function: str
    inputs: list[str]
    arguments: Section


@dataclass(frozen=True)
class PlanStudy:
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
    activations: Section = key("activations", "context", "dtype", "storage")


def rule_name(settings: type) -> str:
    """The rule of a class: fit_encoding of FitEncoding."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in settings.__name__).lstrip("_")


SETTINGS = {rule_name(kind): kind for kind in list(globals().values()) if hasattr(kind, "__dataclass_fields__")}
