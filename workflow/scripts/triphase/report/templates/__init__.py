"""Templates of pages that hold everything they show, so that they open anywhere and request nothing.

The digest of a script that uses this module counts all files of this folder.
"""

from functools import cache
from pathlib import Path
from typing import Any


@cache
def _environment():
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    loader = FileSystemLoader(Path(__file__).parent)
    return Environment(
        loader=loader,
        autoescape=select_autoescape(),  # pages, and not Markdown
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(name: str, **values: Any) -> str:
    """A text: the template of this name, filled in with values, which are escaped where it is a page of HTML."""
    return _environment().get_template(name).render(values)


def plain(name: str) -> str:
    """A file of this folder as it stands."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
