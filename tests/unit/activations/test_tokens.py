import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triphase.activations.tokens import _without_space, context_windows, least_context, tokens_of_words, word_windows
from triphase.core.errors import InputError


def test_tokens_are_assigned_by_shared_characters():
    text = "The cat's hat"
    spans = [[0, 3], [4, 9], [10, 13]]
    # "The", " cat", "'s", " hat" with leading spaces, as byte-level BPE gives them
    offsets = [[0, 3], [3, 7], [7, 9], [9, 13]]
    first, last = tokens_of_words(offsets, spans, text)
    assert list(zip(first, last, strict=True)) == [(0, 0), (1, 2), (3, 3)]


def test_one_token_over_two_words_belongs_to_both():
    first, last = tokens_of_words([[0, 4], [4, 6]], [[0, 2], [2, 4], [4, 6]], "東京大学前線")
    assert list(zip(first, last, strict=True)) == [(0, 0), (0, 0), (1, 1)]


def test_byte_tokens_of_one_character_stay_together_and_lone_spaces_count_for_none():
    first, last = tokens_of_words([[0, 1], [0, 1], [0, 1], [1, 2], [2, 3]], [[0, 1], [2, 3]], "鬱 a")
    assert list(zip(first, last, strict=True)) == [(0, 2), (4, 4)]


def test_a_word_without_a_token_is_an_error_that_names_it():
    with pytest.raises(InputError, match=r"'story', word 1 \('b', characters 2-3\)"):
        tokens_of_words([[0, 1], [4, 5]], [[0, 1], [2, 3], [4, 5]], "a b c", "story")
    with pytest.raises(InputError, match="word 2"):
        tokens_of_words([[0, 1], [2, 3]], [[0, 1], [2, 3], [4, 5]], "a b c")


@given(n=st.integers(1, 300), low=st.integers(0, 40), extra=st.integers(0, 40))
def test_windows_take_every_token_once_with_the_promised_context(n, low, extra):
    high = low + extra
    taken = np.zeros(n, dtype=int)
    for start, stop, keep in context_windows(n, low, high):
        assert stop - start <= high + 1
        for token in range(keep, stop):
            taken[token] += 1
            assert min(low, token) <= token - start <= high
    assert (taken == 1).all()


def test_exact_protocol_is_one_window_per_token():
    windows = context_windows(20, 5, 5)
    assert all(stop - keep == 1 for _, stop, keep in windows[1:])
    assert all(stop - start == 6 for start, stop, _ in windows)
    with pytest.raises(InputError, match="min 6 and max 5"):
        context_windows(20, 6, 5)


def test_one_window_per_word_ends_with_it():
    first, last = np.array([0, 1, 4, 5]), np.array([0, 3, 4, 9])
    windows = word_windows(first, last, 5)
    assert windows.tolist() == [[0, 1, 0], [0, 4, 1], [0, 5, 4], [4, 10, 5]]
    with pytest.raises(InputError, match="3 preceding tokens are too few for word 3 of stimulus 'tale', which has 5"):
        word_windows(first, last, 3, "tale")


def test_least_context_is_three_quarters_of_the_greatest_unless_it_is_given():
    assert [least_context({"max": most}) for most in (64, 256, 10)] == [48, 192, 8]
    assert least_context({"max": 64, "min": None}) == 48 and least_context({"max": 64, "min": 0}) == 0


@given(st.text(alphabet="ab \n\u3000é", min_size=1, max_size=40), st.data())
def test_white_space_at_the_ends_of_tokens_is_left_out(text, data):
    cuts = sorted({0, len(text), *data.draw(st.lists(st.integers(0, len(text)), max_size=8))})
    offsets = list(zip(cuts[:-1], cuts[1:], strict=True))
    starts, ends = _without_space(np.array(offsets), text)
    for (a, b), start, end in zip(offsets, starts, ends, strict=True):
        assert text[start:end] == text[a:b].strip() and (a <= start and end <= b or start == end)
