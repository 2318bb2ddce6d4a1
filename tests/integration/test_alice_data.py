"""The real Alice data: the published transcript through DataLad, and the ROI time courses of 28 listeners."""

import re
from pathlib import Path
from types import SimpleNamespace

import build_words
import clean_responses
import describe_data
import fetch_responses
import fetch_stimuli
import measure_ceiling
import numpy as np
import pytest
from jobs import run
from project import ROOT
from scipy.stats import gamma

from triphase.config.datasets import load_registry, resolve_dataset
from triphase.config.schema import Study
from triphase.config.schema.overlay import defaults, json_schema
from triphase.core.artefacts import read_arrays, read_json, read_table
from triphase.core.errors import InputError
from triphase.responses.description import describe_timing, subject_series
from triphase.responses.run_timing import Expected
from triphase.sources.clones import git
from triphase.stimuli.transcripts import read_transcript

REGISTRY = load_registry(ROOT / "resources/registry/datasets.yaml")
SELECTION = defaults(json_schema(Study))["dataset"] | {"name": "ds002322"}
DATASET = resolve_dataset(SELECTION, REGISTRY, study="alice")
SOURCES = {
    name: resolve_dataset(SELECTION | {"source": name}, REGISTRY, study="alice")["source"] for name in ("roi", "voxels")
}
CLEANING = {"high_pass": 0.01, "confounds": True, "confound_expansion": []}
SUBJECTS = [subject["name"] for subject in DATASET["subjects"]]


@pytest.fixture(scope="module")
def alice(real_data, tmp_path_factory):
    """Where the stages wrote, with the data set cloned from its bundle; no connection is tried."""
    folder = tmp_path_factory.mktemp("alice")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("GIT_CONFIG_COUNT", "1")
        patch.setenv("GIT_CONFIG_KEY_0", "remote.s3-PUBLIC.annex-ignore")
        patch.setenv("GIT_CONFIG_VALUE_0", "true")
        dataset = {"name": DATASET["name"], "url": str(real_data / "openneuro/ds002322.bundle")}
        dataset |= {"version": DATASET["version"], "local_data_hint": DATASET["local_data_hint"]}
        config = {"study": "alice", "seed": 0, "responses": CLEANING}
        config["dataset"] = DATASET | dataset | {"source": SOURCES["roi"]}
        paths = {"manifest": "stimuli.json", "words": "words.parquet"}
        run(fetch_stimuli, paths, config=config, audio=None, local_data=str(real_data))
        run(build_words, paths, config=config)
        for subject in DATASET["subjects"]:
            name = subject["name"]
            paths = {"manifest": f"{name}.json", "words": "words.parquet", "responses": f"{name}.zarr.zip", "atlas": []}
            common = {"config": config, "wildcards": {"subject": name}}
            run(fetch_responses, paths, **common, subject=subject, local_data=str(real_data))
            run(clean_responses, paths, **common, rois=DATASET["rois"])
        paths = {"responses": [f"{name}.zarr.zip" for name in SUBJECTS], "ceiling": "ceiling.parquet"}
        paths |= {"regions": "ceiling_rois.parquet", "manifests": [f"{name}.json" for name in SUBJECTS]}
        paths |= {"stimuli": "stimuli.json", "words": "words.parquet", "description": "description.json", "sound": []}
        run(measure_ceiling, paths, config=config, subjects=SUBJECTS, common_space=True)
        run(describe_data, paths, config=config)
        yield SimpleNamespace(folder=folder, config=config, local_data=str(real_data))


@pytest.fixture(scope="module")
def responses(alice):
    return {name: read_arrays(alice.folder / f"{name}.zarr.zip") for name in SUBJECTS}


def clone_of(alice):
    return alice.folder / Path(read_json(alice.folder / "stimuli.json")["files"]["words"][""]["path"]).parents[1]


def test_transcript_is_pinned_and_whole(alice):
    manifest = read_json(alice.folder / "stimuli.json")
    assert manifest["commit"] == "5642f45d9c1997f9fe825f698b6f20fa94e6df29"
    words = read_table(alice.folder / "words.parquet")
    # 2,132 rows, 31 of which are the second part of a contraction.
    assert len(words) == 2132 - 31
    assert words.attrs["hashes"].keys() == {"alice-1"} and words.attrs["source"] == manifest
    text = words.attrs["texts"]["alice-1"]
    assert text.startswith("Alice was beginning to get very tired of sitting by her sister on the bank")
    assert all(text[row.char_start : row.char_end] == row.word for row in words.itertuples())
    assert "There are no mice in the air I'm afraid" in text
    assert words["onset"].iloc[0] > 20 and words["offset"].iloc[-1] < 744
    assert words[["log_frequency", "cfg_surprisal"]].notna().all().all()


def test_transcript_agrees_with_the_praat_annotation(alice, real_data):
    """The authors' TextGrid is another, hand-corrected alignment of the same recording."""
    grid = next((real_data / "alice").glob("*.TextGrid")).read_text(encoding="utf-8")
    spoken = re.findall(r'xmin = ([\d.]+)\s+xmax = ([\d.]+)\s+text = "([^"]*)"', grid)
    theirs = [(word.lower(), float(onset)) for onset, _, word in spoken]
    ours = read_table(alice.folder / "words.parquet")
    gaps = []
    for word, onset in zip(ours["word"].str.lower(), ours["onset"], strict=True):
        near = [abs(time - onset) for other, time in theirs if other == word and abs(time - onset) < 5]
        gaps.append(min(near, default=np.nan))
    assert np.isfinite(gaps).mean() > 0.95
    assert np.nanmedian(gaps) < 0.2


def test_the_table_as_published_is_refused_at_its_bad_row(alice):
    table = clone_of(alice) / "code/annotations.tsv"
    words = DATASET["words"]
    with pytest.raises(InputError, match="annotations.tsv, row 104: 'suddenly' has onset 53.1846, offset 52.4036"):
        read_transcript(table, {**words, "corrections": []})
    with pytest.raises(InputError, match="row 47: the word '’s' has no onset and no offset"):
        read_transcript(table, {**words, "corrections": [], "joined": []})


def test_27_listeners_are_usable(responses):
    usable = [name for name, data in responses.items() if data["valid"].values.all()]
    assert len(SUBJECTS) == 28 and set(SUBJECTS) - set(usable) == {"s33"}
    assert not responses["s33"]["valid"].values.any()
    (record,) = responses["s33"].attrs["runs"]
    assert (record["nonfinite"], record["constant"]) == (0, 6)
    for name in usable:
        values = responses[name]["responses"].values
        assert values.shape == (362, 6)
        np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-4)
        np.testing.assert_allclose(values.std(axis=0, ddof=1), 1, atol=1e-4)
    first = responses["s18"]
    assert first["time_s"].values[[0, -1]].tolist() == [20.0, 742.0]
    assert first["roi"].values.tolist() == ["LATL", "RATL", "LPTL", "LIPL", "LPreM", "LIFG"]


def test_motion_of_the_dropped_volumes_is_cut(responses, real_data):
    motion = np.loadtxt(next((real_data / "alice/roi").glob("s39-rp_*.txt")))
    assert len(motion) == 372
    cleaned = responses["s39"]["responses"].values
    kept = motion[10:] - motion[10:].mean(axis=0)
    correlation = cleaned.T @ (kept / np.linalg.norm(kept, axis=0)) / np.linalg.norm(cleaned, axis=0)[:, None]
    assert np.abs(correlation).max() < 0.02


def test_listeners_agree_in_every_roi(alice):
    ceiling = read_table(alice.folder / "ceiling.parquet")
    assert set(ceiling["kind"]) == {"isc"}
    assert ceiling.dropna(subset="ceiling")["subject"].nunique() == 27
    by_roi = ceiling.groupby("roi")["ceiling"]
    error = by_roi.std() / np.sqrt(27)
    assert (by_roi.mean() > 5 * error).all()
    assert by_roi.mean().between(0.1, 0.6).all()
    regions = read_table(alice.folder / "ceiling_rois.parquet")
    group = regions[regions["subject"] == "group"].set_index("roi")
    assert (group["n_subjects"] == 27).all() and (group["low"] > 0.05).all()
    for roi, mean in by_roi.mean().items():
        assert group.loc[roi, "ceiling"] == pytest.approx(mean)
        assert group.loc[roi, "low"] < mean < group.loc[roi, "high"]


def test_word_rate_predicts_every_roi_at_the_lag_of_the_response(alice, responses):
    """Words and volumes share a clock: convolved word rate fits best within one TR of no further lag."""
    words = read_table(alice.folder / "words.parquet")
    step, tr = 0.1, DATASET["tr"]
    rate = np.bincount((words["onset"] / step).astype(int), minlength=7440).astype(float)
    seconds = np.arange(0, 32, step)
    haemodynamic = gamma.pdf(seconds, 6) - gamma.pdf(seconds, 16) / 6
    expected = np.convolve(rate, haemodynamic)[: len(rate)]
    group = np.nanmean([data["responses"].values for name, data in responses.items() if name != "s33"], axis=0)
    # A volume is measured over its TR: compare with its middle. Edges are left out so that every lag has a past.
    middle = responses["s18"]["time_s"].values[15:-15] + tr / 2
    for column in range(6):
        fits = {
            lag: np.corrcoef(expected[((middle - lag * tr) / step).astype(int)], group[15:-15, column])[0, 1]
            for lag in range(-5, 6)
        }
        assert abs(max(fits, key=fits.get)) <= 1
        assert max(fits.values()) > 0.2


def test_the_data_report_finds_what_the_data_set_is_known_for(alice):
    found = read_json(alice.folder / "description.json")
    assert found["findings"] == ["No valid voxel, left out of all that follows: s33."]
    assert [entry["subject"] for entry in found["subjects"] if entry["valid"]] == [n for n in SUBJECTS if n != "s33"]
    motion = [record["mean_fd"] for entry in found["subjects"] for record in entry["runs"]]
    assert 0.03 < min(motion) and max(motion) < 0.5
    # Published with the data set: 0 to 0.84 s; unknown for s46 and s52, and s33 and s40 are not in it.
    onsets = {entry["subject"]: entry["runs"][0]["sound_onset"] for entry in found["subjects"]}
    assert {name for name, onset in onsets.items() if onset is None} == {"s33", "s40", "s46", "s52"}
    known = [onset for onset in onsets.values() if onset is not None]
    assert min(known) >= 0 and max(known) == pytest.approx(0.837)
    timing = found["timing"]
    assert timing["plausible"] is True and len(timing["group"]) == 7
    for entry in timing["group"]:
        assert abs(entry["convolved"]["lag"]) <= DATASET["tr"] and entry["convolved"]["r"] > 0.2
        assert 3 <= entry["raw"]["lag"] <= 7
    shown = {row["roi"]: row for row in found["ceilings"] if row["subject"] == "group"}
    assert all(shown[roi["name"]]["low"] > 0.05 for roi in DATASET["rois"])


def test_a_transcript_on_another_clock_is_flagged(alice):
    """Words that come some seconds too early or too late move the peak of every region by as much."""
    words = read_table(alice.folder / "words.parquet")
    files = [alice.folder / f"{name}.zarr.zip" for name in SUBJECTS if name != "s33"]
    series = {file.name: subject_series(file, DATASET["rois"]) for file in files}
    _, times, names = next(iter(series.values()))
    courses = {name: each[0] for name, each in series.items()}
    for late in (-6, 8):
        moved = words.assign(onset=words["onset"] - late, offset=words["offset"] - late)
        expected = Expected.of_rows("scan", DATASET["tr"])
        timing = describe_timing(moved, courses, times, names, DATASET["rois"], expected, 0)
        assert timing["plausible"] is False
        for entry in timing["group"]:
            assert entry["convolved"]["lag"] == pytest.approx(late, abs=DATASET["tr"])


def test_the_praat_annotation_has_2127_words(real_data):
    (praat,) = [t for t in REGISTRY["datasets"]["ds002322"]["transcripts"] if t["name"] == "textgrid"]
    table, _ = read_transcript(real_data / praat["path"], {**praat, "language": "en"})
    assert len(table) == 2127


def test_images_exist_for_the_listeners_that_the_study_names(alice):
    source = SOURCES["voxels"]
    tree = set(git(clone_of(alice), "ls-tree", "-r", "--name-only", "HEAD").splitlines())
    ids = {subject["name"]: subject["id"] for subject in DATASET["subjects"]}
    assert {source["files"]["response"].format(id=ids[name]) for name in source["subjects"]} == {
        path for path in tree if path.startswith("derivatives/") and path.endswith(".nii.gz")
    }


def fetch(alice, manifest, source, local_data):
    config = alice.config | {"dataset": alice.config["dataset"] | {"source": SOURCES[source]}}
    options = {"wildcards": {"subject": "s18"}, "subject": {"name": "s18", "id": "18"}, "local_data": local_data}
    run(fetch_responses, {"manifest": manifest}, config=config, **options)


def test_images_without_a_network_end_in_one_clear_message(alice, monkeypatch):
    monkeypatch.chdir(alice.folder)
    with pytest.raises(InputError) as error:
        fetch(alice, "voxels.json", "voxels", alice.local_data)
    expected = ["derivatives/sub-18/sub-18_task-alice_bold_preprocessed.nii.gz", "ds002322", "1.0.4", "5642f45d9c19"]
    for text in [*expected, "datalad get"]:
        assert text in str(error.value)
    assert "\n" not in str(error.value)
    assert not (alice.folder / "voxels.json").exists()


def test_missing_folder_says_where_to_get_the_files(alice, tmp_path):
    with pytest.raises(InputError) as error:
        fetch(alice, str(tmp_path / "x.json"), "roi", str(tmp_path))
    for text in ("local_data", str(tmp_path), "alice/roi/6mm/s18-timecourses.txt", "CC BY 4.0", "Brennan"):
        assert text in str(error.value)
