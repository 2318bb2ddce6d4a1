"""A hash of what a tokenizer does, blind to how its file was written.

Files of one tokenizer differ from release to release of the library (merges as text or as pairs, settings that were
once left out, indentation, tokenizer.json in place of vocab.json and merges.txt), so the bytes say too much, and so
does what a file says of how text is split. What counts is the vocabulary, the merges, what the
normaliser makes of texts, and their ids.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from triphase.core.errors import InputError
from triphase.core.types import Section

# What turns text into numbers; the rest of the file is decoding, truncation and the like.
PARTS = ("normalizer", "pre_tokenizer", "model", "added_tokens")
OLDER = (("tokenizer.model",), ("vocab.json", "merges.txt"), ("vocab.txt",))
# What tells splitters, fallbacks and normalisers apart: spaces at the ends, in a row and of other kinds, lines,
# capitals, numbers, contractions, code, accents composed and decomposed, scripts with and without spaces, emoji with
# joiners, what may be no character at all, and marks of documents.
TEXTS = (
    "The cat's  tail,\tisn't it?\n\n  12,345.67 x1y2 CamelCase snake_case(a[0]) == 'b'; http://h.org/?q=1",
    " na\u00efve nai\u0308ve \u017dluna\u0165 \u00dcBER stra\u00dfe \ufb01ne \u2026 \u201cquoted\u201d\u2014",
    "5\u00a0%\u202f6 \u041f\u0440\u0438\u0432\u0435\u0442 \u03b3\u03b5\u03b9\u03ac \u05e9\u05dc\u05d5\u05dd",
    "\u0645\u0631\u062d\u0628\u0627 \u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a \ud55c\uad6d\uc5b4",
    "\u8a00\u8a9e\u30e2\u30c7\u30eb\u3068\u8133\u3000\u30ab\u3099 \uff76\uff9e \uff21\uff22",
    "\U0001f469\u200d\U0001f52c\ufe0f \U0001d6d1 \u0000\u0007 <s></s> <|endoftext|> [CLS]  end  ",
)


def describe_tokenizer(folder: str | Path) -> Section:
    """Hash and size of the vocabulary of the tokenizer in a snapshot.

    Returns
    -------
    dict with `hash` (64 hex digits, "" where the revision has no tokenizer) and `entries` (int, 0 if not known)

    Raises
    ------
    InputError
        `tokenizer.json` is damaged.
    """
    folder = Path(folder)
    path = folder / "tokenizer.json"
    if path.is_file():
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if tokenizer := _loaded(path):
                return _what_it_does(tokenizer)
            return _what_it_says(content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: this is no tokenizer ({error}); delete it and fetch it again") from error
    for names in OLDER:
        if all((folder / name).is_file() for name in names):
            if tokenizer := _converted(folder):
                return _what_it_does(tokenizer)
            return {"hash": _sha256(b"".join((folder / name).read_bytes() for name in names)), "entries": 0}
    return {"hash": "", "entries": 0}


def _loaded(path: Path) -> Any:
    """A `tokenizers.Tokenizer` of a file; None where this release of the library cannot read it."""
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path))
    except Exception:  # the library raises nothing narrower
        return None


def _converted(folder: Path) -> Any:
    """The same of a folder with files of an older kind, where transformers can make one of them."""
    from transformers import AutoTokenizer

    try:
        return getattr(AutoTokenizer.from_pretrained(folder, local_files_only=True), "backend_tokenizer", None)
    except Exception:  # each kind of file fails with errors of its own
        return None


def _what_it_does(tokenizer: Any) -> Section:
    tokenizer.no_truncation()
    tokenizer.no_padding()
    written = json.loads(tokenizer.to_str())
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    kept = {
        "vocabulary": vocabulary,
        "merges": [list(pair) for pair in written["model"].get("merges", [])],
        "normalised": [_normalised(tokenizer, text) for text in TEXTS],
        "ids": [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS],
    }
    return {"hash": _sha256(json.dumps(kept, sort_keys=True).encode()), "entries": len(vocabulary)}


def _normalised(tokenizer, text):
    """A text as the normaliser leaves it; whether it or the next step marks spaces is a matter of writing."""
    found = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
    return found.replace("\u2581", " ").strip()


def _what_it_says(content: Section) -> Section:
    """A hash of the parts of a file that turn text into numbers."""
    kept = {part: content.get(part) for part in PARTS}
    model = dict(kept["model"] or {})
    if "merges" in model:
        model["merges"] = [pair.split(" ") if isinstance(pair, str) else list(pair) for pair in model["merges"]]
    # Settings with their default value are written by some releases and not by others.
    kept["model"] = {key: value for key, value in model.items() if value not in (None, False)}
    vocabulary = model.get("vocab", {})
    words = set(vocabulary) if isinstance(vocabulary, dict) else {entry[0] for entry in vocabulary}
    added = {entry["content"] for entry in kept["added_tokens"] or []}
    text = json.dumps(kept, sort_keys=True, ensure_ascii=True)
    return {"hash": _sha256(text.encode()), "entries": len(words | added)}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
