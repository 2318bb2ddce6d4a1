"""The embedded study's stories: what is said in them and when."""

import zlib
from typing import Any

import numpy as np
import pandas as pd

from triphase.core.errors import InputError
from triphase.core.types import Section
from triphase.demo.grammar import Speaker, Word, log_frequencies

FIRST_WORD = 6.0  # s after the scan's start
SILENCE = 12.0  # s at least between the last word and the scan's end


def random_state(seed: int, *names: str) -> np.random.Generator:
    """A generator that depends on a seed and on names, so that one story or listener does not depend on the others."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def tell_story(name: str, duration: float, seed: int) -> pd.DataFrame:
    """Write a story and time its words.

    Speech runs at about two words a second. Its rate changes a little from sentence to sentence, and every two or three
    sentences end in a long pause: the word rate varies enough to drive a response of its own, faster than drift does.

    Parameters
    ----------
    name : name of the story: another name, another story
    duration : length of the scan in s
    seed : of all stories

    Returns
    -------
    pandas.DataFrame
        One row per word: word, onset, offset (s), pos, number, depth, role, topic, sentence, position (share of the
        story told so far, 0 to 1), log_frequency (log10).

    Raises
    ------
    InputError
        The scan is too short for one sentence.
    """
    rng = random_state(seed, "story", name)
    speaker = Speaker(rng)
    words = speaker.story(int(duration / 3) + 2)
    frequencies = log_frequencies()
    clock, rate, last, until_pause = FIRST_WORD, 1.0, duration - SILENCE, 2
    rows: list[Section] = []
    sentence = told = 0
    for word in words:
        if word.sentence != sentence:
            sentence, told = word.sentence, len(rows)
            until_pause -= 1
            clock += rng.uniform(0.1, 0.3) if until_pause else rng.uniform(4.0, 6.0)
            until_pause = until_pause or int(rng.integers(2, 4))
            rate = float(np.clip(1 + 0.15 * rng.standard_normal(), 0.6, 1.5))
        length = (0.18 + 0.032 * len(word.word)) * rate
        if clock + length > last:
            break
        rows.append({"word": word.word, "onset": round(clock, 3), "offset": round(clock + length, 3), **labels(word)})
        clock += length + 0.02 * rate
    rows = rows[:told]  # whole sentences only
    if not rows:
        raise InputError(f"dataset.simulate.volumes: a scan of {duration:g} s is too short for a sentence of {name!r}.")
    table = pd.DataFrame(rows)
    table["position"] = (table["onset"] / table["onset"].iloc[-1]).round(4)
    table["log_frequency"] = [round(frequencies.get(word, frequencies[""]), 4) for word in table["word"]]
    return table


def labels(word: Word) -> dict[str, Any]:
    """The annotation of a word as columns."""
    return {key: getattr(word, key) for key in ("pos", "number", "depth", "role", "topic", "sentence")}
