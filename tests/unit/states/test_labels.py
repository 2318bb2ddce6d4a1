import numpy as np
import pandas as pd
import pytest

from triphase.core.errors import InputError
from triphase.states.labels import (
    assign_folds,
    concept_classes,
    control_codes,
    held_out_sentences,
    held_out_types,
    learning_splits,
    sentence_groups,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def words_of(types, **labels):
    """A words table: sentences of 10 words."""
    n = len(types)
    return pd.DataFrame(
        {"stimulus": "story", "word": [f"w{t}" for t in types], "sentence": np.arange(n) // 10, **labels}
    )


def test_folds_keep_sentences_whole_and_are_balanced(rng):
    groups = np.repeat(np.arange(53), rng.integers(1, 15, 53))
    folds = assign_folds(groups, 5, rng)
    assert pd.Series(folds).groupby(groups).nunique().max() == 1
    counts = pd.DataFrame({"fold": folds, "group": groups}).drop_duplicates()["fold"].value_counts()
    assert counts.max() - counts.min() <= 1
    with pytest.raises(InputError, match="5 folds.* 3"):
        assign_folds(np.array([1, 2, 3]), 5, rng)


def test_groups_without_sentences_are_blocks_within_a_stimulus():
    words = pd.DataFrame({"stimulus": ["a"] * 25 + ["b"] * 10})
    assert sentence_groups(words).tolist() == [0] * 20 + [1] * 5 + [2] * 10


def test_sentence_numbers_of_two_stimuli_are_different_groups():
    words = pd.DataFrame({"stimulus": ["a", "a", "b"], "sentence": [0, 1, 0]})
    assert sentence_groups(words).tolist() == [0, 1, 2]


def test_words_without_a_sentence_belong_to_the_one_before():
    words = pd.DataFrame({"stimulus": ["a", "a", "a", "b", "b"], "sentence": [0, None, 1, None, 0]})
    assert sentence_groups(words).tolist() == [0, 0, 1, 2, 3]


class TestConcepts:
    def test_missing_and_rare_labels_are_counted(self):
        labels = ["N"] * 30 + ["V"] * 25 + ["X"] * 3 + [None, None, "none", "none"]
        concept = {"name": "pos", "missing": ["none"]}
        codes, classes, skipped, reason = concept_classes(words_of(range(62), pos=labels), concept, 20)
        assert classes == ["N", "V"]
        assert np.bincount(codes + 1).tolist() == [7, 30, 25]
        assert skipped == {"missing": 4, "rare": {"X": 3}}
        assert reason is None

    def test_ambiguous_tags_are_classes_of_their_own(self):
        codes, classes, _, _ = concept_classes(
            words_of(range(4), pos=["VB|NN", "NN", "VB|NN", "VB"]), {"name": "pos"}, 1
        )
        assert classes == ["NN", "VB", "VB|NN"]
        assert codes.tolist() == [2, 0, 2, 1]

    def test_position_is_the_number_within_the_sentence(self):
        words = pd.DataFrame({"stimulus": ["a"] * 5 + ["b"] * 3, "sentence": [0, 0, 0, 1, None, 0, 0, 1]})
        codes, classes, _, _ = concept_classes(words, {"name": "position"}, 1)
        assert [int(classes[code]) for code in codes] == [0, 1, 2, 0, 1, 0, 1, 0]
        _, _, _, reason = concept_classes(words.drop(columns="sentence"), {"name": "position"}, 1)
        assert "no label 'sentence'" in reason

    def test_numbers_are_cut_into_equally_filled_classes(self, rng):
        words = words_of(range(100), frequency=rng.normal(size=100))
        codes, classes, _, _ = concept_classes(words, {"name": "frequency", "bins": 4}, 20)
        assert np.bincount(codes).tolist() == [25] * 4
        assert words["frequency"].groupby(codes).max().is_monotonic_increasing
        assert len(classes) == 4

    def test_numbers_without_bins_are_refused(self, rng):
        with pytest.raises(InputError, match="'frequency' has 100 numeric values.*bins"):
            concept_classes(words_of(range(100), frequency=rng.normal(size=100)), {"name": "frequency"}, 20)

    def test_bins_of_text_are_refused(self):
        with pytest.raises(InputError, match="'pos' has `bins`, but its values are .*, not numbers"):
            concept_classes(words_of(range(3), pos="N"), {"name": "pos", "bins": 4}, 1)

    def test_an_absent_label_is_a_reason_that_names_what_there_is(self):
        codes, classes, _, reason = concept_classes(words_of(range(3), pos="N", number=1), {"name": "topic"}, 20)
        assert (codes == -1).all()
        assert classes == []
        assert reason == "the transcript has no label 'topic'; there are: number, pos"


def test_control_gives_each_type_one_label_from_the_distribution(rng):
    types = rng.integers(0, 4000, 20000)
    codes = rng.choice(3, 20000, p=[0.6, 0.3, 0.1])
    draws = control_codes(codes, types, 4, rng)
    for draw in draws:
        assert pd.Series(draw).groupby(types).nunique().max() == 1
        np.testing.assert_allclose(np.bincount(draw) / 20000, [0.6, 0.3, 0.1], atol=0.03)
    assert (draws[0] != draws[1]).any()


def test_a_control_task_has_two_labels():
    codes = np.r_[np.zeros(999, int), 1]
    draws = control_codes(codes, np.arange(1000) % 2, 20, np.random.default_rng(0))
    assert (np.ptp(draws, axis=1) == 1).all()


def test_held_out_types_share_neither_type_nor_sentence_and_test_every_word_once(rng):
    groups, types = np.arange(900) // 9, rng.integers(0, 60, 900)
    splits = held_out_types(groups, types, rng)
    for train, test in splits:
        assert not set(groups[train]) & set(groups[test])
        assert not set(types[train]) & set(types[test])
    assert (np.sum([test for _, test in splits], axis=0) == 1).all()


def test_learning_splits_are_nested_shares_of_the_training_sentences(rng):
    groups = np.arange(1000) // 10
    whole = held_out_sentences(groups, 5, rng)
    small, large = (learning_splits(whole, groups, share, seed=1) for share in (0.1, 0.5))
    for (train, test), (few, same), (more, _) in zip(whole, small, large, strict=True):
        assert (test == same).all()
        assert (few <= more).all() and (more <= train).all()
        assert (few.sum(), more.sum(), train.sum()) == (80, 400, 800)
