"""The JSON schema of typed sections: for editors, for messages, and for the reference."""

import inspect
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from triphase.config.places import Place

Node = dict[str, Any]
# Bounds that nobody reaches but by a slip are told to whoever does.
FAR = 2**53
FACTS = ("unit", "why", "mark", "bound")


class _Plain(GenerateJsonSchema):
    """In the order in which keys are written, without the titles that pydantic makes of names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def sort(self, value: Any, parent_key: str | None = None) -> Any:
        return value


@cache
def json_schema(model: type[BaseModel]) -> Node:
    """JSON schema of a typed section as pydantic has it, with what `key` says (unit, why, mark) beside the bounds."""
    return model.model_json_schema(schema_generator=_Plain)


def editor_schema(model: type[BaseModel]) -> Node:
    """JSON schema (draft 7, which editors know) of a file that need not say what has a default."""
    schema = json.loads(json.dumps(json_schema(model)))
    for part in [schema, *schema["$defs"].values()]:
        del part["title"]
        part["description"] = inspect.cleandoc(part["description"]).split("\n\n")[0].replace("\n", " ")
        for node in part.get("properties", {}).values():
            _for_editors(node)
    return {"$schema": "http://json-schema.org/draft-07/schema#", **schema}


def _for_editors(node: Node) -> None:
    facts = {name: node.pop(name) for name in FACTS if name in node}
    texts = [node.get("description", ""), facts.get("mark")]
    texts += [f"Unit: {facts['unit']}."] if "unit" in facts else []
    texts += [f"Default: {json.dumps(node.get('default'))}, {facts['why']}."] if "why" in facts else []
    if any(texts):
        node["description"] = " ".join(text for text in texts if text)
    if isinstance(node.get("default"), dict) and "properties" not in node:
        del node["default"]
    if "prefixItems" in node:
        node["items"] = node.pop("prefixItems")


def node_at(schema: Node, path: Place) -> Node | None:
    """The part of a JSON schema that is about one place of a file: keys, and numbers of entries; None where none is."""
    nodes = [schema]
    for part in path:
        nodes = [below for node in nodes for branch in _branches(schema, node) for below in _below(branch, part)]
    return nodes[0] if nodes else None


def keys_at(schema: Node, path: Place) -> list[str]:
    """Keys that the mapping at a place may have."""
    node = node_at(schema, path)
    branches = _branches(schema, node) if node else []
    return [key for branch in branches for key in branch.get("properties", {})]


def keys(schema: Node) -> Iterator[tuple[str, Node, bool]]:
    """Every key of a schema: whole path, entries of lists as []; what is said of it; and whether it is a leaf.

    A leaf holds a value (a scalar, a list of scalars, a free mapping), where other keys hold sections or lists of them.
    """
    yield from _keys(schema, schema, "")


def defaults(schema: Node) -> Node:
    """A config in which nothing is said: sections, and keys that have a default."""
    return _defaults(schema, schema)


def _keys(schema: Node, node: Node, path: str) -> Iterator[tuple[str, Node, bool]]:
    for branch in _branches(schema, node):
        for key, below in branch.get("properties", {}).items():
            place = f"{path}/{key}".removeprefix("/")
            forms = _branches(schema, below)
            entries = [part for form in forms if "items" in form for part in _branches(schema, form["items"])]
            lists = [part for part in entries if "properties" in part]
            values = [form for form in forms if "properties" not in form and form.get("type") != "null"]
            yield place, below, len(values) > bool(lists)
            yield from _keys(schema, {"anyOf": forms}, place)
            yield from _keys(schema, {"anyOf": lists}, f"{place}/[]")


def _defaults(schema: Node, node: Node) -> Node:
    (node,), found = _branches(schema, node), {}
    for key, below in node["properties"].items():
        if "default" in below:
            found[key] = below["default"]
        elif "$ref" in below:
            found[key] = _defaults(schema, below)
    return found


def _branches(schema: Node, node: Node) -> list[Node]:
    if "$ref" in node:
        node = {**schema["$defs"][node["$ref"].rsplit("/", 1)[1]], **{k: node[k] for k in node if k != "$ref"}}
    return [part for option in node["anyOf"] for part in _branches(schema, option)] if "anyOf" in node else [node]


def _below(branch: Node, part: str | int) -> list[Node]:
    if isinstance(part, int):
        placed = branch.get("prefixItems", [])
        return placed[part : part + 1] or ([branch["items"]] if "items" in branch else [])
    if part in branch.get("properties", {}):
        return [branch["properties"][part]]
    rest = branch.get("additionalProperties")
    return [rest] if isinstance(rest, dict) else []


def described(schema: Node, node: Node, many: bool = False) -> str:
    """What a value must be, in words: "an integer >= 1", "a list of numbers >= 0 or null"."""
    if "$ref" in node:
        return described(schema, schema["$defs"][node["$ref"].rsplit("/", 1)[1]], many)
    if "anyOf" in node:
        return " or ".join(dict.fromkeys(described(schema, option, many) for option in node["anyOf"]))
    if "enum" in node or "const" in node:
        values = [json.dumps(value).strip('"') for value in node.get("enum", [node.get("const")])]
        return f"{'' if many else 'one of '}{', '.join(values)}" if len(values) > 1 else values[0]
    if "title" in node and node.get("type") == "string":
        return node["title"].replace(" (", "s (", 1) if many else f"a {node['title']}"
    kind, plural = {
        "string": ("text", "texts"),
        "integer": ("an integer", "integers"),
        "number": ("a number", "numbers"),
        "boolean": ("true or false", "true or false"),
        "null": ("null", "null"),
        "array": ("a list", "lists"),
    }.get(node.get("type", ""), ("a mapping", "mappings"))
    text = plural if many else kind
    if 0 < len(node.get("properties", {})) < 5:
        text += f" ({', '.join(node['properties'])})"
    if "prefixItems" in node:
        return f"{text} of {', '.join(described(schema, part) for part in node['prefixItems'])}"
    if "items" in node:
        text += f" of {described(schema, node['items'], many=True)}"
    bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    said = {name: sign for name, sign in bounds.items() if abs(node.get(name, FAR)) < FAR}
    text += " and".join(f" {sign} {_number(node[name])}" for name, sign in said.items())
    text += f" ({node['bound']})" if "bound" in node and "maximum" in said and not many else ""
    least, most = node.get("minItems"), node.get("maxItems")
    if least or most:
        text += f" ({f'exactly {most}' if least == most else f'at least {least}'})"
    return text


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"
