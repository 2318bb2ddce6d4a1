"""The registry of data sets: what a study's choice resolves to, and what is refused with a name."""

import copy
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from project import ROOT

from triphase.config.datasets import load_registry, resolve_dataset
from triphase.config.readers import READERS
from triphase.config.schema import Study
from triphase.config.schema.overlay import defaults, json_schema, keys
from triphase.config.schema.registries import Datasets, Families
from triphase.config.transcripts import TRANSCRIPTS
from triphase.core.errors import InputError

FILE = ROOT / "resources/registry/datasets.yaml"
REGISTRY = load_registry(FILE)
NOTHING = defaults(json_schema(Study))["dataset"]
CONTENT = yaml.safe_load(FILE.read_text())
TWO = {"subjects": [{"name": "a"}], "runs": [{"name": "b"}]}
SMALL = {"datasets": [CONTENT["datasets"][0]]}


def resolve(name, local_data=None, **choices):
    selection = NOTHING | {"name": name} | choices
    return resolve_dataset(selection, REGISTRY, study="mine", local_data=local_data)


def names(entries):
    return [entry["name"] for entry in entries]


def test_subjects_runs_and_defaults_of_the_published_data_sets():
    alice = resolve("ds002322")
    assert len(alice["subjects"]) == 28 and alice["subjects"][0] == {"name": "s18", "id": "18"}
    assert alice["source"]["columns"] == names(alice["rois"])
    assert [roi["name"] for roi in alice["rois"] if roi["language"]] == ["LATL", "LPTL", "LIPL", "LIFG"]
    assert len(resolve("ds002322", source="voxels")["subjects"]) == 23
    movie = resolve("ds005531", transcript="speech_en")
    assert len(movie["runs"]) == 43 and sum(run["test"] for run in movie["runs"]) == 11
    assert sum(run.get("overlap", 0) == 20 for run in movie["runs"]) == 43 - 11
    assert movie["words"]["language"] == "en" and movie["words"]["unit"] == "annotation"
    assert movie["words"]["marker"] == "メイン#" and movie["language"] == "ja"


def test_runs_are_those_that_every_chosen_subject_has():
    assert len(resolve("ds003020", subjects=["UTS01", "UTS03"])["runs"]) == 83 + 10
    everyone = resolve("ds003020")
    assert len(everyone["subjects"]) == 9 and len(everyone["runs"]) == 24 + 5
    tests = [run for run in everyone["runs"] if run["test"]]
    assert [run["repeat"] for run in tests] == [1, 2, 3, 4, 5]
    assert {run["stimulus"] for run in tests} == {"wheretheressmoke"}


def test_a_study_chooses_its_runs_and_test_runs():
    chosen = resolve("ds003020", subjects=["UTS02"], runs=["souls", "life", "naked"], test_runs=["life"])
    assert {run["name"]: run["test"] for run in chosen["runs"]} == {"life": True, "naked": False, "souls": False}
    with pytest.raises(InputError, match="dataset/runs: 'life' is not a run of subject 'UTS04'"):
        resolve("ds003020", subjects=["UTS02", "UTS04"], runs=["life"])


def test_a_source_says_the_path_of_every_role_of_its_files():
    entry = copy.deepcopy(SMALL)
    entry["datasets"][0]["sources"][0] |= {
        "reader": "gifti", "path": "{subject}_{run}_{hemi}.gii", "mask": "mask_{hemi}.gii",
        "confounds": "{subject}_{run}.tsv",
        "rois": "rois.gii", "roi_table": None,
    }  # fmt: skip
    registry = {"datasets": {"embedded": entry["datasets"][0]}, "atlases": {}}
    source = resolve_dataset(NOTHING | {"name": "embedded"}, registry, study="mine")["source"]
    assert source["files"] == {
        "response_L": "{subject}_{run}_L.gii", "response_R": "{subject}_{run}_R.gii", "mask_L": "mask_L.gii",
        "mask_R": "mask_R.gii", "confounds": "{subject}_{run}.tsv", "rois": "rois.gii",
    }  # fmt: skip
    assert "path" not in source and "mask" not in source


def test_overrides_merge_mappings_and_replace_lists():
    changed = resolve("embedded", overrides={"tr": 1.5, "simulate": {"volumes": 99}, "subjects": [{"name": "x"}]})
    assert changed["tr"] == 1.5 and changed["simulate"]["volumes"] == 99 and changed["simulate"]["seed"] == 1
    assert names(changed["subjects"]) == ["x"] and changed["url"] == "results/mine/demo/dataset"
    assert REGISTRY["datasets"]["embedded"]["tr"] == 2.0, "the registry itself was changed"


@pytest.mark.parametrize(
    ("name", "choices", "message"),
    [
        ("ds1", {}, "dataset/name: 'ds1' is not in the registry; there are: embedded, ds002322"),
        (
            "ds002322",
            {"source": "surface"},
            "source: 'surface' is not among the sources; there are: roi, roi_10mm, voxels",
        ),
        ("ds002322", {"transcript": "srt"}, "dataset/transcript: 'srt' is not a transcript; there are: annotations"),
        (
            "ds002322",
            {"subjects": ["s17"]},
            "dataset/subjects: 's17' is not a subject of ds002322; there are: s18, .* did you mean 's51'",
        ),
        ("ds002322", {"source": "voxels", "subjects": ["s33"]}, "'s33' has no responses of source 'voxels'"),
        ("ds002322", {"runs": ["run-2"]}, "dataset/runs: 'run-2' is not a run of ds002322; there are: run-1"),
        (
            "ds002322",
            {"test_runs": ["run-2"]},
            "dataset/test_runs: 'run-2' is not among the study's runs",
        ),
        ("ds002322", {"atlas": "schaefer400"}, "source 'roi' is in space 'none'"),
        ("ds002322", {"atlas": "aal"}, "dataset/atlas: 'aal' is not in the registry; there are: schaefer400"),
        ("ds002322", {"overrides": {"tr": "2 s"}}, 'dataset/overrides/tr: "2 s" must be a number > 0 or null'),
        ("ds002322", {"overrides": {"TR": 2}}, "dataset/overrides/TR: no such key .here 2.; there are .*tr"),
        ("local", {"overrides": TWO}, "'local' has no tr in the registry; set tr, in seconds"),
        ("local", {}, "local_data: not set, but the subjects and runs of the source 'bids' are found by its files"),
        ("embedded", {"overrides": {"url": "data"}}, "dataset/overrides/url: 'data' must be results/mine/demo/dataset"),
    ],
)
def test_a_choice_that_there_is_not_is_named_with_what_there_is(name, choices, message):
    with pytest.raises(InputError, match=message):
        resolve(name, **choices)


def test_subjects_and_runs_of_an_own_folder_are_found_by_their_files(tmp_path):
    for subject, run in [("sub-01", "story_run-1"), ("sub-02", "story_run-1"), ("sub-02", "story_run-2")]:
        folder = tmp_path / "derivatives" / subject / "func"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{subject}_task-{run}_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz").touch()
    (tmp_path / "derivatives/sub-02/func/sub-03_task-x_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz").touch()
    (tmp_path / "responses/A").mkdir(parents=True)
    (tmp_path / "responses/A/one.npy").touch()
    found = resolve("local", tmp_path, overrides={"tr": 1.5})
    assert names(found["subjects"]) == ["sub-01", "sub-02"] and names(found["runs"]) == ["story_run-1"]
    assert found["left_out"] == ["story_run-2"]
    assert names(resolve("local", tmp_path, subjects=["sub-02"], overrides={"tr": 1.5})["runs"])[1:] == ["story_run-2"]
    assert found["runs"][0]["stimulus"] == "story_run-1"
    # Also where the study names the subjects itself.
    named = {"tr": 1.5, "subjects": [{"name": "sub-01"}, {"name": "sub-02"}]}
    assert names(resolve("local", tmp_path, overrides=named)["runs"]) == ["story_run-1"]
    for number in (2, 10, 9):
        (tmp_path / "responses/A" / f"run-{number}.npy").touch()
    numbered = resolve("local", tmp_path, source="arrays", overrides={"tr": 1.5})["runs"]
    assert names(numbered) == ["one", "run-2", "run-9", "run-10"]
    for number in (2, 10, 9):
        (tmp_path / "responses/A" / f"run-{number}.npy").unlink()
    arrays = resolve("local", tmp_path, source="arrays", overrides={"tr": 1.5})
    assert names(arrays["subjects"]) == ["A"] and names(arrays["runs"]) == ["one"]
    with pytest.raises(InputError, match="no file of the folder .* fits the path 'derivatives/"):
        resolve("local", tmp_path / "responses", overrides={"tr": 1.5})


TEXT = {"name": "rois", "root": "local_data", "reader": "text", "space": "none", "path": "a.txt", "columns": ["LTemp"]}
TEXT |= {"dropped_volumes": 0, "regions": [{"name": "LFront"}]}
EMBEDDED, TRANSCRIPT, SOURCE = ("datasets", 0), ("datasets", 0, "transcripts", 0), ("datasets", 0, "sources", 0)


@pytest.mark.parametrize(
    ("path", "values", "message"),
    [
        (EMBEDDED, {"speed": 1}, "datasets/embedded/speed: no such key .here 1."),
        ((*TRANSCRIPT, "labels", 0), {"name": "run"}, "transcripts/words/labels: 'run' is taken"),
        ((*TRANSCRIPT, "labels", 0), {"name": "word_rate"}, "transcripts/words/labels: 'word_rate' is taken"),
        (TRANSCRIPT, {"path": "{story}.tsv"}, "words/path: .*'{story}' is unknown; it may use: {stimulus}"),
        (TRANSCRIPT, {"path": "{stimulus.tsv"}, "words/path: .* is not a path template"),
        (TRANSCRIPT, {"format": "textgrid"}, "transcripts/words/tier: the key is missing; it must be text or"),
        (TRANSCRIPT, {"tier": 1}, "words/tier: no such key .here 1.; there are columns, corrections"),
        (TRANSCRIPT, {"format": "srt"}, "words/format: there is no transcript format 'srt'; there are anno"),
        (TRANSCRIPT, {"columns": {"word": "w"}}, "words/columns/onset: the key is missing"),
        ((*TRANSCRIPT, "columns"), {"duration": "d"}, "words/columns: give either offset or duration"),
        (TRANSCRIPT, {"corrections": [{"stimulus": "chapel", "row": 2, "column": "w", "found": "a", "value": "b"}]},
         "words/corrections: 'chapel' is not a stimulus"),
        (SOURCE, {"path": "{sub}.nii"}, "voxels/path: .*'{sub}' is unknown; it may use: {subject}, {id}, {run}"),
        (SOURCE, {"confounds": "{}.tsv"}, "voxels/confounds: .*'{}' is unknown"),
        (SOURCE, {"mask": "{subj}"}, "voxels/mask: .*'{subj}' is unknown"),
        (SOURCE, {"path": "{id}_{run}.nii"}, "voxels/path: .* uses {id}, but the subject 'sub-01' has no id"),
        (SOURCE, {"subjects": ["sub-1"]}, "voxels/subjects: 'sub-1' is not a subject; there are: sub-01"),
        ((*EMBEDDED, "sources"), {0: TEXT}, "rois/regions: 'LFront' is not among its columns"),
        (SOURCE, {"reader": "text"}, "voxels/columns: the key is missing; it must be a list of names"),
        (SOURCE, {"reader": "niffti"}, "voxels/reader: there is no reader 'niffti'; .* did you mean 'nifti'"),
        (SOURCE, {"masks": "m.nii"}, "voxels/masks: no such key .*; did you mean mask. there are confounds"),
        (SOURCE, {"mask": 1}, "voxels/mask: 1 must be text or null"),
        (SOURCE, {"path": "{run}.npy"}, "voxels/path: '{run}.npy' must end in .nii or .nii.gz to be read as 'nifti'"),
        (SOURCE, {"reader": "hdf5"}, "voxels/key: the key is missing; it must be text"),
        (SOURCE, {"rois": None}, "voxels/regions: the source has no label image"),
        ((*EMBEDDED, "subjects", 0), {"runs": ["run-99"]}, "subjects/sub-01/runs: 'run-99' is not a run; there are"),
        ((*EMBEDDED, "subjects", 1), {"name": "sub-01"}, "embedded/subjects: name 'sub-01' is used more than once"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_registry_is_named(tmp_path, path, values, message):
    content = copy.deepcopy(SMALL)
    at = content
    for part in path:
        at = at[part]
    for key, value in values.items():
        at[key] = value
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        load_registry(file)
    assert "own.yaml" in str(caught.value)


def test_a_file_that_is_no_registry(tmp_path):
    with pytest.raises(InputError, match="dataset/registry: .*missing.yaml cannot be read"):
        load_registry(tmp_path / "missing.yaml")
    for content in (b"datasets: [", b"\xff\xfe", b"", b"- 1", b"datasets: []", b"\x00"):
        (tmp_path / "own.yaml").write_bytes(content)
        with pytest.raises(InputError, match="own.yaml"):
            load_registry(tmp_path / "own.yaml")


@settings(max_examples=150)
@given(data=st.data())
def test_whatever_stands_in_a_registry_ends_well_or_in_one_clear_error(tmp_path_factory, data):
    """Random values in random places of a valid registry, and random text: InputError or a registry, nothing else."""
    file = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    if data.draw(st.booleans()):
        text = st.text(max_size=60).map(lambda drawn: drawn.encode("utf-8", "replace"))
        file.write_bytes(data.draw(st.binary(max_size=60) | text))
    else:
        content = copy.deepcopy(SMALL)
        at, last = content, None
        for _ in range(data.draw(st.integers(1, 5))):
            if not isinstance(at, dict | list) or not at:
                break
            last = at, data.draw(st.sampled_from(list(at) if isinstance(at, dict) else range(len(at))))
            at = last[0][last[1]]
        last[0][last[1]] = data.draw(
            st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=8)
            | st.sampled_from(["{run}", "{stimulus}", "{", "local_data", "textgrid", "hdf5"])
            | st.lists(st.text(max_size=3), max_size=2) | st.dictionaries(st.text(max_size=4), st.integers())
        )  # fmt: skip
        file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    try:
        registry = load_registry(file)
        for name in registry["datasets"]:
            resolve_dataset(NOTHING | {"name": name}, registry, study="mine")
    except InputError as error:
        assert str(error).strip()


def test_every_key_is_documented():
    text = (ROOT / "resources/registry/README.md").read_text()
    known = {path.split("/")[-1] for part in (Datasets, Families) for path, *_ in keys(json_schema(part))} - {"[]"}
    known |= {key for declared in (*READERS.values(), *TRANSCRIPTS.values()) for key in declared.keys()}
    missing = [key for key in sorted(known) if not re.search(rf"\b{key}\b", text)]
    assert not missing, missing
