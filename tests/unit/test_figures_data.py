"""The data report: figures hold what the description says, and the page asks nobody for anything."""

import re
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pytest

from triphase.data_page import data_page
from triphase.figures.data import draw_ceiling_map, draw_ceilings, draw_runs, draw_timing
from triphase.figures.style import save
from triphase.timing import LAGS


def description(subjects=3, runs=2, rois=("Aud", "LTemp"), motion=True, group=True, kind="isc"):
    """What `describe_data` writes, made up."""
    curve = np.exp(-((LAGS / 4) ** 2)).tolist()
    record = {"stimulus": "<one>", "volumes": 100, "nonfinite": 0, "constant": 3, "sound_onset": 0.5}
    record |= {"mean_fd": 0.2 if motion else None, "max_fd": 1.0 if motion else None}
    peak = {"lag": 0.5, "r": 0.4, "p": 0.002, "curve": curve}
    names = [f"s{s}" for s in range(subjects)]
    regions = [*rois, "language", "all"]
    return {
        "study": "x",
        "dataset": {
            "name": "ds1", "title": "A & B", "url": "https://example.org/x", "version": "1", "commit": "abc",
            "license": "CC0", "citation": "Somebody <2020>", "language": "en", "source": "roi", "reader": "text",
            "space": "mni", "tr": 2.0,
        },
        "unit": "word",
        "findings": ["Runs that are missing: s0 (run-1)."],
        "runs": [
            {"run": f"run-{r}", "stimulus": "<one>", "test": r == 1, "subjects": subjects, "volumes": [100],
             "events": 5, "first": 0.5, "last": 9.0, "rate": 1.7}
            for r in range(runs)
        ],
        "subjects": [
            {"subject": name, "voxels": 10, "valid": 7, "volumes": 100, "seconds": 200.0, "files": 3, "bytes": 10**6,
             "runs": [{"run": f"run-{r}", **record} for r in range(name == "s0", runs)]}
            for name in names
        ],
        "ceilings": [
            {"subject": name, "roi": roi, "ceiling": 0.3, "low": 0.2, "high": 0.4, "n_voxels": 5,
             "n_subjects": subjects, "kind": kind}
            for name in ["group", *names]
            for roi in regions
        ],
        "timing": {
            "lags": LAGS.tolist(), "decisive": ["Aud"], "plausible": True if group else None, "reason": "because",
            "group": [
                {"roi": roi, "raw": peak, "convolved": peak, "plausible": True, "reason": "fine"} for roi in rois
            ] if group else [],
            "subjects": [
                {"subject": name, "roi": roi, "lag": 0.5, "r": 0.3, "raw_lag": 5.0, "curve": curve}
                for name in names for roi in rois
            ] if group else [],
        },
    }  # fmt: skip


def texts(figure):
    return " | ".join(text.get_text() for text in figure.findobj(plt.Text) if text.get_text())


def test_every_run_has_its_cell_and_missing_ones_are_hatched():
    figure = draw_runs(description())
    assert len(figure.axes) == 6  # three tables, three scales
    hatched = [patch for patch in figure.axes[0].patches if patch.get_hatch()]
    assert len(hatched) == 1  # run-0 of s0
    assert texts(figure).count("0.20") == 5 and "length (minutes)" in texts(figure)
    # Without motion its table is left out, and that is said.
    figure = draw_runs(description(motion=False))
    assert "no confounds that tell it" in texts(figure) and "0.20" not in texts(figure)


@pytest.mark.parametrize(("subjects", "runs"), [(28, 1), (9, 84), (1, 1)])
def test_the_longer_side_runs_across(subjects, runs, tmp_path):
    figure = draw_runs(description(subjects=subjects, runs=runs))
    across = figure.axes[0].get_images()[0].get_array().shape[1]
    assert across == max(subjects, runs)
    save(figure, tmp_path / "a.png")


def test_lags_are_drawn_for_every_region_up_to_a_page():
    figure = draw_timing(description())
    assert "Aud*: 0.5 s, p = 0.0020" in texts(figure) and "plausible" in texts(figure)
    peak = figure.axes[0].lines[-1]
    assert peak.get_xdata() == pytest.approx([0.5]) and peak.get_ydata() == pytest.approx([0.4])
    many = draw_timing(description(rois=[f"p{i}" for i in range(40)]))
    assert len(many.axes) == 12
    assert "because" in texts(draw_timing(description(group=False)))


def rows_of(entry, roi):
    """The ceilings of one region alone."""
    return [row for row in entry["ceilings"] if row["roi"] == roi]


def test_ceilings_show_subjects_and_their_mean():
    figure = draw_ceilings(description())
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["Aud", "LTemp", "language", "all"]
    assert "n = 3 single subjects" in texts(figure) and "inter-subject correlation" in texts(figure)
    assert "n = 1 subject," in texts(draw_ceilings(description(subjects=1, kind="repeats")))
    fine = draw_ceilings(description(rois=[f"p{i}" for i in range(400)]))
    assert len(fine.axes[0].get_xticks()) == 24
    # Of one region too, its heading fits.
    few = draw_ceilings(description() | {"ceilings": rows_of(description(), "all")})
    heading = few._suptitle.get_window_extent(few.canvas.get_renderer())
    assert heading.x0 >= 0 and heading.x1 <= few.bbox.x1
    unknown = description()
    for row in unknown["ceilings"]:
        row.update(ceiling=None, low=None, high=None)
    assert "not known" in texts(draw_ceilings(unknown))


def test_the_map_has_a_scale_even_of_nothing(tmp_path):
    xyz = np.array([[-50.0, -20, 8], [-46, -20, 8], [-50, -16, 8], [50, -20, 12]])
    figure = draw_ceiling_map(np.array([0.1, 0.5, np.nan, 0.4]), xyz, "repeats", 2)
    assert "Noise ceiling" in texts(figure) and "2 subjects" in texts(figure)
    save(figure, tmp_path / "a.png", tmp_path / "a.svg")
    assert "no ceiling is known" in texts(draw_ceiling_map(np.full(4, np.nan), xyz, "isc", 0))


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.tags = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href", "srcset", "data")]


def test_the_page_is_whole_and_requests_nothing(tmp_path):
    figure = draw_ceilings(description())
    save(figure, tmp_path / "a.png")
    page = data_page(description(), dict.fromkeys(("runs", "timing", "ceilings", "brain"), tmp_path / "a.png"))
    parser = Links()
    parser.feed(page)
    assert len(parser.links) == 4 and all(link.startswith("data:image/png;base64,") for link in parser.links)
    assert not {"script", "link", "iframe"} & set(parser.tags) and "@import" not in page and "url(" not in page
    assert "Somebody &lt;2020&gt;" in page and "A &amp; B" in page and "&lt;one&gt;" in page
    assert page.count("<table>") == 5 and "Runs that are missing: s0 (run-1)." in page
    assert "0.300" in page and "0.200 to 0.400" in page
    width = int(re.search(r'width="(\d+)"', page).group(1))
    assert 300 < width < 1300
    clean = description() | {"findings": []}
    assert "Nothing to remark" in data_page(clean, dict.fromkeys(("runs", "timing", "ceilings"), tmp_path / "a.png"))
