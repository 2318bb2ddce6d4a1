"""The data report: one HTML page of what was found of a study's data set."""

import base64
from html import escape
from pathlib import Path

from triphase.report.figures.gap import LEAST_SUBJECTS, interval, scores
from triphase.report.html_page import page, table
from triphase.responses.ceiling import GROUP
from triphase.responses.timing import SIGNIFICANT_P


def number(value, form="{:.2f}"):
    """A number in the page; a dash where it is unknown."""
    return "–" if value is None else form.format(value)


def picture(path, caption):
    """A figure with its image inside the page."""
    content = Path(path).read_bytes()
    # Width in pixels, from the header of the PNG: all figures are shown at one scale, so that their text has one size.
    width = round(int.from_bytes(content[16:20], "big") * 96 / 160)
    image = base64.b64encode(content).decode()
    alt = escape(caption.split(". ")[0], quote=True)
    image = f'<img alt="{alt}" width="{width}" src="data:image/png;base64,{image}">'
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def data_page(description, pictures, gap=None):
    """The page.

    Parameters
    ----------
    description : dict, as `describe_data` writes it
    pictures : dict of runs, timing, ceilings and, where they are drawn, brain and gap to path of a PNG
    gap : dict, as `measure_gap` writes it; None where whole runs are held out

    Returns
    -------
    str, HTML
    """
    dataset, unit = description["dataset"], description["unit"]
    title = f"Data report: {dataset['title']} ({dataset['name']})"
    found = description["findings"]
    noted = (
        '<ul class="findings">' + "".join(f"<li>{escape(item)}</li>" for item in found) + "</ul>"
        if found
        else '<p class="none">Nothing to remark: all runs are there, all voxels can be used, the clocks agree.</p>'
    )
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="sub">Study {escape(description["study"])}; responses: {escape(dataset["source"])} '
        f"({escape(dataset['reader'])}, space: {escape(dataset['space'])}); TR {dataset['tr']:g} s; "
        f"language: {escape(dataset['language'])}</p>",
        "<h2>What to know first</h2>",
        noted,
        "<h2>Subjects and runs</h2>",
        _subjects(description),
        picture(
            pictures["runs"],
            "Length, unusable voxels and motion of every run. Hatched: not there, or not known. Framewise displacement "
            "after Power et al. (2012).",
        ),
        _runs(description),
        f"<h2>Do {unit}s and scans share a clock?</h2>",
        _timing(description),
        picture(
            pictures["timing"],
            f"Correlation of the mean time course of a region with the rate of {unit}s, as a function of the lag. The "
            "convolved rate (SPM's canonical response, Friston et al. 1998) should peak at 0 s, the rate itself about "
            "5 s later.",
        ),
        "<h2>How much can be predicted</h2>",
        _ceilings(description),
        picture(pictures["ceilings"], "Ceiling of every region. Dots: subjects. " + _what(description)),
    ]
    if "brain" in pictures:
        parts.append(picture(pictures["brain"], "Ceiling of every voxel on the glass brain (MNI space, nilearn)."))
    parts += ["<h2>Is the gap beside held-out blocks wide enough?</h2>", _gap(gap)]
    if gap:
        parts.append(
            picture(
                pictures["gap"],
                "Held-out correlation without any model, as a function of the gap; every block is predicted from as "
                "many scans at every gap. Thin: single subjects; thick: their mean, from ten subjects on with its 95 % "
                "interval. Open: nothing that trains is near enough to predict from. Below zero: filters leave a "
                "response anticorrelated with itself some distance away.",
            )
        )
    parts += ["<h2>Origin</h2>", _origin(dataset)]
    return page(title, parts)


def _subjects(description):
    rows, subjects = [], description["subjects"]
    told = any(record["sound_onset"] is not None for entry in subjects for record in entry["runs"])
    for entry in subjects:
        moved = [record["mean_fd"] for record in entry["runs"] if record.get("mean_fd") is not None]
        largest = [record["max_fd"] for record in entry["runs"] if record.get("max_fd") is not None]
        cells = [entry["subject"], len(entry["runs"]), f"{entry['volumes']:,}", f"{entry['seconds'] / 60:.1f}"]
        cells += [f"{entry['valid']:,} of {entry['voxels']:,}", entry["files"], f"{entry['bytes'] / 1e6:,.1f}"]
        cells += [number(sum(moved) / len(moved) if moved else None), number(max(largest, default=None))]
        if told:
            began = [record["sound_onset"] for record in entry["runs"] if record["sound_onset"] is not None]
            cells.append(number(sum(began) / len(began) if began else None, "{:.3f}"))
        rows.append((cells, entry["valid"] < entry["voxels"] or len(entry["runs"]) < len(description["runs"])))
    head = ["subject", "runs", "volumes", "minutes", "valid voxels", "files", "MB"]
    head += ["mean motion (mm)", "largest motion (mm)"] + ["sound onset (s)"] * told
    note = "<p>Sound onset: as the data set's events tell it; it is reported and not applied.</p>" if told else ""
    return table(head, rows) + note


def _runs(description):
    rows = []
    for entry in description["runs"]:
        cells = [entry["run"], entry["stimulus"], "test" if entry["test"] else "", entry["subjects"]]
        cells += [" or ".join(map(str, entry["volumes"])) or "–", entry["events"], number(entry["rate"])]
        cells += [number(entry["first"], "{:.1f}"), number(entry["last"], "{:.1f}")]
        rows.append((cells, entry["subjects"] < len(description["subjects"]) or not entry["events"]))
    unit = description["unit"]
    head = ["run", "stimulus", "split", "subjects", "volumes", f"{unit}s", f"{unit}s per s", "first (s)", "last (s)"]
    return table(head, rows, text=(0, 1, 2))


def _timing(description):
    timing, unit = description["timing"], description["unit"]
    verdict = {True: "Plausible", False: "Not plausible", None: "Not decided"}[timing["plausible"]]
    said = (
        f"<p><b>{verdict}</b>: {escape(timing['reason'])}. Rule: the rate of {unit}s, convolved with the canonical "
        "haemodynamic response, must predict the deciding regions (marked *: sensory ones where the data set names "
        "any, else those of language) best within one TR of no further lag; a region whose peak is not above chance "
        f"(p &lt; {SIGNIFICANT_P:g} against circular shifts, the highest of all lags) decides nothing.</p>"
    )
    rows = []
    for entry in timing["group"]:
        raw, peak = entry["raw"], entry["convolved"]
        near = [each["lag"] for each in timing["subjects"] if each["roi"] == entry["roi"] and each["lag"] is not None]
        within = sum(abs(lag) <= description["dataset"]["tr"] for lag in near)
        cells = [entry["roi"] + ("*" if entry["roi"] in timing["decisive"] else "")]
        cells += [number(raw["lag"], "{:.1f}"), number(raw["r"]), number(peak["lag"], "{:.1f}"), number(peak["r"])]
        cells += [number(peak["p"], "{:.4f}"), f"{within} of {len(near)}", entry["reason"]]
        rows.append((cells, entry["plausible"] is False))
    head = ["region", "raw: lag (s)", "r", "convolved: lag (s)", "r", "p", "subjects within 1 TR", "judgement"]
    return said + table(head, rows, text=(0, 7))


def _what(description):
    kinds = {
        "repeats": "Square root of the reliability of a single hearing, from the correlation between hearings.",
        "isc": "Correlation of each subject with the mean of all others: a reference, not an upper bound.",
        "isc of region means": "Correlation of each subject's region mean with that of the others: a reference, not an "
        "upper bound; single voxels are not comparable in native space.",
    }
    return kinds[description["ceilings"][0]["kind"]] if description["ceilings"] else ""


def _ceilings(description):
    rows = []
    for row in description["ceilings"]:
        if row["subject"] == GROUP and row["ceiling"] is not None:
            cells = [row["roi"], number(row["ceiling"], "{:.3f}"), interval_text(row), row["n_subjects"]]
            rows.append(([*cells, f"{row['n_voxels']:,}"], False))
    head = ["region", "ceiling of the group", "95 % interval", "subjects", "voxels of all subjects"]
    return f"<p>{escape(_what(description))}</p>" + (table(head, rows) if rows else "<p>It is not known here.</p>")


def _gap(gap):
    if gap is None:
        return (
            "<p>No gap is needed: whole runs are held out, so no scan that trains lies beside one that is held out, "
            "and autocorrelation alone predicts nothing by construction.</p>"
        )
    own, shortest = gap["own_gap"], gap["gaps"][0]
    left_out = ", ".join(f"{seconds:g} s" for seconds in gap["left_out"])
    said = (
        f"<p>{gap['folds']} blocks of the single run are held out in turn. The gap of the study is {own:g} s: at least "
        "encoding/gap_seconds, and at least the longest delay together with the lag at which the autocorrelation of "
        f"the response falls below 0.1 ({gap['lag']:g} s). Nuisance features (N1) should predict alike at every gap. "
        "Autocorrelation alone (N3, after Feghhi et al. 2024) knows nothing of what was heard: it should predict "
        "nothing above zero at the gap of the study. ±: half the 95 % interval of the mean over subjects, who share "
        "one stimulus.</p>"
    ) + (f"<p>Not measured, because a fold would have nothing to train on: {left_out}.</p>" if left_out else "")
    places = [gap["gaps"].index(seconds) for seconds in sorted({shortest, own}) if seconds in gap["gaps"]]
    rows, names = [], {"nuisance": "N1", "floor": "N3"}
    for region in dict.fromkeys(row["roi"] for row in gap["rows"]):
        values = {band: scores(gap, region, band)[:, places] for band in names}
        cells = [mean_text(column) for band in names for column in values[band].T]
        rows.append(([region, *cells, len(values["floor"])], above_zero(values["floor"][:, -1])))
    head = [f"{name}: r at {gap['gaps'][place]:g} s" for name in names.values() for place in places]
    return said + table(["region", *head, "subjects"], rows)


def mean_text(values):
    """A mean over subjects in words of the page, with half its 95 % interval where there are enough of them."""
    return f"{values.mean():.3f}" + (f" ± {interval(values):.3f}" if len(values) >= LEAST_SUBJECTS else "")


def above_zero(values):
    """Whether a mean over subjects lies above zero, by its interval where there are enough of them."""
    return bool(values.mean() > (interval(values) if len(values) >= LEAST_SUBJECTS else 0))


def interval_text(row):
    """An interval in words of the page."""
    return "–" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"


def _origin(dataset):
    names = {"url": "address", "version": "version", "commit": "commit", "license": "licence", "citation": "citation"}
    return table(["", ""], [([name, dataset.get(key) or "–"], False) for key, name in names.items()], text=(0, 1))
