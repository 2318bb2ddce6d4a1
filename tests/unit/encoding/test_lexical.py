"""The static lexical band: identity alone, fixed for ever, and no look at rows that are held out."""

import numpy as np
import pandas as pd
import pytest

from triphase.encoding.features import Timeline, scan_grid, words_to_scans
from triphase.encoding.folds import HELD_OUT, TRAIN
from triphase.encoding.lexical import lexical_band, word_forms, word_vector

RUNS = np.repeat(["r1", "r2"], [30, 40])
TIMES = np.r_[np.arange(30), np.arange(40)] * 2.0
OUTER = np.where(RUNS == "r1", [[TRAIN], [HELD_OUT]], [[HELD_OUT], [TRAIN]]).astype(np.int8)
SIZE, SEED = {"dimensions": 12, "components": 5}, 1


def said(vocabulary="a b c d e f g h The the", seed=0):
    rng, runs = np.random.default_rng(seed), []
    for run, end in (("r1", 60), ("r2", 80)):
        onset = np.arange(-4, end, 0.7)
        word = rng.choice(vocabulary.split(), len(onset))
        runs.append(pd.DataFrame({"run": run, "stimulus": run, "index": range(len(onset)), "word": word,
                                  "onset": onset, "offset": onset + 0.4}))  # fmt: skip
    return pd.concat(runs, ignore_index=True)


def test_a_words_vector_is_its_own_in_every_study():
    first = word_vector("alice", 3, 0)
    word_vector.cache_clear()
    word_vector("rabbit", 3, 0)  # what else a study says, and in which order, does not matter
    np.testing.assert_array_equal(word_vector("alice", 3, 0), first)
    assert not np.allclose(word_vector("alice", 3, 1), first)
    many = np.stack([word_vector(f"w{number}", 100, 0) for number in range(500)])
    assert abs(many.mean()) < 0.02 and abs(many.std() - 1) < 0.02
    gram = np.corrcoef(many) - np.eye(500)
    assert np.abs(gram).max() < 0.5


@pytest.mark.parametrize(
    ("text", "language", "unit", "forms"),
    [
        ("Don't", "en", "word", ["don't"]),
        ("There are", "en", "word", ["there are"]),
        ("She's here -- isn't she?", "en", "annotation", ["she's", "here", "isn't", "she"]),
        ("彼は走る。", "ja", "annotation", ["彼", "は", "走", "る"]),
        ("走る", "ja", "word", ["走る"]),
        ("...", "en", "annotation", ["..."]),
    ],
)
def test_word_forms(text, language, unit, forms):
    assert word_forms(text, language, unit) == forms


def test_without_reduction_the_band_is_the_scans_mean_word_vector():
    """Inner products do not depend on the turn that the components are: those of the band are the vectors' own."""
    words = said()
    band = lexical_band(words, Timeline(RUNS, TIMES, 2.0, [2]), OUTER, {"dimensions": 6, "components": 6}, seed=3)[0]
    expected = []
    for run in ("r1", "r2"):
        mine = words[words["run"] == run]
        grid, rows = scan_grid(TIMES[RUNS == run], 2.0, 2)
        vectors = np.stack([word_vector(word.lower(), 6, 3) for word in mine["word"]])
        expected.append((words_to_scans(mine["onset"], mine["offset"], grid, 2.0) @ vectors)[rows - 2])
    expected = np.concatenate(expected)
    first, second = band - band.mean(0), expected - expected.mean(0)
    np.testing.assert_allclose(first @ first.T, second @ second.T, atol=1e-3)


def test_each_split_reduces_on_its_own_training_rows():
    words = said()
    band = lexical_band(words, Timeline(RUNS, TIMES, 2.0, [1, 3]), OUTER, SIZE, seed=SEED)
    assert band.shape == (2, 70, 10) and band.dtype == np.float32
    # Other words in the run that is held out change nothing in the one that trains.
    other = words.assign(word=np.where(words["run"] == "r2", "z", words["word"]))
    changed = lexical_band(other, Timeline(RUNS, TIMES, 2.0, [1, 3]), OUTER, SIZE, seed=SEED)
    np.testing.assert_array_equal(changed[0][RUNS == "r1"], band[0][RUNS == "r1"])
    assert not np.allclose(changed[1][RUNS == "r1"], band[1][RUNS == "r1"])


def test_upper_and_lower_case_are_one_word():
    words = said()
    lower = lexical_band(
        words.assign(word=words["word"].str.lower()), Timeline(RUNS, TIMES, 2.0, [1]), OUTER, SIZE, seed=SEED
    )
    np.testing.assert_array_equal(lexical_band(words, Timeline(RUNS, TIMES, 2.0, [1]), OUTER, SIZE, seed=SEED), lower)
