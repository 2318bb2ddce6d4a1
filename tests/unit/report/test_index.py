"""The first page says what the study found, links to what there is, and holds all that it shows."""

import re

import pandas as pd
import pytest
from chromium import Chromium, executable
from matplotlib.figure import Figure

from triphase.report.figures.style import save
from triphase.report.pages.blocks import Heading, Table, to_html
from triphase.report.pages.index import FILES, PAGES, Found, index_page, plain_reason

PHASES = {
    "verdict": "not supported",
    "reason": "not supported: the curve is rise-plateau, and a fall of 20% would have been found with power 93%; more",
    "pattern": "rise-plateau",
    "segments": [{"kind": "rise", "from": 1e6, "to": 2e9}, {"kind": "plateau", "from": 2e9, "to": 3e11}],
    "n_checkpoints": 15,
    "power": 0.93,
    "subjects": {"a": {"verdict": "not supported"}, "b": {"verdict": "supported"}},
    "headline": {"roi": "language"},
    "provenance": {"settings": {"smallest_fall": 0.2}},
}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    picture = tmp_path_factory.mktemp("figures") / "triple.png"
    save(Figure(figsize=(4, 3)), picture)
    analyses = pd.DataFrame()
    analyses.attrs = {"counts": {"supported": 1, "not supported": 30, "undetermined": 5}}
    models = ["one", "<two>"]
    found = Found(
        study="mine",
        description={"dataset": {"title": "A data set", "name": "ds1"}, "findings": ["sub-03 lacks run 2"]},
        phases={
            "one": PHASES,
            "<two>": PHASES | {"verdict": "supported", "reason": "supported: it is so", "power": 0.04},
        },
        specifications=dict.fromkeys(models, analyses),
        figures=[("figures/triple_one.png", "three perspectives", "Phases")],
        pictures={model: (picture, f"**Perspectives on {model}.** What is drawn.") for model in models},
        gaps=["models/one: the grid of checkpoints is thin between 1e+09 and 4e+10 (40 x) tokens"],
    )
    return index_page(found)


def words(page):
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.S).split())


def test_every_number_is_that_of_the_results(page):
    text = words(page)
    assert "The curve is rise-plateau, and a fall of 20% would have been found with power 93%." in text
    for said in (
        "rise 1.00 M to 2.00 B tokens",
        "plateau 2.00 B to 300 B tokens",
        "checkpoints fitted 15",
        "power for a fall of 20 % of the first rise 93 %",
        "subjects that agree, each judged alone 1 of 2",
        "analyses that agree 30 of 36",
        "sub-03 lacks run 2",
        "Three phases: not supported for one; supported for &lt;two&gt;.",
    ):
        assert said in text, said
    assert text.count("power for a fall") == 1, "what was found needs no power to be found"


def test_a_reason_is_one_sentence_without_its_verdict():
    assert plain_reason({"verdict": "supported", "reason": "supported: all is so; and more"}) == "All is so."


def test_links_lead_to_pages_figures_and_files(page):
    links = re.findall(r'href="([^"]+)"', page)
    assert links == [*PAGES, "figures/triple_one.png", *FILES]


@pytest.mark.skipif(executable() is None, reason="Chromium is not installed")
def test_a_browser_shows_it_without_requests_errors_or_sideways_scrolling(page, tmp_path):
    path = tmp_path / "index.html"
    path.write_text(page, encoding="utf-8")
    with Chromium(tmp_path / "profile") as browser:
        browser.send("Emulation.setDeviceMetricsOverride", browser.page, width=375, height=800, deviceScaleFactor=1,
                     mobile=True)  # fmt: skip
        browser.open(path)
        assert not browser.outside() and not browser.errors
        assert browser.run("document.documentElement.scrollWidth") <= 375
        assert browser.run("[...document.images].every(image => image.alt && image.naturalWidth > 0)")


@pytest.mark.skipif(executable() is None, reason="Chromium is not installed")
def test_a_long_table_is_searched_and_taken_away(tmp_path):
    rows = [[f"model {number}", "supported" if number % 3 == 0 else 'not, "quite"'] for number in range(12)]
    path = tmp_path / "tables.html"
    path.write_text(to_html([Heading(1, "Tables"), Table(["model", "verdict"], rows, text=(0, 1))]), encoding="utf-8")
    with Chromium(tmp_path / "profile") as browser:
        browser.open(path)
        browser.run("field = document.querySelector('.tools input'), field.value = 'Supported', "
                    "field.dispatchEvent(new Event('input'))")  # fmt: skip
        assert browser.run("document.querySelector('.tools span').textContent") == "4 of 12 rows"
        assert browser.run("[...document.querySelectorAll('tbody tr')].filter(row => !row.hidden).length") == 4
        browser.run("field.value = 'model 1', field.dispatchEvent(new Event('input'))")
        taken = (
            "URL.createObjectURL = blob => (kept = blob, 'blob:none'), document.querySelector('.tools button').click()"
        )
        browser.run(taken)
        lines = browser.run("kept.text()").splitlines()
    # A word is looked for anywhere: 1, 10 and 11. `text` takes off the mark that says UTF-8.
    assert lines == ["model,verdict", *(f'model {number},"not, ""quite"""' for number in (1, 10, 11))]


def test_where_the_grid_is_thin_is_said(page):
    assert "What to know about the checkpoints" in page
    assert "models/one: the grid of checkpoints is thin between 1e+09 and 4e+10 (40 x) tokens" in page
