"""The embedded study's language: agreement, carried state, topics, and reproducibility."""

import numpy as np
import pytest

from triphase.demo.grammar import (
    AUXILIARIES,
    OFF_TOPIC,
    REPORTING,
    TOPICS,
    Speaker,
    inflect,
    lexicon,
    log_frequencies,
)


@pytest.fixture(scope="module")
def story():
    return Speaker(np.random.default_rng(5)).story(600)


def topic_of(word):
    """The topic whose lexicon holds a content word's stem, or None."""
    for pos in ("noun", "verb", "adjective"):
        for topic, stems in lexicon()[pos].items():
            if word in stems or word.removesuffix("s") in stems or word.removesuffix("ed") in stems:
                return topic
    return None


def test_lexicon_has_no_word_twice():
    words = lexicon()
    stems = [stem for pos in ("noun", "verb", "adjective") for topic in TOPICS for stem in words[pos][topic]]
    stems += [name.lower() for key in ("person", "place", "thing", "trade") for name in words[key]]
    assert len(stems) == len(set(stems))
    assert not any(stem.endswith(("s", "ed")) for stem in stems)


def test_a_sentence_of_known_form_agrees():
    assert inflect("velm", "noun", "plural") == "velms"
    assert inflect("velm", "noun", "singular") == "velm"
    assert inflect("tor", "verb", "singular") == "tors"
    assert inflect("tor", "verb", "plural") == "tor"


def test_number_is_carried_from_the_subject_to_its_verb(story):
    """In every main clause the span of carried number starts at a noun of that number and ends at a verb of it."""
    spans, current = [], []
    for word, following in zip(story, [*story[1:], None], strict=True):
        if word.number != "none" and word.depth == 0:
            current.append(word)
        closes = following is None or following.number != word.number or following.sentence != word.sentence
        if current and closes:
            spans.append(current)
            current = []
    checked = 0
    for span in spans:
        first, last = span[0], span[-1]
        if first.pos != "NOUN" or last.pos not in ("VERB", "AUX"):
            continue  # embedded words lie between; the pieces of such a span are checked by the ones that are whole
        checked += 1
        plural = first.number == "plural"
        assert first.word.endswith("s") == plural
        if last.pos == "AUX":
            assert last.word == AUXILIARIES[first.number]
        elif last.word in REPORTING["singular"] + REPORTING["plural"]:
            assert last.word in REPORTING[first.number]
        else:
            assert last.word.endswith("s") != plural
    assert checked > 200


def test_a_quarter_of_content_words_is_off_topic(story):
    content = [word for word in story if word.pos in ("NOUN", "ADJ", "VERB") and topic_of(word.word)]
    off = np.mean([topic_of(word.word) != word.topic for word in content])
    assert off == pytest.approx(OFF_TOPIC, abs=4 * np.sqrt(0.25 * 0.75 / len(content)))


def test_topics_persist_over_sentences(story):
    topics = {}
    for word in story:
        topics.setdefault(word.sentence, word.topic)
        assert topics[word.sentence] == word.topic
    changes = [index for index in range(1, len(topics)) if topics[index] != topics[index - 1]]
    assert set(np.diff(changes)) <= {4, 5, 6, 7}


def test_depth_opens_with_that_and_stays_in_bounds(story):
    for before, word in zip(story, story[1:], strict=False):
        assert 0 <= word.depth <= 2
        if word.sentence == before.sentence and word.depth > before.depth:
            assert word.word == "that" and word.depth == before.depth + 1


def test_roles_follow_the_voice():
    speaker = Speaker(np.random.default_rng(3))
    seen = set()
    for _ in range(300):
        words = speaker.sentence(TOPICS[0])
        main = [word for word in words if word.depth == 0]
        voice = "passive" if any(word.pos == "AUX" for word in main) else "active"
        first = next(word for word in main if word.pos == "DET")
        assert first.role == ("patient" if voice == "passive" else "agent")
        if voice == "passive":
            by = next(index for index, word in enumerate(main) if word.word == "by")
            assert main[by + 1].role == "agent"
        seen.add(voice)
    assert seen == {"active", "passive"}


def test_same_seed_same_story():
    one, two, other = (Speaker(np.random.default_rng(seed)).story(20) for seed in (1, 1, 2))
    assert one == two
    assert one != other


def test_frequencies_are_a_distribution():
    table = log_frequencies()
    total = sum(10**value for form, value in table.items() if form)
    assert total == pytest.approx(1, abs=0.02)
    assert table["the"] > table[""]
