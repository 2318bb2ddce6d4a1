"""Checks of what was read from YAML against typed sections; messages say key, value and what would be right."""

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triphase.config.moved import moved
from triphase.config.places import Place, Problems, Sources, refuse
from triphase.core.errors import InputError

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError


def problems_of(content: Any, model: type["BaseModel"], place: Place = ()) -> Problems:
    """Everything in which some content is not what typed sections allow.

    Parameters
    ----------
    content : as read from YAML
    model : the typed section
    place : path of the content in the config, put before the keys

    Returns
    -------
    list of (path, message): keys and numbers of entries on the way to the mistake, and one line that names the key, its
    value and what would be right
    """
    from pydantic import ValidationError

    found = _repeated_names(content, ())
    try:
        model.model_validate(content)
    except ValidationError as error:
        found = _mistakes(error, content, model) + found
    return [
        ((*place, *path), f"{'/'.join([*map(str, place), *_shown(path, content)]) or 'top level'}: {text}")
        for path, text in found
    ]


def _repeated_names(node: Any, path: Place) -> Problems:
    """Lists of named mappings in which two have the same name."""
    if isinstance(node, Mapping):
        return [problem for key, value in node.items() for problem in _repeated_names(value, (*path, key))]
    if not isinstance(node, list):
        return []
    found = [problem for place, entry in enumerate(node) for problem in _repeated_names(entry, (*path, place))]
    names = [entry["name"] for entry in node if isinstance(entry, Mapping) and "name" in entry]
    if twice := list(dict.fromkeys(repr(name) for name in names if names.count(name) > 1)):
        found.append((path, f"name {', '.join(twice)} is used more than once; names must differ"))
    return found


def require_known(where: str, names: Iterable[str], known: Iterable[str], what: str) -> None:
    """InputError for the first of `names` that is not in `known`, with all of those and the nearest of them."""
    for name in names:
        if name not in known:
            near = get_close_matches(str(name), [str(other) for other in known], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{where}: {name!r} {what}: {', '.join(known) or 'none'}{hint}")


def _mistakes(error: "ValidationError", content: Any, model: type["BaseModel"]) -> Problems:
    from triphase.config.schema.overlay import json_schema

    schema, raised = json_schema(model), {}
    for detail in error.errors(include_url=False):
        path, value = _walked(content, detail)
        # Of a value that may have several forms each form complains; the one that got furthest was meant.
        if path not in raised or detail["type"] == "value_error":
            raised[path] = detail, value
    reached = {path[:depth] for path in raised for depth in range(len(path))}
    found = []
    for path, (detail, value) in raised.items():
        if path not in reached:
            old = [(place, f"no key any more (here {_text(given)}): {now}") for place, given, now in moved(path, value)]
            found += old or [(path, _said(schema, path, value, detail))]
    return found


def _walked(content: Any, detail: Mapping[str, Any]) -> tuple[Place, Any]:
    """Path of one of pydantic's errors, without the forms of a value that were tried; and the value there."""
    path, value = [], content
    for part in detail["loc"]:
        if part in value if isinstance(value, Mapping) else isinstance(value, list) and part in range(len(value)):
            value = value[part]
            path.append(part)
    lacks = detail["type"] == "missing" and isinstance(value, Mapping)
    last = detail["loc"][-1:]
    return (*path, *last) if lacks or last == ("[key]",) else tuple(path), value


def _shown(path: Place, content: Any) -> list[str]:
    """Parts of a path, with the names of entries that have one."""
    parts: list[str] = []
    for place, part in enumerate(path):
        listed = isinstance(content, list) and isinstance(part, int)
        content = content[part] if listed or isinstance(content, Mapping) and part in content else {}
        name = content.get("name") if isinstance(part, int) and isinstance(content, Mapping) else None
        parts.append(name if isinstance(name, str) and path[place + 1 :] != ("name",) else str(part))
    return parts


def _said(schema: dict[str, Any], path: Place, value: Any, detail: Mapping[str, Any]) -> str:
    """What is wrong with a value, and what would be right."""
    from triphase.config.schema.overlay import FAR, described, keys_at, node_at

    if detail["type"] == "extra_forbidden":
        known = keys_at(schema, path[:-1])
        hint = _suggested(schema, path, known)
        return f"no such key (here {_text(value)}); {hint}there are {', '.join(sorted(known))}"
    if detail["type"] == "invalid_key":
        return f"no such key (here {_text(value)}); keys are text: put it in quotes if YAML reads it as something else"
    if path[-1:] == ("[key]",):
        names = (node_at(schema, path[:-2]) or {}).get("propertyNames", {})
        return f"no such key; it must be {described(schema, names)}"
    node = node_at(schema, path) or {}
    if detail["type"] == "missing" and path[-1] == detail["loc"][-1]:
        return f"the key is missing; it must be {described(schema, node)}"
    if detail["type"] == "value_error":
        return f"{_text(value)} {detail['ctx']['error']}"
    most = detail["ctx"]["le"] if detail["type"] == "less_than_equal" else 0
    return f"{_text(value)} must be {described(schema, node)}" + (f" and at most {most:g}" if most >= FAR else "")


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) < 80 else text[:77] + "…"


def _suggested(schema: dict[str, Any], path: Place, known: list[str]) -> str:
    from triphase.config.schema.overlay import keys

    elsewhere = [other for other, *_ in keys(schema) if other.endswith(f"/{path[-1]}")]
    near = elsewhere or get_close_matches(str(path[-1]), known, n=1)
    return f"did you mean {near[0]}? " if near else ""


def read_yaml(path: str | Path, key: str = "") -> Any:
    """Content of a YAML file in UTF-8.

    Parameters
    ----------
    path : path of the file
    key : put before the path in messages: the key of the config that names it

    Raises
    ------
    InputError : the file, and why it cannot be read
    """
    import yaml

    where = f"{key}: {path}" if key else str(path)
    try:
        return yaml.load(Path(path).read_bytes().decode("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise InputError(f"{where} cannot be read ({error.strerror or error}); name a file that is there") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{where} is not YAML in UTF-8 ({' '.join(str(error).split())})") from None


def read_checked(path: str | Path, model: type["BaseModel"], key: str = "") -> Any:
    """Content of a YAML file that is what typed sections allow; as `read_yaml`, and with its mistakes line by line."""
    content, sources = read_yaml(path, key), Sources([Path(path)])
    problems = [*problems_of(content, model), *sources.surprises()]
    refuse(problems, sources)
    return content
