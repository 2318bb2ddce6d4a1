"""The config of a synthesis: finished studies joined into one answer."""

from typing import Annotated

from pydantic import Field

from triphase.config.schema.base import MISSING, OURS, Name, Positive, Section, Seed, Text, Unique, key, section
from triphase.config.schema.study import Execution


class Language(Section):
    """The interaction with the share of the stimuli's language that a model saw, whose power is told.

    From share 0 to share 1, beyond what models and studies differ by.
    """

    size: Positive = key(
        0.5,
        "Of the sizes of rise, fall and return.",
        "the bound of agreement: half of the first rise",
        unit="shares of the first rise",
        mark=OURS,
    )
    place: Positive = key(
        1.0,
        "Of the places of onset, peak and trough.",
        "a factor of ten",
        unit="decades of tokens",
        mark=OURS,
    )


class Synthesis(Section):
    """The config of a synthesis."""

    synthesis: Name = key(
        MISSING, "Name of the synthesis; its results lie in `results/syntheses/<synthesis>/`.", example="triple"
    )
    studies: Annotated[list[Text], Field(min_length=2), Unique()] = key(
        MISSING,
        "Results folders of finished studies. They are refused where their definitions of alignment differ.",
        example=["results/triple_en", "results/triple_ja"],
    )
    bound: Positive = key(
        0.5,
        "Two courses agree where they differ by less than this at every checkpoint.",
        "two that differ by half of what rose first would not be called one course",
        unit="shares of the first rise",
        mark=OURS,
    )
    language: Language = section(Language)
    seed: Seed = key(0, "Of what is drawn here; draws of the studies are their own.", "any number; one, to be repeated")
    execution: Execution = section(Execution)
