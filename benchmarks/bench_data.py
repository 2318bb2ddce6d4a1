"""Real data: Alice, plans and refusals of the three OpenNeuro data sets, streaming, ceilings (`make bench-data`).

The folder TRIPHASE_TEST_DATA holds Alice's ROI time courses and the bundles of the data sets; what needs them is
skipped where they are absent. Nothing is asked of the network: the data sets' special remote is ignored.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/helpers"), str(ROOT / "workflow/scripts")]
from data_fuzz import fuzz_figures  # noqa: E402
from project import TEST_DATA, Project  # noqa: E402
from reporting import figure, report  # noqa: E402
from streaming import streaming_figures  # noqa: E402

from triphase.config.datasets import load_registry  # noqa: E402
from triphase.responses.ceiling import Others, isc_of, reliability_from_repeats  # noqa: E402
from triphase.responses.ceiling_intervals import Blocks, interval, repeat_draws  # noqa: E402
from triphase.stats.bootstrap import bootstrap_r  # noqa: E402
from triphase.stimuli.transcripts import read_transcript  # noqa: E402

LIBRARIES = ["snakemake", "datalad", "nilearn", "numpy", "zarr", "h5py"]
OFFLINE = {
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "remote.s3-PUBLIC.annex-ignore",
    "GIT_CONFIG_VALUE_0": "true",
}
# Data set: study, choice of all of it, choice of a part, and a subject whose content is asked for.
VOXELS = {"source": "voxels"}
TWO_RUNS = ["alternateithicatom", "wheretheressmoke-1"]
DATA_SETS = {
    "ds002322": ("alice", VOXELS, VOXELS | {"subjects": ["s18", "s53"]}, "s18"),
    "ds003020": (
        "lebel",
        {"subjects": None},
        {"subjects": ["UTS05"], "runs": ["alternateithicatom", "wheretheressmoke-1"]},
        "UTS01",
    ),
    "ds005531": ("narrative", {"subjects": None}, {"subjects": ["S02"]}, "S01"),
}
PLAN_SECONDS = 30


def bundle_of(name):
    """Path of a data set's bundle."""
    return TEST_DATA.resolve() / "openneuro" / f"{name}.bundle"


def alice_figures():
    """What the data report finds in Alice's ROI time courses, and the words of the authors' TextGrid."""
    names = [
        "alice: usable listeners",
        "alice: words in the TextGrid",
        "alice: regions whose convolved word rate peaks within 1 TR",
        "alice: regions with their leave-one-out ISC in the report",
    ]
    goals = ["27", "2127", "6", "6"]
    if not bundle_of("ds002322").is_file() or not (TEST_DATA / "alice").is_dir():
        return [figure(name, f"no data in {TEST_DATA}", goal, None) for name, goal in zip(names, goals, strict=True)]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        project = Project(Path(folder))
        overlay = {"dataset": {"overrides": {"url": str(bundle_of("ds002322"))}}}
        done = project.snakemake("results/alice/data.html", study="alice", overlay=overlay, env=OFFLINE)
        if done.returncode:
            sys.exit(done.stdout[-5000:])
        found = json.loads((project.folder / "results/alice/responses/description.json").read_text(encoding="utf-8"))
        page = (project.folder / "results/alice/data.html").read_text(encoding="utf-8")
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)  # annexed files are write-protected
    usable = sum(entry["valid"] == entry["voxels"] for entry in found["subjects"])
    peaks = {entry["roi"]: entry["convolved"]["lag"] for entry in found["timing"]["group"] if entry["roi"] != "all"}
    near = sum(abs(lag) <= found["dataset"]["tr"] for lag in peaks.values())
    isc = {row["roi"]: row for row in found["ceilings"] if row["subject"] == "group" and row["roi"] in peaks}
    shown = sum(
        row["kind"] == "isc" and f"{row['ceiling']:.3f}" in page and f"{row['low']:.3f} to {row['high']:.3f}" in page
        for row in isc.values()
    )
    table = {name: [round(row[key], 3) for key in ("ceiling", "low", "high")] for name, row in isc.items()}
    words = textgrid_words()
    values = (usable, words, near, shown)
    details = ({}, {}, {"lag_s": peaks}, {"isc_low_high": table})
    return [
        figure(name, value, goal, value == int(goal), **more)
        for name, value, goal, more in zip(names, values, goals, details, strict=True)
    ]


def textgrid_words():
    """Words of the authors' Praat annotation, as the registry says that it is to be read."""
    registry = load_registry(ROOT / "resources/registry/datasets.yaml", ROOT / "workflow/schemas/datasets.schema.json")
    entry = registry["datasets"]["ds002322"]
    (praat,) = [each for each in entry["transcripts"] if each["format"] == "textgrid"]
    return len(read_transcript(TEST_DATA / praat["path"], {"language": entry["language"], **praat})[0])


def dataset_figures(name):
    """Seconds until a plan is there, of all and of a part of a data set, and what happens when content is wanted."""
    study, everything, part, subject = DATA_SETS[name]
    planned, refused = f"{name}: clone and plan, s", f"{name}: refusal of content offline"
    goals = (f"<= {PLAN_SECONDS}", "exit 1, 1 error, nothing written")
    if not bundle_of(name).is_file():
        names = (planned, refused)
        return [figure(each, f"no data in {TEST_DATA}", goal, None) for each, goal in zip(names, goals, strict=True)]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        project = Project(Path(folder))

        def run(target, choice):
            overlay = {"dataset": {**choice, "overrides": {"url": str(bundle_of(name))}}}
            # The regions of the study's own source need not be those of another.
            overlay |= {"phases": {"headline": {"roi": "all"}}}
            begin = time.monotonic()
            return project.snakemake(target, study=study, overlay=overlay, env=OFFLINE), time.monotonic() - begin

        times, sizes = {}, {}
        for what, choice in (("all", everything), ("part", part)):
            done, times[what] = run("plan_download", choice)
            if done.returncode:
                sys.exit(done.stdout[-5000:])
            (total,) = [line.split() for line in done.stdout.splitlines() if line.startswith("total     -")]
            sizes[what] = f"{total[2]} files, {' '.join(total[3:5])}"
        done, seconds = run(f"results/{study}/sources/subjects/{subject}.json", everything)
        errors = [line for line in done.stdout.splitlines() if line.startswith("fetch_responses: error:")]
        told = all(text in "".join(errors) for text in (name, "commit", "cannot be had", "go online", "datalad get"))
        written = (project.folder / f"results/{study}/sources/subjects/{subject}.json").exists()
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)
    slowest = max(times.values())
    right = done.returncode == 1 and len(errors) == 1 and told and not written
    value = f"exit {done.returncode}, {len(errors)} error, {'a manifest' if written else 'nothing'} written"
    return [
        figure(planned, round(slowest, 1), goals[0], slowest <= PLAN_SECONDS, seconds=times, plans=sizes),
        figure(refused, value, goals[1], right, seconds=seconds, message=_without_paths(errors)),
    ]


def _without_paths(errors):
    return [error.replace(str(TEST_DATA.resolve()), "TRIPHASE_TEST_DATA") for error in errors]


def coverage_figures(voxels=2000, seed=0):
    """How often the 95 % intervals of ceilings hold the truth, in simulated data; the worst of several designs."""
    rng = np.random.default_rng(seed)

    def noise(scans, share, smooth):
        white = rng.normal(size=(scans + 50, voxels)) * np.sqrt(share * (1 - smooth**2))
        return lfilter([1], [1, -smooth], white, axis=0)[50:]

    rows = {}
    for scans, count in ((150, 2), (291, 10), (362, 27)):
        for share in (0.05, 0.3, 0.6):
            for smooth in (0.3, 0.6):
                signal = noise(scans, share, smooth)
                data = {str(k): signal + noise(scans, 1 - share, smooth) for k in range(count)}
                blocks = Blocks({"one": scans}, 20, 500, seed)
                freedom, groups = blocks.freedom(["one"]), {"one": list(data)}
                value = reliability_from_repeats(data, groups)
                bounds = interval(value, repeat_draws(data, groups, blocks), freedom)
                rows.setdefault("repeats", []).append((_covered(bounds, share), value.mean() - share))
                if count > 2:
                    pair = Others({"run": each} for each in data.values()).pairs({"run": data["0"]})
                    (own, rest), truth = pair["run"], share / np.sqrt(share + (1 - share) / (count - 1))
                    rows_of, counts = blocks.of["one"]
                    bounds = interval(isc_of(pair), bootstrap_r(rest, own, [rows_of], [counts]), freedom)
                    rows.setdefault("ISC", []).append((_covered(bounds, truth), isc_of(pair).mean() - truth))
    figures = []
    for kind, found in rows.items():
        covered, bias = np.array(found).T
        worst, most = float(covered[np.abs(covered - 0.95).argmax()]), float(np.abs(bias).max())
        inside = bool(((covered >= 0.9) & (covered <= 0.98)).all())
        name = f"ceiling: coverage of the 95 % interval ({kind})"
        figures.append(figure(name, round(worst, 3), "0.9 to 0.98", inside, every=covered.round(3).tolist()))
        figures.append(figure(f"ceiling: largest bias ({kind})", round(most, 4), "<= 0.02", most <= 0.02))
    return figures


def _covered(bounds, truth):
    low, high = bounds
    return float(((low <= truth) & (truth <= high)).mean())


def main():
    """Measure all figures."""
    os.environ.pop("HF_HUB_CACHE", None)
    rows = alice_figures()
    for name in DATA_SETS:
        rows += dataset_figures(name)
    rows += fuzz_figures() + coverage_figures() + streaming_figures()
    rows.append(figure("gpu: figures of this part", "nothing here runs on a GPU", "none", None))
    return report("data", rows, LIBRARIES)


if __name__ == "__main__":
    sys.exit(main())
