"""Registries of data sets and of families of checkpoints; resources/registry/README.md explains every key."""

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PydanticUserError, create_model

from triphase.config.formats import Format
from triphase.config.schema import base as types
from triphase.config.schema.base import (
    Count,
    Language,
    Name,
    Names,
    NotNegative,
    Positive,
    Section,
    Seed,
    Share,
    SomeNames,
    Text,
    Texts,
    Unique,
    Whole,
    bounded,
)
from triphase.core.errors import InputError, one_line

# Of a key that may stay away, but may not be null.
ABSENT: Any = None
# Where files lie: the data set, the user's own folder, or one of the entry's `roots`.
Root = Name
Lags = Annotated[list[Annotated[float, Field(ge=-10, le=10)]], Field(min_length=1), Unique()]
SomeTexts = Annotated[Texts, Field(min_length=1)]
Filters = Annotated[dict[Text, Text], Field(min_length=1)]


class SimulatedRegion(Section):
    """A region of simulated listeners; centres are in MNI space, mm."""

    name: Name
    voxels: Annotated[int, bounded(1, 100_000, "they lie in memory")]
    kind: Literal["language", "sensory", "control"]
    centres: Annotated[list[Annotated[list[float], Field(min_length=3, max_length=3)]], Field(min_length=1)]


class Simulate(Section):
    """A data set that the demo stage makes."""

    seed: Seed
    volumes: Annotated[int, bounded(20, 100_000, "they lie in memory")]
    rois: Annotated[list[SimulatedRegion], Field(min_length=1)]


class Subject(Section):
    """A subject; `runs`, where not all, and `files`, where the files of its runs are not named like them."""

    name: Name
    id: Text = ABSENT
    runs: SomeNames = ABSENT
    files: dict[Name, Text] | Annotated[list[Text], Field(min_length=1), Unique()] = ABSENT


class Run(Section):
    """A run of the scanner."""

    name: Name
    stimulus: Name = ABSENT
    group: Name = ABSENT
    test: bool = ABSENT
    repeat: Count = ABSENT
    overlap: NotNegative = ABSENT
    skipped: NotNegative = ABSENT
    first: Whole = ABSENT
    last: Whole = ABSENT


class MoreRoot(Section):
    """Another DataLad data set (`url`, `version`), or another folder, that files of an entry lie in."""

    name: Name
    url: Text = ABSENT
    version: Text | None = ABSENT
    folder: Text = ABSENT


class File(Section):
    """A template of paths below one of the roots."""

    root: Root
    path: Text


class Events(File):
    """Tables that tell when what is heard begins in a run."""

    column: Text = ABSENT
    where: Filters = ABSENT
    subjects: SomeNames = ABSENT
    applied: bool


class Columns(Section):
    """Columns of a table of words."""

    word: Text
    onset: Text
    offset: Text = ABSENT
    duration: Text = ABSENT


class Label(Section):
    """A label of words, and its column."""

    name: Name
    column: Text


class Joined(Section):
    """A piece that is read with the word before it."""

    word: Text
    adds: Text


class Correction(Section):
    """A value of a published table that is known to be wrong."""

    stimulus: Name
    row: Whole
    column: Text
    found: Text
    value: Text | None


class Transcript(Section):
    """Words, or annotations, of the stimuli."""

    name: Name
    root: Root
    format: Name
    path: Text
    language: Language = ABSENT
    shift: float = ABSENT
    lowercase: bool = ABSENT
    overlapping: bool = ABSENT
    unverified: Text = ABSENT


class AnyTranscript(Transcript):
    """A transcript with keys that its format declares."""

    model_config = ConfigDict(extra="allow")


class Region(Section):
    """A region of a source or an atlas."""

    name: Name
    language: bool = ABSENT
    sensory: bool = ABSENT
    labels: Annotated[list[Text], Field(min_length=1)] = ABSENT


class Bids(Section):
    """Which images of a folder of BIDS derivatives are meant, where it holds several of one run."""

    folder: Text = ABSENT
    space: Text = ABSENT
    res: Text | Whole = ABSENT
    den: Text = ABSENT
    desc: Text = ABSENT
    tasks: SomeNames = ABSENT
    sessions: SomeNames = ABSENT


class Source(Section):
    """Responses of one kind."""

    name: Name
    root: Root
    reader: Name
    space: Literal["mni", "native", "fsaverage5", "none"]
    path: Text
    modality: Literal["fmri", "ecog"] = ABSENT
    dropped_volumes: Whole
    dropped_at_end: Whole = ABSENT
    confounds: Text | None = None
    subjects: SomeNames = ABSENT
    regions: list[Region] = ABSENT
    layout: Literal["bids"] = ABSENT
    unverified: Text = ABSENT


class AnySource(Source):
    """A source with keys that its reader declares."""

    model_config = ConfigDict(extra="allow")


@cache
def declared_section(common: type[Section], declared: Format) -> type[Section]:
    """`common`, Source or Transcript, with the keys that a reader or a format declares.

    Raises
    ------
    InputError : a declared type is none
    """
    fields: dict[str, Any] = {
        key: (kind, ... if key in declared.needs else ABSENT) for key, kind in declared.keys().items()
    }
    try:
        section = create_model(common.__name__, __base__=common, __module__=__name__, **fields)
        section.model_rebuild(_types_namespace=vars(types) | globals())
    except (NameError, SyntaxError, PydanticUserError) as error:
        reason = one_line(getattr(error, "message", error))
        raise InputError(f"the type of a key that {declared.name!r} declares is none: {reason}") from None
    return section


class RegisteredDataset(Section):
    """A data set."""

    name: Name
    title: Text
    url: Text | None
    version: Text | None
    license: Text | None
    citation: Text | None
    local_data_hint: Text | None = None
    language: Language
    tr: Positive | None
    header_tr: Literal["check", "ignore"] = ABSENT
    margin: Positive = ABSENT
    bids: Bids = ABSENT
    simulate: Simulate | None = None
    subjects: Annotated[list[Subject], Field(min_length=1)] | None
    runs: Annotated[list[Run], Field(min_length=1)] | None
    roots: list[MoreRoot] = []
    unverified: Text | None = None
    events: Events | None = None
    audio: File | None = None
    transcripts: Annotated[list[AnyTranscript], Field(min_length=1)]
    sources: Annotated[list[AnySource], Field(min_length=1)]


class Atlas(Section):
    """An atlas: an image with its table, or a set of coordinates of nilearn's."""

    name: Name
    kind: Literal["image", "coordinates"]
    url: Text = ABSENT
    version: Text = ABSENT
    image: Text = ABSENT
    table: Text = ABSENT
    set: Literal["dosenbach_2010", "power_2011", "seitzman_2018"] = ABSENT
    radius: Positive = ABSENT
    license: Text
    citation: Text
    regions: list[Region]


class Datasets(Section):
    """The registry of data sets."""

    datasets: Annotated[list[RegisteredDataset], Field(min_length=1)]
    atlases: list[Atlas] = ABSENT


class Steps(Section):
    """Steps at equal distances, both ends included."""

    start: Whole = Field(alias="from")
    end: Whole = Field(alias="to")
    by: Count


Seeds = Annotated[list[Whole | Name], Field(min_length=1), Unique()]


class Revisions(Section):
    """A group of revisions, such as a stage of training: how they are named, and what steps and tokens they have."""

    pattern: Text | Annotated[list[Text], Field(min_length=1)]
    repository: Text | Annotated[list[Text], Field(min_length=1)] = ABSENT
    rounding: Literal["up", "down", "nearest"] = ABSENT
    named_rate: Count = ABSENT
    steps: Annotated[list[Whole | Steps], Field(min_length=1)] = ABSENT
    restarts: bool = ABSENT
    first_step: Whole = ABSENT
    first_token: Whole = ABSENT
    tokens_per_step: Count = ABSENT
    tokens: Annotated[list[Whole], Field(min_length=1)] = ABSENT
    seeds: Seeds = ABSENT


class Schedule(Section):
    """The learning rate of a run, and what bounds its updates."""

    kind: Literal["cosine", "constant_linear", "constant", "linear"]
    peak: Positive
    warmup: Whole
    decay: Whole = ABSENT
    total: Count
    final: Share
    restarts: list[Count] = ABSENT
    betas: Annotated[list[Share], Field(min_length=2, max_length=2)] = ABSENT
    weight_decay: NotNegative = ABSENT


class Initialisation(Section):
    """How a run's weights begin."""

    gains: float = ABSENT
    biases: float = ABSENT
    std: Positive = ABSENT
    weights: Text = ABSENT


class Size(Section):
    """A size of a family."""

    name: Name
    parameters: Count
    layers: Count
    width: Count
    heads: Count
    vocabulary: Count
    dtype: Literal["float32", "bfloat16", "float16"]
    bytes: Count = ABSENT
    schedule: Schedule | None
    seeds: Seeds = ABSENT
    tokens_per_step: Count | None = None
    revisions: list[Revisions] = ABSENT


class Fault(Section):
    """A fault of published checkpoints that somebody has reported."""

    sizes: Annotated[list[Name], Field(min_length=1)] = ABSENT
    revisions: Text
    what: Text
    source: Text


class Family(Section):
    """A family of public checkpoints; `floor_tokens`: see the config's `phases/floor_tokens`."""

    name: Name
    title: Text
    license: Text
    citation: Text
    repository: Text
    seeds: Seeds = ABSENT
    tokens_per_step: Count | None
    floor_tokens: NotNegative = ABSENT
    revisions: list[Revisions]
    initialisation: Initialisation | None
    sizes: Annotated[list[Size], Field(min_length=1)]
    variants: Names = ABSENT
    faults: list[Fault]


class Families(Section):
    """The registry of families."""

    families: Annotated[list[Family], Field(min_length=1)]
