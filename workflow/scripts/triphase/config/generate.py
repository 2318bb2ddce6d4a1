"""Writes what is made of the schema: `python -m triphase.config.generate` (`make reference`).

The JSON schema for editors, and the reference of all keys. A test says when one of them is stale.
"""

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from triphase.config.schema import Study, Synthesis
from triphase.config.schema.overlay import Node, described, editor_schema, json_schema, keys
from triphase.core.folders import PROJECT

HEAD = """# Reference of the config

Made from `workflow/scripts/triphase/config/schema/` by `make reference`: edit that, not this page. How files are
merged: [how to write a config](../how_to/config.md); what a change to one costs: [reruns](../concepts/reruns.md).

A study gives what has no default (the words beside a default of null say what stands in its place). Choices that are
this project's own and not a published paper's are marked **[ours]**. In paths, `[]` stands for each entry of a list.
"""

SYNTHESIS_HEAD = """# Reference of a synthesis

Made from `workflow/scripts/triphase/config/schema/synthesis.py` by `make reference`: edit that, not this page.
A synthesis joins finished studies: `snakemake --cores 1 synthesis --configfile config/syntheses/triple.yaml`.
"""


def files() -> dict[Path, str]:
    """Every generated file of the project, with its text."""
    found = {}
    for kind, name, head in (
        (Study, "config", HEAD + "\n## The study"),
        (Synthesis, "synthesis", SYNTHESIS_HEAD),
    ):
        text = json.dumps(editor_schema(kind), indent=1, ensure_ascii=False) + "\n"
        found[PROJECT / f"workflow/schemas/{name}.schema.json"] = text
        found[PROJECT / f"docs/reference/{name}.md"] = reference(kind, head)
    return found


def reference(kind: type[BaseModel], head: str) -> str:
    """The page that explains every key."""
    schema = json_schema(kind)
    told = [(path, node) for path, node, _ in keys(schema) if "description" in node]
    parts = [head, _table(schema, [(path, node) for path, node in told if "/" not in path], "")]
    for name, node in schema["properties"].items():
        reference = node.get("$ref") or node.get("items", {}).get("$ref")
        if reference:
            place = f"{name}/[]/" if "items" in node else f"{name}/"
            rows = [(path, node) for path, node in told if path.startswith(place)]
            summary, *notes = _prose(schema, reference)
            parts += [
                f"## `{name}`{', a list' if 'items' in node else ''}",
                summary,
                _table(schema, rows, place),
                *notes,
            ]
            for path, inner, _ in keys(schema):
                for below, entries in _references(inner) if path.startswith(place) else []:
                    parts += [f"**`{path.removeprefix(place)}{entries}`**: {' '.join(_prose(schema, below))}"]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _references(node: Node) -> Iterator[tuple[str, str]]:
    """Sections that a key holds, each with "/[]" where it holds a list of them."""
    for option in [node, *node.get("anyOf", [])]:
        for part, entries in ((option, ""), (option.get("items", {}), "/[]")):
            if "$ref" in part:
                yield part["$ref"], entries


def _prose(schema: Node, reference: str) -> list[str]:
    """Paragraphs of a section's docstring, a line each."""
    text = inspect.cleandoc(schema["$defs"][reference.rsplit("/", 1)[1]]["description"])
    return [paragraph.replace("\n", " ") for paragraph in text.split("\n\n")]


def _table(schema: Node, rows: list[tuple[str, Node]], place: str) -> str:
    lines = ["| key | value | default, and why | meaning |", "|---|---|---|---|"]
    for path, node in rows:
        value = described(schema, node) + (f" ({node['unit']})" if "unit" in node else "")
        default = f"`{_yaml(node['default'])}`: {node['why']}" if "default" in node else "to be given"
        texts = [node["description"], f"**{_bracketed(node['mark'])}**" if "mark" in node else ""]
        texts += [f"Example: `{_yaml(example)}`." for example in node.get("examples", [])]
        cells = [f"`{path.removeprefix(place)}`", value, default, " ".join(text for text in texts if text)]
        lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(lines)


def _bracketed(mark: str) -> str:
    return mark if mark.startswith("[") else f"[{mark}]"


def _yaml(value: Any) -> str:
    """A value in one line of YAML."""
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def main() -> None:
    """Write the generated files."""
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(PROJECT))


if __name__ == "__main__":
    main()
