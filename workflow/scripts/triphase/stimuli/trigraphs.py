"""Praat's backslash trigraphs: characters that its text files may write as a backslash and two signs.

After Praat's manual ("Special symbols", "Text styles"). Those of European spelling, Greek and punctuation are read; a
phonetic transcription is no running text for a language model.
"""

import re
import unicodedata

from triphase.core.errors import InputError

TRIGRAPH = re.compile(r"\\(.{0,2})", re.DOTALL)
# The sign after a letter, and the mark that it sets on it.
MARKS = {"`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", '"': "\u0308", "<": "\u030c", ";": "\u0328"}
MARKS |= {",": "\u0327", ":": "\u030b", "!": "\u0307"}
# Each is followed by its character.
LATIN = "ao å Ao Å uo ů Uo Ů ae æ Ae Æ o/ ø O/ Ø l/ ł L/ Ł d- đ D- Đ ss ß th þ Th Þ oe œ Oe Œ".split()
SIGNS = "bs \\ 'a ' \"l “ \"r ” << « >> » !d ¡ ?d ¿ -- – .c · eu €".split()
OTHERS = dict(zip([*LATIN[::2], *SIGNS[::2]], [*LATIN[1::2], *SIGNS[1::2]], strict=True)) | {"-h": "\u00ad"}
GREEK = "αal βbe γga δde εep ζze ηet θte ιio κka λla μmu νnu ξxi οon πpi ρro σsi τta υup φfi χci ψps ωom".split()
OTHERS |= {entry[1:]: entry[0] for entry in GREEK} | {entry[1:].capitalize(): entry[0].upper() for entry in GREEK}
OTHERS |= {"s2": "ς"}


def decoded(text: str) -> str:
    """A label with the characters that its trigraphs stand for.

    Raises
    ------
    InputError : a backslash that begins no trigraph which is known here; names it
    """
    return TRIGRAPH.sub(_character, text) if "\\" in text else text


def _character(match: re.Match[str]) -> str:
    signs = match[1]
    if signs in OTHERS:
        return OTHERS[signs]
    if len(signs) == 2 and signs[0].isalpha() and signs[1] in MARKS:
        character = unicodedata.normalize("NFC", signs[0] + MARKS[signs[1]])
        if len(character) == 1:
            return character
    raise InputError(
        f"{match[0]!r} is none of Praat's trigraphs for letters that are known here; open the file in Praat, choose "
        "Convert to Unicode and save it again, or write the letter that is meant"
    )
