"""Frequencies from a word list: of the right language, and nothing where there is none."""

import math
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from triphase.core.errors import InputError
from triphase.encoding.bands import nuisance_band
from triphase.encoding.features import Timeline
from triphase.stimuli import frequency
from triphase.stimuli.frequency import FEATURE, check_language, zipf_frequencies


def test_the_scale_is_log10_of_a_billion_words():
    """wordfreq counts `the` as 5.4 % of English words."""
    values = zipf_frequencies(["the", "The", "rabbit", "xqzzt"], "en")
    assert values[0] == values[1] == pytest.approx(math.log10(0.054e9), abs=0.02)
    assert 3.5 < values[2] < 4.5 and values[3] == 0


def test_a_text_of_several_words_has_their_mean_and_one_without_a_word_that_of_the_others():
    the, rabbit, both, nothing = zipf_frequencies(["the", "rabbit", "The rabbit!", "..."], "en")
    assert both == pytest.approx((the + rabbit) / 2)
    assert nothing == pytest.approx((the + rabbit + both) / 3)
    french = zipf_frequencies(["l'homme"], "fr")
    assert french == pytest.approx(zipf_frequencies(["l", "homme"], "fr").mean())


def test_a_language_without_a_list_is_named_with_those_that_there_are():
    with pytest.raises(InputError, match=r"encoding/nuisance: 'zipf_frequency': wordfreq has no list .* 'xx'; .* en, "):
        check_language("xx")


def test_a_transcript_of_another_language_is_refused():
    with pytest.raises(InputError, match="'en' has none of the words of 2 of 3 texts, such as 'обезьяна'"):
        zipf_frequencies(["обезьяна", "кролик", "the"], "en")


@pytest.mark.parametrize(
    ("language", "gone", "message"),
    [("en", "wordfreq", r"pip install 'triphase\[frequency\]'"), ("ja", "MeCab", "pip install mecab-python3 ipadic"),
     ("zh", "jieba", "'zh' wordfreq needs: pip install jieba")],
)  # fmt: skip
def test_what_is_not_installed_is_named(monkeypatch, language, gone, message):
    monkeypatch.setattr(frequency, "find_spec", lambda name: None if name == gone else find_spec("wordfreq"))
    with pytest.raises(InputError, match=f"encoding/nuisance: 'zipf_frequency'.*{message}"):
        check_language(language)


def test_it_lies_on_scans_as_a_label_of_the_words_does():
    words = pd.DataFrame({"run": "r", "stimulus": "s", "index": range(4), "word": ["the", "cat", "sat", "down"],
                          "onset": [0.0, 1, 2, 3], "offset": [0.5, 1.5, 2.5, 3.5]})  # fmt: skip
    words.attrs = {"language": "en", "unit": "word"}
    timeline = Timeline(np.repeat("r", 10), np.arange(10) * 2.0, 2.0, [1])
    labelled = words.assign(own=zipf_frequencies(words["word"].tolist(), "en"))
    expected = nuisance_band(labelled, timeline, ["word_rate", "own"])
    np.testing.assert_array_equal(nuisance_band(words, timeline, ["word_rate", FEATURE]), expected)
