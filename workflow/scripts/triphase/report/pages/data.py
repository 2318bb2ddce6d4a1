"""The data report: one page of what was found of a study's data set."""

import numpy as np

from triphase.report.ceilings import MEANINGS
from triphase.report.gap import LEAST_SUBJECTS, scores
from triphase.report.numbers import UNKNOWN
from triphase.report.pages.blocks import Block, Heading, Items, Picture, Table, Text
from triphase.responses.ceiling import GROUP
from triphase.responses.timing import LONG_SILENCE, SIGNIFICANT_P
from triphase.stats.intervals import mean_half_width


def data_page(description: dict, pictures: dict[str, str], gap: dict | None = None) -> list[Block]:
    """The page, as a list of blocks.

    Parameters
    ----------
    description : responses/description.json, as `describe_data` writes it
    pictures : path of a PNG, by name: runs, timing, ceilings and, where they are drawn, brain and gap
    gap : responses/gap.json, as `measure_gap` writes it; None where whole runs are held out
    """
    dataset, unit = description["dataset"], description["unit"]
    kinds = [row["kind"] for row in description["ceilings"]]
    meaning = MEANINGS[kinds[0]] if kinds else ""
    blocks = [
        Heading(1, f"Data report: {dataset['title']} ({dataset['name']})"),
        Text(
            f"Study {description['study']}; responses: {dataset['source']} ({dataset['reader']}, space: "
            f"{dataset['space']}); "
            + ("a row per word" if _by_word(description) else f"TR {dataset['tr']:g} s")
            + f"; language: {dataset['language']}",
            "sub",
        ),
        Heading(2, "What to know first"),
        Items(description["findings"], "findings")
        if description["findings"]
        else Text("Nothing to remark: all runs are there, all voxels can be used, the clocks agree.", "none"),
        Heading(2, "Subjects and runs"),
        *_subjects(description),
        Picture(
            pictures["runs"],
            "Length, unusable voxels and motion of every run. Hatched: not there, or not known. Framewise displacement "
            "after Power et al. (2012).",
        ),
        _runs(description),
        Heading(2, f"Do {unit}s and scans share a clock?"),
        *_timing(description),
        Picture(
            pictures["timing"],
            f"Correlation of the mean time course of a region with the rate of {unit}s, as a function of the lag. The "
            "convolved rate (SPM's canonical response, Friston et al. 1998) should peak at 0 s, the rate itself about "
            "5 s later.",
        ),
        Heading(2, "How much can be predicted"),
        Text(meaning),
        _ceilings(description),
        Picture(pictures["ceilings"], f"Ceiling of every region. Dots: subjects. {meaning}"),
    ]
    if "brain" in pictures:
        blocks.append(Picture(pictures["brain"], "Ceiling of every voxel on the glass brain (MNI space, nilearn)."))
    blocks.append(Heading(2, "Is the gap beside held-out blocks wide enough?"))
    if gap is None:
        blocks.append(
            Text(
                "No gap is needed: whole runs are held out, so no scan that trains lies beside one that is held out, "
                "and autocorrelation alone predicts nothing by construction."
            )
        )
    else:
        blocks += _gap(gap)
        blocks.append(
            Picture(
                pictures["gap"],
                "Held-out correlation without any model, as a function of the gap; every block is predicted from as "
                "many scans at every gap. Thin: single subjects; thick: their mean, from ten subjects on with its 95 % "
                "interval. Open: nothing that trains is near enough to predict from. Below zero: filters leave a "
                "response anticorrelated with itself some distance away.",
            )
        )
    names = {"url": "address", "version": "version", "commit": "commit", "license": "licence", "citation": "citation"}
    origin = Table(["", ""], [[name, dataset.get(key) or UNKNOWN] for key, name in names.items()], text=(0, 1))
    return [*blocks, Heading(2, "Origin"), origin]


def number(value: float | None, form: str = "{:.2f}") -> str:
    """A number of the page; a dash where it is unknown."""
    return UNKNOWN if value is None else form.format(value)


def _subjects(description):
    rows, bad, subjects, n_runs = [], [], description["subjects"], len(description["runs"])
    told = any(record["sound_onset"] is not None for entry in subjects for record in entry["runs"])
    for place, entry in enumerate(subjects):
        runs = {
            key: [record[key] for record in entry["runs"] if record.get(key) is not None]
            for key in ("mean_fd", "max_fd", "sound_onset")
        }
        cells = [entry["subject"], len(entry["runs"]), f"{entry['volumes']:,}", f"{entry['seconds'] / 60:.1f}"]
        cells += [f"{entry['valid']:,} of {entry['voxels']:,}", entry["files"], f"{entry['bytes'] / 1e6:,.1f}"]
        cells += [number(_mean(runs["mean_fd"])), number(max(runs["max_fd"], default=None))]
        rows.append(cells + [number(_mean(runs["sound_onset"]), "{:.3f}")] * told)
        bad += [place] * (entry["valid"] < entry["voxels"] or len(entry["runs"]) < n_runs)
    head = ["subject", "runs", "volumes", "minutes", "valid voxels", "files", "MB"]
    head += ["mean motion (mm)", "largest motion (mm)"] + ["sound onset (s)"] * told
    applied = any(record["onset_applied"] for entry in subjects for record in entry["runs"])
    note = Text(
        "Sound onset: mean over runs, as the data set's events tell it; "
        + ("each run's times count from its own." if applied else "it is reported and not applied.")
    )
    return [Table(head, rows, bad=bad), *[note] * told]


def _mean(values):
    return sum(values) / len(values) if values else None


def _runs(description):
    rows, bad, unit = [], [], description["unit"]
    told = any(entry["onsets"] for entry in description["runs"])
    for place, entry in enumerate(description["runs"]):
        cells = [entry["run"], entry["stimulus"], "test" if entry["test"] else "", entry["subjects"]]
        cells += [" or ".join(map(str, entry["volumes"])) or UNKNOWN, entry["events"], number(entry["rate"])]
        onsets = " to ".join(f"{seconds:g}" for seconds in dict.fromkeys(entry["onsets"][:1] + entry["onsets"][-1:]))
        cells += [number(entry.get(key), "{:.1f}") for key in ("first", "last", "silence", "sound_end")]
        rows.append(cells + [onsets or UNKNOWN] * told)
        bad += [place] * (entry["subjects"] < len(description["subjects"]) or not entry["events"])
        bad += [place] * ((entry.get("silence") or 0) > LONG_SILENCE)
    head = ["run", "stimulus", "split", "subjects", "volumes", f"{unit}s", f"{unit}s per s", "first (s)", "last (s)"]
    head += ["scan after the last (s)", "sound (s)"]
    head += ["sound onset in the scan (s)"] * told
    return Table(head, rows, text=(0, 1, 2), bad=bad)


def _by_word(description):
    """Whether a row of the responses is a word, and not a scan."""
    return description["dataset"].get("row") == "word"


def _timing(description):
    timing, unit = description["timing"], description["unit"]
    low, high = timing.get("window") or (-description["dataset"]["tr"], description["dataset"]["tr"])
    expected = (
        f"the rate of {unit}s, as the cortex follows it without a haemodynamic response, must predict the deciding "
        f"regions (the mean of all electrodes where none is named) best at a lag of {low:g} to {high:g} s"
        if _by_word(description)
        else f"the rate of {unit}s, convolved with the canonical haemodynamic response, must predict the deciding "
        "regions (marked *: sensory ones where the data set names any, else those of language) best within one TR of "
        "no further lag"
    )
    verdict = {True: "Plausible", False: "Not plausible", None: "Not decided"}[timing["plausible"]]
    rule = Text(
        f"**{verdict}**: {timing['reason']}. Rule: {expected}; a region whose peak is not above chance (p < "
        f"{SIGNIFICANT_P:g} against circular shifts, the highest of all lags) decides nothing. "
        "Each run is looked at alone as well: neither the words of another stimulus nor its own at another lag may "
        "predict it clearly better."
    )
    rows = []
    for entry in timing["group"]:
        raw, peak = entry["raw"], entry["convolved"]
        lags = [each["lag"] for each in timing["subjects"] if each["roi"] == entry["roi"] and each["lag"] is not None]
        within = sum(low <= lag <= high for lag in lags)
        cells = [entry["roi"] + ("*" if entry["roi"] in timing["decisive"] else "")]
        cells += [number(raw["lag"], "{:.1f}"), number(raw["r"]), number(peak["lag"], "{:.1f}"), number(peak["r"])]
        rows.append([*cells, number(peak["p"], "{:.4f}"), f"{within} of {len(lags)}", entry["reason"]])
    head = ["region", "raw: lag (s)", "r", "convolved: lag (s)", "r", "p", "subjects within", "judgement"]
    bad = [place for place, entry in enumerate(timing["group"]) if entry["plausible"] is False]
    return [rule, Table(head, rows, text=(0, 7), bad=bad)]


def _ceilings(description):
    group = [row for row in description["ceilings"] if row["subject"] == GROUP and row["ceiling"] is not None]
    rows = [
        [row["roi"], number(row["ceiling"], "{:.3f}"), _range(row), row["n_subjects"], f"{row['n_voxels']:,}"]
        for row in group
    ]
    head = ["region", "ceiling of the group", "95 % interval", "subjects", "voxels of all subjects"]
    return Table(head, rows) if rows else Text("It is not known here.")


def _range(row):
    return UNKNOWN if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"


def _gap(gap):
    own, shortest = gap["own_gap"], gap["gaps"][0]
    texts = [
        f"{gap['folds']} blocks of the single run are held out in turn. The gap of the study is {own:g} s: at least "
        "encoding/gap_seconds, and at least the longest delay together with the lag at which the autocorrelation of "
        f"the response falls below 0.1 ({gap['lag']:g} s). Nuisance features (N1) should predict alike at every gap. "
        "Autocorrelation alone (N3, after Feghhi et al. 2024) knows nothing of what was heard: it should predict "
        "nothing above zero at the gap of the study. ±: half the 95 % interval of the mean over subjects, who share "
        "one stimulus."
    ]
    if gap["left_out"]:
        seconds = ", ".join(f"{seconds:g} s" for seconds in gap["left_out"])
        texts.append(f"Not measured, because a fold would have nothing to train on: {seconds}.")
    places = [gap["gaps"].index(seconds) for seconds in sorted({shortest, own}) if seconds in gap["gaps"]]
    rows, bad, names = [], [], {"nuisance": "N1", "floor": "N3"}
    for region in dict.fromkeys(row["roi"] for row in gap["rows"]):
        values = {band: scores(gap, region, band)[:, places] for band in names}
        bad += [len(rows)] * above_zero(values["floor"][:, -1])
        cells = [mean_text(column) for band in names for column in values[band].T]
        rows.append([region, *cells, len(values["floor"])])
    head = [f"{name}: r at {gap['gaps'][place]:g} s" for name in names.values() for place in places]
    return [*map(Text, texts), Table(["region", *head, "subjects"], rows, bad=bad)]


def mean_text(values: np.ndarray) -> str:
    """A mean over subjects in words of the page, with half its 95 % interval where there are enough of them."""
    return f"{values.mean():.3f}" + (f" ± {mean_half_width(values):.3f}" if len(values) >= LEAST_SUBJECTS else "")


def above_zero(values: np.ndarray) -> bool:
    """Whether a mean over subjects lies above zero, by its interval where there are enough of them."""
    return bool(values.mean() > (mean_half_width(values) if len(values) >= LEAST_SUBJECTS else 0))
