"""A page as a list of blocks, written as Markdown and as HTML alike, so that both say the same."""

import re
from dataclasses import dataclass
from html import escape

from triphase.report import html_page


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the title."""

    level: int
    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph. In texts `**…**` is bold; all else is said as it is."""

    text: str


@dataclass(frozen=True)
class Items:
    """A list of texts."""

    texts: list[str]


@dataclass(frozen=True)
class Table:
    """A table: names of columns, rows of cells; `text`: indices of the columns that hold words."""

    head: list[str]
    rows: list[list[str]]
    text: tuple[int, ...] = (0,)


def to_markdown(blocks):
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


def to_html(blocks):
    """The blocks as one self-contained page."""
    title = next(block.text for block in blocks if isinstance(block, Heading))
    return html_page.page(title, map(_html, blocks))


def _html(block):
    match block:
        case Heading(level, text):
            return f"<h{level}>{_marked(text)}</h{level}>"
        case Text(text):
            return f"<p>{_marked(text)}</p>"
        case Items(texts):
            return "<ul>" + "".join(f"<li>{_marked(text)}</li>\n" for text in texts) + "</ul>"
        case Table(head, rows, text):
            return html_page.table(head, [(row, False) for row in rows], text)


def _marked(text):
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(text, quote=False))
