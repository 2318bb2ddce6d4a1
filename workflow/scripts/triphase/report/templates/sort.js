// A click on a column's head, or Enter, sorts by it, and again turns the order; numbers go by size, with their units.
const UNIT = { k: 1e3, M: 1e6, B: 1e9, T: 1e12 };
function key(cell) {
  const text = cell.textContent.trim();
  const found = text.replace(/,(?=\d{3})/g, "").match(/^([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s?([kMBT](?![a-z]))?/);
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
