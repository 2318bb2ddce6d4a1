"""A page as a list of blocks, written as Markdown and as HTML alike, so that both say the same."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from triphase.core.seals import check_png
from triphase.report.templates import render

# Of a page, for each pixel of a figure (300 an inch): all are shown at one scale, so that their text has one size.
PIXELS = 1.25 * 96 / 300


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the title."""

    level: int
    text: str
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Text:
    """A paragraph. In texts `**…**` is bold; all else is said as it is. `look`: a class of templates/page.css."""

    text: str
    look: str = ""
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Items:
    """A list of texts."""

    texts: Sequence[str]
    look: str = ""
    kind: ClassVar[str] = "items"


@dataclass(frozen=True)
class Table:
    """A table: names of columns, rows of cells, which columns hold words, which rows need attention."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    text: Sequence[int] = (0,)
    bad: Sequence[int] = ()
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Picture:
    """A figure, as the path of a PNG, with its caption; of HTML only."""

    path: str | Path
    caption: str
    kind: ClassVar[str] = "picture"

    @property
    def title(self) -> str:
        """The first sentence of the caption."""
        return self.caption.split(". ")[0]

    @cached_property
    def content(self) -> bytes:
        """The file."""
        content = Path(self.path).read_bytes()
        check_png(content, self.path)
        return content

    @property
    def width(self) -> int:
        """Width on the page, from the header of the PNG."""
        return round(int.from_bytes(self.content[16:20], "big") * PIXELS)

    @property
    def address(self) -> str:
        """An address that holds the image itself."""
        return f"data:image/png;base64,{base64.b64encode(self.content).decode()}"


Block = Heading | Text | Items | Table | Picture


def to_html(blocks: Sequence[Block], alone: bool = False) -> str:
    """The blocks as one self-contained page, whose tables a click sorts; `alone`: it is no further page of a study."""
    title = next(block.text for block in blocks if isinstance(block, Heading))
    return render("page.html", title=title, blocks=blocks, alone=alone)


def to_markdown(blocks: Sequence[Block]) -> str:
    """The blocks as Markdown (GitHub's, for the tables)."""
    return "\n\n".join(map(_markdown, blocks)) + "\n"


def _markdown(block):
    match block:
        case Heading(level, text):
            return f"{'#' * level} {_quoted(text)}"
        case Text(text):
            return _quoted(text)
        case Items(texts):
            return "\n".join(f"- {_quoted(text)}" for text in texts)
        case Table(head, rows, text):
            rule = [":--" if place in text else "--:" for place in range(len(head))]
            lines = [_cells(head), f"| {' | '.join(rule)} |", *map(_cells, rows)]
            return "\n".join(lines)


def _cells(cells):
    return "| " + " | ".join(_quoted(cell).replace("|", r"\|") for cell in cells) + " |"


def _quoted(text):
    """A text for Markdown: one line, with what would be read as markup quoted, but for the bold that we mean."""
    return re.sub(r"(?<!\*)\*(?!\*)|(?<!\w)_|[\\`<]", lambda found: "\\" + found[0], " ".join(text.split()))
