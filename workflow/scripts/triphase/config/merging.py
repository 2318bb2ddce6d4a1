"""One config over another: mappings merge key by key, everything else is replaced whole."""

import copy
import json
from collections.abc import Mapping
from typing import Any


def merged(base: Any, changes: Any) -> Any:
    """A copy of `base` with `changes` put in."""
    if not isinstance(base, Mapping) or not isinstance(changes, Mapping):
        return copy.deepcopy(changes)
    found = {key: copy.deepcopy(value) for key, value in base.items()}
    return found | {key: merged(found.get(key), value) for key, value in changes.items()}


def as_values(argument: Any) -> Any:
    """What `--config` gives, with numbers as such: Snakemake leaves all within a mapping or list as text."""
    if isinstance(argument, Mapping):
        return {key: as_values(value) for key, value in argument.items()}
    if isinstance(argument, list):
        return [as_values(value) for value in argument]
    if not isinstance(argument, str):
        return argument
    try:
        # Of a profile's `config:` Snakemake makes Python's words.
        value = json.loads({"True": "true", "False": "false", "None": "null"}.get(argument, argument))
    except ValueError:
        return argument
    return argument if isinstance(value, str | list | dict) else value
