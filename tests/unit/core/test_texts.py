"""When two texts are the same, and how long a text is."""

import unicodedata

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from triphase.core.texts import composed, folded, graphemes, said


def test_kind_text_identity_forms_and_capitals_are_one_text():
    texts = ["Brücke", unicodedata.normalize("NFD", "BRÜCKE"), "brücke", "ﬁn", "FIN"]
    assert len({folded(text) for text in texts}) == 2
    assert composed("u\u0308") == "ü"
    assert said("“Hello,” she-said: 10!") == "helloshesaid10"


@pytest.mark.parametrize("sign", ["\u00ad", "\u200b", "\u2060", "\ufeff", "\u200e", "\u202b", "\u2069"])
def test_kind_text_identity_what_nobody_sees_is_no_part_of_a_text(sign):
    assert composed(f"{sign}be{sign}reit{sign}") == "bereit" and graphemes(f"be{sign}reit") == 6
    assert composed(f"u{sign}\u0308") == "ü"


def test_kind_text_identity_how_a_sign_is_drawn_is_not_said():
    assert said("Herz\ufe0f") == said("he\u034frz\U000e0100") == "herz"
    # A joiner means something in Persian and in scripts of India, and a form is part of an emoji.
    assert composed("می\u200cخواهم") == "می\u200cخواهم" and composed("❤\ufe0f") == "❤\ufe0f"


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("über", 4),
        (unicodedata.normalize("NFD", "über"), 4),
        ("नमस्ते", 4),
        ("👩‍👩‍👧", 1),
        ("👍🏽a", 2),
        ("🇩🇪🇫🇷", 2),
        ("각", 1),
        ("", 0),
    ],
)
def test_kind_text_identity_length_is_what_a_reader_sees(text, length):
    assert graphemes(text) == length


@settings(max_examples=200)
@given(st.text(st.characters(categories=["Lu", "Ll", "Mn", "Nd", "Po"], max_codepoint=0x52F), max_size=12))
def test_graphemes_are_those_of_an_independent_library(text):
    # A mark without a letter before it is a cluster of its own there, and none here.
    text = "a" + text
    assert graphemes(text) == len(regex.findall(r"\X", unicodedata.normalize("NFC", text)))
