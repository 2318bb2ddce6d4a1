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
// Long tables are searched and taken away as a file.
const LONG = 8;
function quoted(cell) {
  const text = cell.textContent.trim();
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
function download(table) {
  const rows = [...table.rows].filter((row) => !row.hidden);
  const text = rows.map((row) => [...row.cells].map(quoted).join(",") + "\r\n").join("");
  const link = document.createElement("a");
  // The mark at the start tells spreadsheets that the text is UTF-8.
  link.href = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" }));
  link.download = `${document.title} ${[...document.querySelectorAll("table")].indexOf(table) + 1}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}
function filter(table, words, count) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean), rows = [...table.tBodies[0].rows];
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !wanted.every((word) => text.includes(word));
  }
  count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
}
for (const table of document.querySelectorAll("table")) {
  if (table.tBodies[0].rows.length <= LONG) continue;
  const tools = document.createElement("div"), field = document.createElement("input");
  const button = document.createElement("button"), count = document.createElement("span");
  tools.className = "tools";
  field.type = "search";
  field.placeholder = "rows with these words";
  field.ariaLabel = "show only rows with these words";
  field.addEventListener("input", () => filter(table, field.value, count));
  button.textContent = "Download as CSV";
  button.addEventListener("click", () => download(table));
  tools.append(field, count, button);
  table.closest(".wide").before(tools);
  filter(table, "", count);
}
