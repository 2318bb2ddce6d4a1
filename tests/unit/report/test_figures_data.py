"""The data report: figures hold what the description says, and the page asks nobody for anything."""

import re
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from triphase.core.artefacts import write_arrays
from triphase.report.figures.data_brain import draw_ceiling_map
from triphase.report.figures.data_ceilings import draw_ceilings
from triphase.report.figures.data_gap import draw_gap
from triphase.report.figures.data_runs import draw_runs
from triphase.report.figures.data_timing import draw_timing
from triphase.report.figures.style import save
from triphase.report.pages import data
from triphase.report.pages.blocks import to_html
from triphase.responses.timing import LAGS


def description(subjects=3, runs=2, rois=("Aud", "LTemp"), motion=True, group=True, kind="isc"):
    """What `describe_data` writes, made up."""
    curve = np.exp(-((LAGS / 4) ** 2)).tolist()
    record = {
        "stimulus": "<one>",
        "volumes": 100,
        "nonfinite": 0,
        "constant": 3,
        "sound_onset": 0.5,
        "onset_applied": False,
    }
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
             "events": 5, "onsets": [0.5], "first": 0.5, "last": 9.0, "rate": 1.7}
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


def data_page(*arguments):
    return to_html(data.data_page(*arguments))


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
    responses = [str(tmp_path / f"s{number}.zarr.zip") for number in range(2)]
    for path, part in zip(responses, np.split(xyz, 2), strict=True):
        places = {name: ("voxel", column) for name, column in zip("xyz", part.T, strict=True)}
        write_arrays(path, xr.Dataset({"responses": (("time", "voxel"), np.ones((3, 2)))}, coords=places))
    ceiling = pd.DataFrame({"subject": ["a", "a", "b", "b"], "ceiling": [0.1, 0.5, np.nan, 0.4], "kind": "repeats"})
    figure = draw_ceiling_map(ceiling, responses)
    assert "Noise ceiling" in texts(figure) and "2 subjects" in texts(figure)
    save(figure, tmp_path / "a.png", tmp_path / "a.svg")
    assert "no ceiling is known" in texts(draw_ceiling_map(ceiling.assign(ceiling=np.nan, kind="isc"), responses))


def measured_gap(subjects=12, rois=("Aud", "language", "all"), floor=-0.03):
    """What `measure_gap` writes, made up."""
    shifts = 0.01 * (np.arange(subjects) - (subjects - 1) / 2)
    return {
        "own_gap": 20.0, "lag": 6.0, "train_seconds": 480.0, "folds": 5, "gaps": [0.0, 20.0, 40.0], "left_out": [60.0],
        "rows": [
            {"subject": f"s{s}", "roi": roi, "n_voxels": 4, "band": band, "r": (np.array(r) + shift).tolist()}
            for roi in rois
            for s, shift in enumerate(shifts)
            for band, r in (("nuisance", [0.2, 0.21, 0.22]), ("floor", [0.1, floor, -shift]))
        ],
    }  # fmt: skip


def test_the_gap_curve_has_a_mean_its_interval_and_the_studys_own_gap(tmp_path):
    figure = draw_gap(measured_gap())
    assert "n = 12 subjects" in texts(figure) and "8.0 minutes" in texts(figure) and "gap (s)" in texts(figure)
    panel = figure.axes[2]
    means = [line for line in panel.lines if line.get_marker() in "os" and line.get_linestyle() == "-"]
    np.testing.assert_allclose([line.get_ydata() for line in means], [[0.2, 0.21, 0.22], [0.1, -0.03, 0]], atol=1e-12)
    (silent,) = [line for line in panel.lines if line.get_markerfacecolor() == "white" and len(line.get_xdata())]
    assert silent.get_xdata().tolist() == [40]  # nothing to predict from
    # Student's t: 2.201 with 11 degrees of freedom, times the standard error.
    expected = 2.201 * 0.01 * np.arange(12).std(ddof=1) / np.sqrt(12)
    low, high = panel.containers[0].lines[2][0].get_segments()[0][:, 1]
    assert (high - low) / 2 == pytest.approx(expected, rel=1e-3)
    assert not draw_gap(measured_gap(subjects=3)).axes[0].containers  # too few for an interval
    assert len(draw_gap(measured_gap(rois=[f"p{i}" for i in range(40)] + ["all"])).axes) == 12
    save(figure, tmp_path / "a.png", tmp_path / "a.svg")


def test_the_page_tells_what_the_gap_leaves_to_autocorrelation(tmp_path):
    save(draw_gap(measured_gap()), tmp_path / "a.png")
    pictures = dict.fromkeys(("runs", "timing", "ceilings"), tmp_path / "a.png")
    assert "whole runs are held out" in data_page(description(), pictures)
    pictures |= {"gap": tmp_path / "a.png"}
    page = data_page(description(), pictures, measured_gap())
    assert "gap of the study is 20 s" in page and "nothing to train on: 60 s" in page
    assert "0.210 ± 0.023" in page and "-0.030 ± 0.023" in page and page.count("<img") == 4
    flagged = [
        data_page(description(), pictures, measured_gap(floor=r)).count('class="bad"') for r in (-0.03, 0.02, 0.03)
    ]
    assert flagged[0] == flagged[1] == flagged[2] - 3  # autocorrelation above zero at the study's own gap


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
    first, *pictures = parser.links
    assert first == "index.html"
    assert len(pictures) == 4 and all(link.startswith("data:image/png;base64,") for link in pictures)
    assert not {"link", "iframe"} & set(parser.tags) and "@import" not in page and "url(" not in page
    assert "fetch(" not in page and "XMLHttpRequest" not in page and "import(" not in page
    assert "Somebody &lt;2020&gt;" in page and "A &amp; B" in page and "&lt;one&gt;" in page
    assert page.count("<table>") == 5 and "Runs that are missing: s0 (run-1)." in page
    assert "0.300" in page and "0.200 to 0.400" in page
    width = int(re.search(r'width="(\d+)"', page).group(1))
    assert 300 < width < 1300
    clean = description() | {"findings": []}
    assert "Nothing to remark" in data_page(clean, dict.fromkeys(("runs", "timing", "ceilings"), tmp_path / "a.png"))
