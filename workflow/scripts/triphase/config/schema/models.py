"""Section `models`: whose checkpoints, which of them, and how models that a study trains itself are made."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from triphase.config.schema.base import (
    MISSING,
    OURS,
    Commit,
    Count,
    Entry,
    Language,
    Name,
    NotNegative,
    Repository,
    Revision,
    Section,
    Seed,
    Share,
    Text,
    Unique,
    Whole,
    bounded,
    key,
)

Steps = Annotated[int, bounded(0, 100_000_000, "they are trained one after another")]


class Checkpoint(Entry):
    """A checkpoint of an explicit list, in the order of training."""

    name: Name = key(MISSING, "Its name in results.", example="step1000")
    revision: Revision | None = key(
        None,
        "Branch, tag or commit of the repository.",
        "that of the step, where a family or a folder has it",
        example="step1000",
    )
    step: Whole = key(MISSING, "Training step.", example=1000)
    tokens: Whole | None = key(
        None,
        "Tokens that the checkpoint has been trained on.",
        "`step` x `tokens_per_step`",
        unit="tokens",
        example=2097152000,
    )
    commit: Commit | None = key(
        None, "Pins the revision.", "the lock's", example="0123456789abcdef0123456789abcdef01234567"
    )


class Chosen(Entry):
    """Checkpoints chosen from the series of a family or of a folder; one of these ways."""

    model_config = {"json_schema_extra": {"minProperties": 1, "maxProperties": 1}}

    log_spaced: Annotated[int, bounded(2, 10_000, "no series has so many")] | None = key(
        None,
        "That many: step 0 where there is one, the last, and between them those nearest to even steps of log tokens. "
        "Where the hub lacks branches, the lock chooses from the others.",
        "another way is chosen",
        example=14,
    )
    tokens: Annotated[list[NotNegative], Field(min_length=1), Unique()] | None = key(
        None,
        "The nearest on a log scale to each, so that models can share a grid. `snakemake lock_checkpoints` says how "
        "far each is; values with one nearest checkpoint take it once, and every start says so.",
        "another way is chosen",
        unit="tokens",
        example=[0, 1e9, 1e10, 1e11],
    )
    steps: Annotated[list[Whole], Field(min_length=1), Unique()] | None = key(
        None, "Exactly these.", "another way is chosen", example=[0, 512, 1000, 143000]
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("must be one of log_spaced, tokens, steps, and only one")
        return self


class Relative(Section):
    """Layers by their depth."""

    relative: Annotated[list[Share], Field(min_length=1), Unique()] = key(
        MISSING, "Shares of the model's depth, rounded to layers.", example=[0.25, 0.5, 1]
    )


class Tokenizer(Section):
    """Tokenizer of a model that is trained here."""

    kind: Literal["bpe", "wordpiece"] = key(MISSING, "Algorithm.", example="bpe")
    vocabulary: Annotated[int, bounded(50, 1_000_000, "memory")] = key(MISSING, "Size of the vocabulary.", example=2000)


Mixture = dict[Literal["stories", "scrambled", "facts", "questions", "instructions"], Share]


class Corpus(Entry):
    """What a model is trained on here: invented language (`words`, `mixture`), or a text (`path`, `from`, `to`)."""

    words: Annotated[int, bounded(1000, 1_000_000_000, "they lie in memory")] | None = key(
        None, "Words of invented language.", "a text is read", unit="words", example=700000
    )
    mixture: Mixture | None = key(
        None,
        "Shares of kinds of invented text; `scrambled` text has the words of stories in random order.",
        "a text is read",
        example={"stories": 0.5, "facts": 0.15, "questions": 0.1, "instructions": 0.25},
    )
    path: Text | None = key(
        None,
        "A text below `local_data`, that must not hold the stimulus.",
        "language is invented",
        example="alice/alice-gutenberg.txt",
    )
    start: Text | None = key(
        None, "Heading that the text begins with.", "language is invented", example="CHAPTER II", alias="from"
    )
    end: Text | None = key(None, "Heading that the text ends before.", "to its end", example="THE END", alias="to")


class Interlude(Section):
    """Training on other invented text for a while: after it the corpus is taken up again where it was left."""

    start: Whole = key(MISSING, "Steps of training before it.", unit="steps", example=400, alias="from")
    stop: Whole = key(MISSING, "Steps of training up to its end.", unit="steps", example=720, alias="to")
    words: Annotated[int, Field(ge=1000)] = key(MISSING, "Words of its text.", unit="words", example=200000)
    mixture: Mixture = key(
        MISSING, "Shares of kinds of invented text.", example={"scrambled": 0.75, "instructions": 0.25}
    )


class Recipe(Section):
    """How a small model is trained by the study itself (the embedded study and `alice` do).

    Each checkpoint's `revision` is then `step<N>` with its `step` N in `saves`, and `tokens_per_step` is `batch` x
    `context`.
    """

    seed: Seed = key(MISSING, "Seeds weights and data.", example=11)
    architecture: Literal["gpt_neox", "olmo2", "llama"] = key(MISSING, "Of transformers.", example="gpt_neox")
    layers: Annotated[int, bounded(1, 200, "deeper ones are not trained here")] = key(MISSING, "Depth.", example=3)
    width: Annotated[int, bounded(4, 16_384, "wider ones are not trained here")] = key(
        MISSING, "Size of hidden states; a multiple of 2 x `heads`.", example=64
    )
    heads: Annotated[int, bounded(1, 1024, "no width is shared by so many")] = key(
        MISSING, "Attention heads.", example=4
    )
    context: Annotated[int, bounded(8, 131_072, "longer ones are not trained here")] = key(
        MISSING, "Length of a sequence; at least `activations/context/max` + 2.", unit="tokens", example=80
    )
    batch: Annotated[int, bounded(1, 1_000_000, "they lie in memory")] = key(MISSING, "Sequences of a step.", example=8)
    learning_rate: Annotated[float, Field(gt=0, le=1)] = key(
        MISSING, "Peak; reached linearly over `warmup` steps, then a cosine to a tenth.", example=0.004
    )
    warmup: Steps = key(MISSING, "Steps to the peak.", unit="steps", example=60)
    saves: Annotated[list[Steps], Field(min_length=1), Unique()] = key(
        MISSING, "Steps that are kept; training ends with the last of them.", unit="steps", example=[0, 16, 64, 1024]
    )
    tokenizer: Tokenizer
    corpus: Corpus
    interlude: Interlude | None = key(
        None,
        "Other text that is read in between.",
        "one corpus throughout",
        example={"from": 400, "to": 720, "words": 200000, "mixture": {"scrambled": 1}},
    )


class Model(Entry):
    """A model whose checkpoints are compared.

    Models are a list of mappings with a `name` each.
    """

    name: Name = key(MISSING, "Its name in results.", example="pythia-160m")
    family: Text | None = key(
        None,
        "A series of public checkpoints (`resources/registry/models.yaml`): gives `repository`, `tokens_per_step` and "
        "the names of revisions.",
        "the model gives them itself",
        example="pythia",
    )
    size: Text | None = key(
        None,
        "One of the family's sizes; it may end in a variant (`410m-deduped`).",
        "the only one",
        example="160m",
    )
    seed: Whole | Name | None = key(
        None, "Which run of a family that has several: a number or a name.", "the only one", example=3
    )
    repository: Repository | None = key(
        None,
        "Hugging Face id, where no family gives it, or in its place.",
        "the family's; of a folder of your own `local/<name>`",
        example="EleutherAI/pythia-160m",
    )
    cache_dir: Text | None = key(
        None,
        "A folder in the layout of the Hugging Face cache that alone is searched.",
        "the user's cache (only read), then a download to `resources/models`",
        example="/data/huggingface/hub",
    )
    local_folder: Text | None = key(
        None,
        "Your own checkpoints, one folder each in Hugging Face format, by a path with {step}; leading zeros do not "
        "matter. They are the series that `checkpoints` chooses from.",
        "the family's, or those that are listed",
        example="/data/llm-jp/iter_{step}",
    )
    language_share: dict[Language, Share] | None = key(
        None,
        "How much of each language the model was trained on: models are compared by their share of the stimuli's "
        "language (`across_models.json`).",
        "not compared so",
        example={"en": 0.9, "ja": 0.05},
    )
    control_of: Name | None = key(
        None,
        "The model that this one is a negative control of, such as one that is trained on shuffled text or one that "
        "does not train: its alignment beyond statistics of words must not rise. The change stands beside the verdict "
        "of its model, and a control enters no summary of models.",
        "a model of its own",
        example="pythia-160m",
        mark=OURS,
    )
    chat_template: bool | None = key(
        None,
        "Tasks are asked through the tokenizer's chat template, for checkpoints tuned to follow instructions. Every "
        "checkpoint needs it, and all the same one.",
        "false: prompts are plain text",
        example=True,
    )
    tokens_per_step: Count | None = key(
        None,
        "A checkpoint's tokens are `step` times this, unless it gives `tokens`.",
        "the family's",
        unit="tokens",
        example=2097152,
    )
    layers: Annotated[list[Whole], Field(min_length=1), Unique()] | Relative = key(
        Relative(relative=[0.25, 0.5, 0.75, 1]),
        "Layers with encoding models, by number (0 is the embedding) or by depth. States are measured on all layers.",
        "published alignment is best in middle to late layers; four fits a checkpoint show where",
        example=[3, 6, 9, 12],
        mark=OURS,
    )
    checkpoints: Literal["all"] | Annotated[list[Checkpoint], Field(min_length=1)] | Chosen = key(
        MISSING,
        "The whole series (`all`), a list, or a choice from the series of a family or folder.",
        example={"log_spaced": 14},
    )
    train: Recipe | None = key(
        None,
        "Recipe of a model that the study trains itself.",
        "its checkpoints exist",
        example={
            "seed": 11,
            "architecture": "gpt_neox",
            "layers": 1,
            "width": 32,
            "heads": 4,
            "context": 80,
            "batch": 8,
            "learning_rate": 0.004,
            "warmup": 8,
            "saves": [0, 16, 64],
            "tokenizer": {"kind": "bpe", "vocabulary": 1000},
            "corpus": {"path": "novel.txt", "from": "CHAPTER II"},
        },
    )
