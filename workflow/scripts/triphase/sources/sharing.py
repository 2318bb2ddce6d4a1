"""Who uses the content of a shared clone, so that it can be dropped after use without taking it from others.

Beside a clone lies a folder of records, one JSON per study and subject, with the annex keys that it reads. Records are
written and removed under the clone's lock; content whose key stands in no record of another user may go.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

from triphase.core.artefacts import read_json, replacing, write_json
from triphase.sources.clones import Clone

log = logging.getLogger(__name__)


def record_of(clone: Clone, user: str) -> Path:
    """Path of the record of one user (`study/subject`) of a clone."""
    return clone.path.parent / f".{clone.path.name}.users" / f"{user}.json"


def claim(clone: Clone, user: str, keys: Iterable[str]) -> None:
    """Record that a user reads the content of some annex keys. The clone's lock must be held."""
    write_json(record_of(clone, user), {"keys": sorted(set(keys))})


def claimed(clone: Clone) -> set[str]:
    """Annex keys that some user of a clone reads. The clone's lock must be held."""
    records = (clone.path.parent / f".{clone.path.name}.users").glob("*/*.json")
    return {key for record in records for key in read_json(record)["keys"]}


def list_missing(clone: Clone, user: str, paths: Iterable[Path]) -> Path:
    """Write the paths that a user could not get, one a line, beside the user's record; return the list's path."""
    file = record_of(clone, user).with_suffix(".missing")
    with replacing(file) as temporary:
        temporary.write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
    return file
