"""When two texts are the same: composed and decomposed accents, capitals, and how long a text is to a reader.

Snakemake imports this at every start, so nothing heavy is imported here.
"""

import re
import unicodedata

# What nobody sees and no text means: soft hyphens, spaces without width, marks of direction and of byte order. A
# tokenizer would make other tokens of a word with one.
UNSEEN = re.compile("[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")
# What chooses the form in which the character before it is drawn, or joins characters for sorting alone.
DRAWN = re.compile("[\u034f\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# What joins the character after it to the one before (emoji of several parts).
JOINER = "\u200d"
SKIN_TONES = range(0x1F3FB, 0x1F400)
FLAGS = range(0x1F1E6, 0x1F200)


def composed(text: str) -> str:
    """A text with its accents composed (NFC) and without marks that nobody sees, as the library reads every text."""
    return unicodedata.normalize("NFC", UNSEEN.sub("", text))


def folded(text: str) -> str:
    """A text for comparisons, in which capitals and Unicode's forms of one character (NFKC) are alike."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def said(text: str) -> str:
    """The letters and numbers of a text, folded: what is left when it is spoken, whoever set the punctuation."""
    letters = folded(DRAWN.sub("", text))
    return "".join(character for character in letters if unicodedata.category(character)[0] in "LNM")


def graphemes(text: str) -> int:
    """How many characters a reader sees: marks belong to the letter before, parts of an emoji to the emoji.

    The extended grapheme clusters of Unicode's annex 29, without its rules for single scripts; NFC composes Hangul.
    """
    count, joined, flag = 0, False, False
    for character in composed(text):
        code = ord(character)
        extends = unicodedata.category(character)[0] == "M" or character == JOINER or code in SKIN_TONES
        second = flag and code in FLAGS
        count += not (extends or joined or second)
        joined, flag = character == JOINER, code in FLAGS and not second
    return count
