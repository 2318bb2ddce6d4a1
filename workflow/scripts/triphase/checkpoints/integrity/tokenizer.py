"""A hash of what a tokenizer does, blind to how its file was written.

Files of one tokenizer differ from release to release of the library (merges as text or as pairs, indentation), so the
bytes of `tokenizer.json` say too much.
"""

import hashlib
import json
from pathlib import Path

from triphase.core.errors import InputError
from triphase.core.types import Section

# What turns text into numbers; the rest of the file is decoding, truncation and the like.
PARTS = ("normalizer", "pre_tokenizer", "model", "added_tokens")
OLDER = (("tokenizer.model",), ("vocab.json", "merges.txt"), ("vocab.txt",))


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
            return _describe(content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: this is no tokenizer ({error}); delete it and fetch it again") from error
    for names in OLDER:
        if all((folder / name).is_file() for name in names):
            return {"hash": _sha256(b"".join((folder / name).read_bytes() for name in names)), "entries": 0}
    return {"hash": "", "entries": 0}


def _describe(content):
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


def _sha256(content):
    return hashlib.sha256(content).hexdigest()
