"""A small documented language: the grammar that writes the embedded study's stories, with every word's latent state.

Content words are invented (syllables drawn with a fixed seed), so the same language comes out everywhere and no text
of it exists elsewhere. Every content word belongs to one of `TOPICS`. A story holds one topic over several sentences,
while a quarter of its content words are taken from the other topics: the topic is in the discourse, not in the word.

    sentence  -> clause
    clause    -> NP VP
    NP        -> det (adj) noun (prep det noun | "that" VP | "that" NP verb)      relative clauses: depth + 1
    VP        -> verb | verb NP | aux participle "by" NP | "says" "that" clause   complement clauses: depth + 1
    VP        -> VP prep det noun

Nouns and verbs carry number ("-s"), the verb agrees with the head of its subject, and whatever stands between the two
(prepositional phrases, relative clauses) may have the other number.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

LANGUAGE_SEED = 20260101
TOPICS = ("sea", "kitchen", "garden", "market", "forest", "theatre")
NOUNS, VERBS, ADJECTIVES = 40, 15, 10  # content words per topic
OFF_TOPIC = 0.25  # share of content words taken from other topics
DEEPEST = 2
DETERMINERS = {"singular": ("the", "a", "this", "every"), "plural": ("the", "some", "these", "many")}
PREPOSITIONS = ("near", "behind", "under", "beside")
REPORTING = {"singular": ("says", "knows"), "plural": ("say", "know")}
AUXILIARIES = {"singular": "is", "plural": "are"}
CONNECTIVES = ("then", "today", "later", "often", "now", "again")


class Word(NamedTuple):
    """One word of a story and the state of the discourse while it is heard.

    number: "singular" or "plural" from a subject's head noun up to its verb (of the outermost clause whose verb is
    still awaited), else "none". depth: embedding depth, 0 to 2. role: "agent" or "patient" inside such a noun phrase,
    else "none". topic: the discourse's topic, which the word itself need not belong to. sentence: index in the story.
    """

    word: str
    pos: str
    number: str
    depth: int
    role: str
    topic: str
    sentence: int


@lru_cache(maxsize=1)
def lexicon() -> dict[str, Any]:
    """All invented words: part of speech to topic to stems, and kinds of names to names."""
    rng = np.random.default_rng(LANGUAGE_SEED)
    onsets = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "t", "v", "z", "br", "dr", "gr", "kl", "pl", "tr", "st")
    closes = ("", "", "l", "m", "n", "r", "k", "t")
    taken = set()

    def fresh(capital=False):
        while True:
            first = rng.choice(onsets) + rng.choice(list("aeiou")) + rng.choice(closes)
            stem = (
                first + rng.choice(onsets[:13]) + rng.choice(list("aeiou")) + rng.choice(("l", "m", "n", "r", "k", "t"))
            )
            if stem not in taken:
                taken.add(stem)
                return str(stem.capitalize() if capital else stem)

    words: dict[str, Any] = {
        pos: {topic: tuple(fresh() for _ in range(count)) for topic in TOPICS}
        for pos, count in (("noun", NOUNS), ("verb", VERBS), ("adjective", ADJECTIVES))
    }
    words["person"] = tuple(fresh(capital=True) for _ in range(40))
    words["place"] = tuple(fresh(capital=True) for _ in range(10))
    words["thing"] = tuple(fresh() for _ in range(10))
    words["trade"] = tuple(fresh() for _ in range(10))
    return words


def inflect(stem: str, pos: str, number: str) -> str:
    """A noun or verb stem in its number: plural nouns and singular verbs end in -s."""
    ending = {("noun", "plural"): "s", ("verb", "singular"): "s", ("participle", number): "ed"}
    return stem + ending.get((pos, number), "")


class Speaker:
    """Writes sentences of the language.

    Parameters
    ----------
    rng : numpy.random.Generator
    share_off_topic : share of content words from topics other than the discourse's
    """

    def __init__(self, rng: np.random.Generator, share_off_topic: float = OFF_TOPIC):
        self.rng = rng
        self.share_off_topic = share_off_topic
        self.words = lexicon()

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.rng.random() < probability

    def one_of(self, options: Sequence[Any]) -> Any:
        """One of a sequence, each equally likely."""
        return options[int(self.rng.integers(len(options)))]

    def content(self, pos: str, topic: str) -> str:
        """A stem of this part of speech: of the discourse's topic, or of another one."""
        if self.chance(self.share_off_topic):
            topic = self.one_of([other for other in TOPICS if other != topic])
        return self.one_of(self.words[pos][topic])

    def sentence(self, topic: str, index: int = 0) -> list[Word]:
        """One sentence as a list of `Word`."""
        opening = [(self.one_of(CONNECTIVES), "ADV", "none", 0, "none")] if self.chance(0.15) else []
        words = opening + self.clause(topic, depth=0, awaited=None)
        return [Word._make((*word, topic, index)) for word in words]

    def clause(self, topic: str, depth: int, awaited: str | None) -> list[tuple]:
        """Subject and verb phrase. `awaited`: number of an outer subject whose verb is still to come, or None."""
        number = self.one_of(("singular", "plural"))
        kind = self.one_of(
            ("active",) * 10 + ("passive",) * 6 + ("alone",) * 3 + (("report",) if depth < DEEPEST else ())
        )
        subject = self.noun_phrase(
            topic, depth, number, "patient" if kind == "passive" else "agent", awaited, head=True
        )
        return subject + self.verb_phrase(topic, depth, number, kind, awaited)

    def verb_phrase(self, topic: str, depth: int, number: str, kind: str, awaited: str | None) -> list[tuple]:
        """What follows a subject of this number; kind: active, passive, alone (no object) or report (a clause)."""
        carried = awaited or number
        after = awaited or "none"
        verb = self.content("verb", topic)
        if kind == "passive":
            words = [(AUXILIARIES[number], "AUX", carried, depth, "none"), (verb + "ed", "VERB", after, depth, "none")]
            words.append(("by", "ADP", after, depth, "none"))
            words += self.noun_phrase(topic, depth, self.one_of(("singular", "plural")), "agent", awaited)
        elif kind == "report":
            words = [(self.one_of(REPORTING[number]), "VERB", carried, depth, "none")]
            words.append(("that", "SCONJ", after, depth + 1, "none"))
            return words + self.clause(topic, depth + 1, awaited)
        else:
            words = [(inflect(verb, "verb", number), "VERB", carried, depth, "none")]
            if kind == "active":
                words += self.noun_phrase(topic, depth, self.one_of(("singular", "plural")), "patient", awaited)
        if self.chance(0.2):
            words += self.prepositional(topic, depth, after)
        return words

    def noun_phrase(
        self, topic: str, depth: int, number: str, role: str, awaited: str | None, head: bool = False
    ) -> list[tuple]:
        """A noun phrase. `head`: it is a subject, so its number is carried from the noun on."""
        before = awaited or "none"
        after = awaited or (number if head else "none")
        words = [(self.one_of(DETERMINERS[number]), "DET", before, depth, role)]
        if self.chance(0.35):
            words.append((self.content("adjective", topic), "ADJ", before, depth, role))
        words.append((inflect(self.content("noun", topic), "noun", number), "NOUN", after, depth, role))
        modifier = self.rng.random()
        if modifier < 0.2 and head:
            words += self.prepositional(topic, depth, after)
        elif modifier < 0.5 and depth < DEEPEST:
            words += self.relative(topic, depth + 1, number, after)
        return words

    def relative(self, topic: str, depth: int, number: str, awaited: str | None) -> list[tuple]:
        """A relative clause on a noun of this number, its subject (that …s) or its object (that the … …s)."""
        outer = None if awaited == "none" else awaited
        words = [("that", "PRON", awaited, depth, "none")]
        if self.chance(0.6):
            return words + self.verb_phrase(topic, depth, number, self.one_of(("active", "active", "passive")), outer)
        inner = self.one_of(("singular", "plural"))
        verb = inflect(self.content("verb", topic), "verb", inner)
        subject = [
            (self.one_of(DETERMINERS[inner]), "DET", awaited, depth, "agent"),
            (inflect(self.content("noun", topic), "noun", inner), "NOUN", outer or inner, depth, "agent"),
        ]
        return words + subject + [(verb, "VERB", outer or inner, depth, "none")]

    def prepositional(self, topic: str, depth: int, awaited: str | None) -> list[tuple]:
        """A prepositional phrase: its noun may differ in number from the subject before it (an attractor)."""
        number = self.one_of(("singular", "plural"))
        noun = inflect(self.content("noun", topic), "noun", number)
        determiner = self.one_of(DETERMINERS[number])
        return [
            (self.one_of(PREPOSITIONS), "ADP", awaited, depth, "none"),
            (determiner, "DET", awaited, depth, "none"),
            (noun, "NOUN", awaited, depth, "none"),
        ]

    def story(self, sentences: int) -> list[Word]:
        """A story of so many sentences as a list of `Word`; its topic changes every 4 to 7 sentences."""
        words: list[Word] = []
        topic, left = "", 0
        for index in range(sentences):
            if left == 0:
                topic = self.one_of([other for other in TOPICS if other != topic])
                left = int(self.rng.integers(4, 8))
            words += self.sentence(topic, index)
            left -= 1
        return words


@lru_cache(maxsize=1)
def log_frequencies() -> dict[str, float]:
    """log10 relative frequency of every word form, counted in 4,000 sentences of the language and smoothed by one half.

    Returns
    -------
    dict of str to float; `log_frequencies()[""]` is the value of a form that was not met.
    """
    speaker = Speaker(np.random.default_rng(LANGUAGE_SEED + 1))
    forms = [word.word for word in speaker.story(4000)]
    values, counts = np.unique(forms, return_counts=True)
    table = {
        str(value): float(np.log10((count + 0.5) / len(forms))) for value, count in zip(values, counts, strict=True)
    }
    table[""] = float(np.log10(0.5 / len(forms)))
    return table
