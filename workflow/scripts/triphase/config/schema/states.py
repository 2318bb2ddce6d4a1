"""Sections `states` and `tasks`: what a checkpoint knows, and what it can do."""

from typing import Annotated, Literal

from pydantic import Field

from triphase.config.schema.base import (
    MISSING,
    OURS,
    Count,
    Entry,
    InnerShare,
    Language,
    Name,
    Section,
    Text,
    Texts,
    Unique,
    bounded,
    key,
    section,
)

Shots = Annotated[int, bounded(0, 1000, "no model reads so many")]


class Concept(Entry):
    """A concept that probes look for."""

    name: Name = key(
        MISSING, "A label of the transcript, or `position`, the word's number in its sentence.", example="pos"
    )
    missing: list[Text] | None = key(
        None, 'Values of the label that mean "does not apply".', "none", example=["none", "n/a"]
    )
    bins: Annotated[int, bounded(2, 100, "each class needs 20 words")] | None = key(
        None, "A numeric label is cut into so many quantiles.", "the label's values are classes", example=4
    )


class Probes(Section):
    """Linear probes for labels of the words.

    Folds are five, of whole sentences (label `sentence`, else blocks of 20 words); rows of classes with fewer than 20
    words are left out and counted; penalties are 1, 100 and 10,000 (ridge: chosen by generalised cross-validation on
    training rows; logistic: on a fifth of the training sentences). Each probe is compared with ten random labellings of
    word types, what it learns by heart (Hewitt and Liang 2019).

    What a probe finds is to be read beside three others: the same probe at step 0, when that is a checkpoint; on static
    word identity (`states/identity.parquet`); and with word types held out. Measures are listed in
    `docs/reference/measures.md`; what was left out of every concept, and why one is missing, stands in the metadata of
    `states/{model}/{checkpoint}.parquet` (key `concepts`).
    """

    concepts: list[Concept] = key(
        [],
        "What is probed. A concept that the data set lacks and another of the registry has is warned of at every "
        "start, and its measures are missing; a name that none has is refused.",
        "labels differ between data sets, and many have none",
        example=[{"name": "pos"}, {"name": "log_frequency", "bins": 4}],
    )
    classifier: Literal["ridge", "logistic"] = key(
        "ridge",
        "One-vs-rest ridge classifiers, which share one decomposition for all concepts and control tasks; or "
        "multinomial logistic regression (scikit-learn), one fit for each.",
        "some hundred times faster than logistic",
    )
    learning_curve: Annotated[list[InnerShare], Unique()] = key(
        [0.1, 0.3],
        "The same probes with so much of the training sentences.",
        "a concept that is easy to read needs few examples",
    )


class Mechanism(Section):
    """Induction heads, attention and contamination, on fixed inputs.

    It takes one more load of each checkpoint. Induction heads are looked for on 16 sequences of random tokens that are
    said twice; attention is measured, and reproduction of the last 16 tokens looked for, on at most 64 windows of 48
    tokens of the stimulus, evenly spaced, without overlap.
    """

    length: Annotated[int, bounded(3, 2**23, "no model reads so far")] = key(
        50,
        "Random tokens of a sequence before they come again. Twice as many and one position must fit the model.",
        "as in common demonstrations of induction heads; twice as many fit every model of the registry",
        unit="tokens",
    )
    unseen: Text | None = key(
        None,
        "A text (UTF-8) that matches the stimulus in language and style and that the model cannot have seen, as a "
        "path; `{local_data}/…` lies below that folder. Null: surprisal of the stimulus is compared with none.",
        "nobody but you knows what a model cannot have seen",
        example="{local_data}/texts/new_stories.txt",
    )


class Reading(Section):
    """Reading times of people, in the layout of the Natural Stories corpus, for psychometric power.

    It takes one more load of each checkpoint. The folder holds `all_stories.tok` (tab-separated: word, zone, item) and
    `processed_RTs.tsv` (WorkerId, item, zone, RT in ms; readers with at most 4 right answers in `correct`, where there
    is such a column, are left out, as are times outside 100 to 3,000 ms). Durations of fixations in the same columns do
    as well. Log times are explained by length, log frequency and place of the word, and by length and log frequency of
    the two words before it, with an intercept for each reader; then also by surprisal of all three words.
    """

    folder: Text = key(
        MISSING,
        "The folder; `{local_data}/…` lies below that folder.",
        example="{local_data}/naturalstories/naturalstories_RTS",
    )
    frequencies: Text | None = key(
        None,
        "Counts of the words, as Natural Stories has them in `freqs/freqs-1-*.tsv`: code (item.zone.word), order, "
        "token, count, without a header.",
        "counts in the stories themselves, which are few",
        example="{local_data}/naturalstories/freqs/freqs-1-20150214.tsv",
    )
    language: Language = key("en", "Of the stories: whether words stand apart.", "that of the corpus")
    name: Name = key("reading", "Its name in results.", "there is one", example="natural_stories")


class States(Section):
    """Internal states of a checkpoint: geometry, probes, similarity to other checkpoints, mechanism."""

    words: Annotated[int, bounded(40, 20_000, "distances of all pairs lie in memory: 3 GB")] = key(
        2000,
        "Subsample for intrinsic dimension, and for comparisons of checkpoints and of layers, the same at every "
        "checkpoint: the estimates depend on its size.",
        "most data sets have as many, and a comparison stays a matter of a second",
        unit="words",
        mark=OURS,
    )
    probes: Probes = section(Probes)
    references: Annotated[list[Literal["first", "previous", "last"]], Unique()] = key(
        ["first", "previous"],
        "Checkpoints to compare with, layer by layer: similarity of their states, and change of alignment "
        "(`changes.parquet`).",
        "how far from the start, and how fast",
    )
    mechanism: Mechanism | None = key(
        Mechanism(), "Measures on fixed inputs; null: none.", "one more load of each checkpoint is cheap"
    )
    reading: Reading | None = key(
        None,
        "Reading times that surprisal of each checkpoint is to predict (`psychometric_power`); null: none.",
        "the files are not ours to ship",
        example={"folder": "{local_data}/naturalstories/naturalstories_RTS"},
    )


class Evaluation(Entry):
    """A task that counts as accuracy."""

    name: Name = key(MISSING, "Its name in results.", example="arc_easy")
    task: Text = key(MISSING, "A YAML of `include_path`, or one of the harness's own tasks.", example="arc_easy")
    metric: Literal["acc", "acc_norm", "exact_match"] = key(MISSING, "Which of its metrics.", example="acc_norm")
    shots: Shots | None = key(None, "Examples before a question.", "the YAML's own number", example=5)
    data: Text | None = key(
        None,
        "Data file in place of the YAML's; `{local_data}/…` lies below that folder.",
        "the YAML's",
        example="{local_data}/tasks/blimp/wh_island.jsonl",
    )
    limit: Count | None = key(None, "First so many items.", "all", example=200)
    group: Literal["formal", "functional", "control"] | None = key(
        None,
        "What the task asks for: formal competence (the rules of a language), functional competence (knowledge and "
        "reasoning; both after Mahowald et al. 2024), or neither (a negative control, which must not emerge together "
        "with alignment). Each group has a curve of its own (`competence` in `phases.json`); a task without a group is "
        "in none, and counts as accuracy all the same.",
        "what a task asks for is for the study to say",
        example="formal",
    )


class Variant(Entry):
    """One way to ask the same questions."""

    name: Name = key(MISSING, "Its name in results.", example="letters")
    task: Text = key(MISSING, "As of an evaluation.", example="pubmedqa_letters")
    labels: Texts = key(
        MISSING, "Its set of labels, disjoint from those of the others; empty: no instruction.", example=["A", "B", "C"]
    )
    data: Text | None = key(
        None, "As of an evaluation.", "the YAML's", example="{local_data}/tasks/pubmedqa/ori_pqal.json"
    )


class Adherence(Entry):
    """Questions that are asked with several instructions; answers that follow them count as instruction following."""

    name: Name = key(MISSING, "Its name in results.", example="pubmedqa")
    variants: Annotated[list[Variant], Field(min_length=2)] = key(
        MISSING,
        "Ways to ask.",
        example=[
            {"name": "letters", "task": "pubmedqa_letters", "labels": ["A", "B", "C"]},
            {"name": "plain", "task": "pubmedqa_plain", "labels": []},
        ],
    )
    shots: Shots | None = key(None, "Examples before a question.", "0", example=2)
    limit: Count | None = key(None, "First so many items.", "all", example=200)


class Tasks(Section):
    """Downstream tasks, by lm-evaluation-harness; docs/how_to/tasks.md says what ships and how to add one."""

    include_path: Annotated[list[Text], Field(min_length=1)] = key(
        ["resources/tasks"], "Folders with task YAMLs of lm-evaluation-harness.", "those that ship"
    )
    evaluations: list[Evaluation] = key(
        [],
        "Tasks that count as accuracy.",
        "which abilities matter depends on the model and its language",
        example=[{"name": "arc_easy", "task": "arc_easy", "metric": "acc_norm"}],
    )
    adherence: list[Adherence] = key(
        [],
        "Questions that are asked with several instructions.",
        "the same",
        example=[
            {
                "name": "pubmedqa",
                "variants": [
                    {"name": "letters", "task": "pubmedqa_letters", "labels": ["A", "B", "C"]},
                    {"name": "plain", "task": "pubmedqa_plain", "labels": []},
                ],
            }
        ],
    )
