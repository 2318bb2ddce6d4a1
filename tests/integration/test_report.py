"""The interactive report in a browser: all of it opens by clicks, tables sort, and no request leaves the machine."""

import base64
import re
import zipfile

import pytest
from chromium import Chromium, executable

pytestmark = pytest.mark.skipif(
    executable() is None, reason="Chromium is not installed (Debian: apt-get install chromium)"
)

FIGURES = ("image/png", "image/svg+xml")
# What a user of Snakemake's report does: home, into a category, the eye or the i of a row.
HOME = "document.querySelector('nav nav a')?.click()"
ENTER = "[...document.querySelectorAll('nav li a')].find(link => link.textContent.trim() === {!r}).click()"
ROWS = "document.querySelectorAll('nav tbody tr').length"
PRESS = "document.querySelectorAll('nav tbody tr')[{}].querySelectorAll('a[type=button]')[{}]"
# The page's own state says what a click has brought up; whether it is seen is asked of the document.
RESULT = "app.state.resultPath"
CONTENT = "document.querySelector('#app nav').nextElementSibling"
VISIBLE = f"{CONTENT}.querySelector('img')?.naturalWidth > 100"


@pytest.fixture(scope="module")
def study(run):
    """A project in which `tiny` has run, with its report in both forms."""
    for name in ("report.html", "report.zip"):
        done = run.snakemake("--report", f"results/tiny/{name}", study="tiny")
        assert done.returncode == 0, done.stdout[-3000:]
    with zipfile.ZipFile(run.results / "report.zip") as packed:
        packed.extractall(run.folder)
    return run


@pytest.fixture
def browser(tmp_path):
    """A browser that must not have asked for anything outside the machine, nor stumbled over a script."""
    with Chromium(tmp_path / "profile") as browser:
        yield browser
        assert browser.outside() == []
        assert browser.errors == []


def enter(browser, category, subcategory):
    """Click one's way to a list of results."""
    browser.run(HOME)
    browser.wait("[...document.querySelectorAll('nav li a')].some(link => link.textContent.trim() === 'Statistics')")
    browser.run(ENTER.format(category))
    browser.wait("app.state.navbarMode !== 'menu'")
    if browser.run("app.state.navbarMode") == "category":
        browser.run(ENTER.format(subcategory))
    browser.wait(f"{ROWS} > 0")


def look(browser, row):
    """Click on the eye of a row; returns the path of the result that is then shown, or can be downloaded."""
    eye = PRESS.format(row, 0)
    if browser.run(f"{eye}.download"):
        return browser.run(f"Object.keys(results).find(path => {eye}.href.endsWith(results[path].data_uri))")
    browser.run(f"{eye}.click()")
    path = browser.run(RESULT)
    kind = browser.run(f"results[{path!r}].mime_type")
    browser.wait(VISIBLE if kind in FIGURES else f"{CONTENT}.querySelector('iframe') !== null")
    return path


@pytest.mark.parametrize("form", ["results/tiny/report.html", "report/report.html"], ids=["html", "zip"])
def test_everything_in_the_report_opens_by_clicks(study, browser, form):
    browser.open(study.folder / form)
    content = browser.run("Object.entries(results).map(([path, entry]) => [path, entry.labels, entry.caption])")
    categories = browser.run("categories")
    assert {"Summary", "Phases", "Brain", "States", "Tasks", "Data", "Checkpoints"} <= set(categories)
    for category, subcategories in categories.items():
        for subcategory, paths in subcategories.items():
            enter(browser, category, subcategory)
            seen = {look(browser, row) for row in range(browser.run(ROWS))}
            assert seen == set(paths), f"{category}: results with the same labels hide each other"
            browser.run(f"{PRESS.format(0, 1)}.click()")
            assert "Description" in browser.run("document.querySelector('nav').textContent")
    for path, labels, caption in content:
        assert labels and "figure" in labels, path
        assert len(re.sub("<[^>]+>", "", caption).strip()) > 40, f"{path} has no caption"


def test_a_figure_taller_than_the_window_is_seen_from_its_top(study, browser):
    browser.open(study.results / "report.html")
    enter(browser, "Phases", "Other")
    next(row for row in range(browser.run(ROWS)) if "triple" in look(browser, row))
    top, height = browser.run(f"(r => [r.top, r.height])({CONTENT}.querySelector('img').getBoundingClientRect())")
    assert height > 1000 and top >= 0


def pages(study):
    """All pages of the study, but for the report itself."""
    return sorted(path for path in study.results.rglob("*.html") if path.name != "report.html")


CELLS = "[...document.querySelectorAll('table')][{}]"
COLUMN = f"[...{CELLS}.tBodies[0].rows].map(row => row.cells[{{}}].textContent.trim())"
NUMBER = re.compile(r"([+-]?\d[\d,]*\.?\d*(?:e\d+)?)(?: ([kMBT])\b)?")


def order(text):
    """How a cell should be sorted: numbers by size, before words; words with their numbers by size."""
    if found := NUMBER.match(text):
        unit = {"k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12, None: 1}[found[2]]
        return 0, float(found[1].replace(",", "")) * unit, ""
    return 1, 0, text


def test_tables_sort_by_a_click(study, browser):
    sorted_columns = 0
    for path in pages(study):
        if "<table>" not in path.read_text():
            continue
        browser.open(path)
        for number in range(browser.run("document.querySelectorAll('table').length")):
            for column in range(browser.run(f"{CELLS.format(number)}.tHead.rows[0].cells.length")):
                click = f"{CELLS.format(number)}.tHead.rows[0].cells[{column}].click()"
                before = browser.run(COLUMN.format(number, column))
                for down in (False, True):
                    browser.run(click)
                    after = browser.run(COLUMN.format(number, column))
                    assert sorted(after) == sorted(before)
                    numbers = [order(text) for text in after if order(text)[0] == 0]
                    assert numbers == sorted(numbers, reverse=down), (path.name, number, column)
                sorted_columns += len(set(before)) > 1
    assert sorted_columns > 20


def test_pages_show_their_figures(study, browser):
    names = {path.name for path in pages(study)}
    assert {"data.html", "summary.html", "tables.html"} <= names
    for path in pages(study):
        browser.open(path)
        assert browser.run("[...document.images].every(image => image.complete && image.naturalWidth > 0)"), path
        assert (
            browser.run("document.body.innerText.trim().length + document.querySelectorAll('svg, canvas').length") > 0
        )


def test_what_leaves_the_machine_would_be_seen(tmp_path):
    frame = base64.b64encode(b"<script>fetch('https://example.org/b')</script>").decode()
    page = tmp_path / "page.html"
    page.write_text(
        f"<img src='http://example.org/a.png'><iframe src='data:text/html;base64,{frame}'></iframe>"
        "<script>new WebSocket('ws://example.org/c'); missing()</script>"
    )
    with Chromium(tmp_path / "profile") as browser:
        browser.open(page)
        wanted = {"http://example.org/a.png", "https://example.org/b", "ws://example.org/c"}
        assert wanted <= {address.rstrip("/") for address in browser.outside()}
        assert any("missing is not defined" in error for error in browser.errors)
