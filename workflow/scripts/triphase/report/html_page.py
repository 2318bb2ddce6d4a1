"""Pages that hold everything they show, so that they open anywhere and request nothing; a click sorts their tables."""

from html import escape

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: #1a1a1a; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; }
h2 { font-size: 1.15rem; margin-top: 2.2rem; border-bottom: 1px solid #ccc; }
p.sub { color: #555; margin-top: .2rem; }
table { border-collapse: collapse; font-size: .82rem; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .18rem .5rem; border-bottom: 1px solid #e4e4e4; vertical-align: top; }
th { border-bottom: 1px solid #888; font-weight: 600; cursor: pointer; }
th:hover, th:focus-visible { background: #eef3f7; outline: none; }
th[aria-sort]::after { content: " ▲"; font-size: .7em; }
th[aria-sort=descending]::after { content: " ▼"; }
td.text, th.text { text-align: left; }
.wide { overflow-x: auto; }
figure { margin: 1rem 0; }
img { max-width: 100%; height: auto; }
figcaption { font-size: .82rem; color: #444; }
ul.findings { border-left: 4px solid #D55E00; background: #fdf3ec; padding: .6rem .6rem .6rem 2rem; }
p.none { border-left: 4px solid #009E73; background: #edf7f3; padding: .6rem; }
tr.bad td { background: #fdf3ec; }
@media print {
  body { max-width: none; margin: 0; font-size: 10pt; }
  h2 { break-after: avoid; }
  figure, tr { break-inside: avoid; }
  .wide { overflow: visible; }
}
"""
# A click on a column's head, or Enter, sorts by it, and again turns the order; numbers go by size, with their units.
SORT = """
const UNIT = { k: 1e3, M: 1e6, B: 1e9, T: 1e12 };
function key(cell) {
  const text = cell.textContent.trim();
  const found = text.replace(/,(?=\\d{3})/g, "").match(/^([+-]?\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?)\\s?([kMBT](?![a-z]))?/);
  return found ? found[1] * (UNIT[found[2]] || 1) : text;
}
function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "number" || typeof b === "number") return typeof a === "number" ? -1 : 1;
  return a.localeCompare(b, undefined, { numeric: true });
}
function sort(head) {
  const at = head.cellIndex, body = head.closest("table").tBodies[0];
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...body.rows].sort((a, b) => compare(key(a.cells[at]), key(b.cells[at])));
  body.append(...(down ? rows.reverse() : rows));
}
for (const head of document.querySelectorAll("th")) {
  head.tabIndex = 0;
  head.title = "sort";
  head.addEventListener("click", () => sort(head));
  head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(head); });
}
"""


def table(head, rows, text=(0,)):
    """An HTML table.

    Parameters
    ----------
    head : list of str
    rows : list of (list of str, bool): cells, and whether the row needs attention
    text : indices of the columns that hold words
    """

    def cells(tag, values):
        classes = ['class="text"' if place in text else "" for place in range(len(values))]
        return "".join(f"<{tag} {c}>{escape(str(v))}</{tag}>" for c, v in zip(classes, values, strict=True))

    body = "".join(f"<tr{' class=bad' if bad else ''}>{cells('td', row)}</tr>\n" for row, bad in rows)
    return f'<div class="wide"><table><thead><tr>{cells("th", head)}</tr></thead><tbody>\n{body}</tbody></table></div>'


def page(title, parts):
    """A whole page of parts, each HTML."""
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style>\n</head>\n'
        f"<body>\n{body}\n<script>{SORT}</script>\n</body>\n</html>\n"
    )
