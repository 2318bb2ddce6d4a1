"""The registry against the published trees: every path of every subject and run is in the data set's git history."""

import re
import string
import subprocess

import pytest
import yaml
from project import ROOT

REGISTRY = {
    entry["name"]: entry
    for entry in yaml.safe_load((ROOT / "resources/registry/datasets.yaml").read_text(encoding="utf-8"))["datasets"]
}
PUBLISHED = ["ds002322", "ds003020", "ds005531"]


@pytest.fixture(scope="module", params=PUBLISHED)
def tree(request, real_data, tmp_path_factory):
    """A data set's registry entry and the links and files of its tree at the pinned version, by plain git."""
    entry = REGISTRY[request.param]
    clone = tmp_path_factory.mktemp(request.param)
    bundle = real_data / "openneuro" / f"{request.param}.bundle"
    subprocess.run(["git", "clone", "-q", "--bare", str(bundle), str(clone)], check=True)
    command = ["git", "-C", str(clone), "ls-tree", "-r", "-z", "--name-only", entry["version"]]
    listed = subprocess.run(command, check=True, capture_output=True)
    return entry, set(listed.stdout.decode().split("\0")) - {""}, clone


def expand(template, entry, subject):
    """Every path that a template stands for, for one subject."""
    fields = {field for _, field, _, _ in string.Formatter().parse(template) if field}
    paths = set()
    for run in entry["runs"]:
        if run["name"] in subject.get("runs", [run["name"]]):
            names = {"subject": subject["name"], "run": run["name"], "stimulus": run.get("stimulus", run["name"])}
            names["id"] = subject.get("id")
            paths.add(template.format(**{key: value for key, value in names.items() if key in fields}))
    return paths


def test_every_path_of_every_subject_and_run_is_in_the_tree(tree):
    entry, files, _ = tree
    checked = set()
    for source in entry["sources"]:
        if source["root"] == "dataset":
            for subject in entry["subjects"]:
                if subject["name"] in source.get("subjects", [subject["name"]]):
                    for role in ("path", "confounds", "mask", "rois", "roi_table", "reference"):
                        if source.get(role):
                            checked |= expand(source[role], entry, subject)
    whole = {"name": "", "id": ""}
    for transcript in entry["transcripts"]:
        if transcript["root"] == "dataset":
            checked |= expand(transcript["path"], entry, whole)
    checked |= expand(entry["audio"]["path"], entry, whole) if entry.get("audio") else set()
    assert len(checked) > 20
    assert not checked - files, sorted(checked - files)[:5]


def test_the_registry_lacks_no_response_file_of_the_tree(tree):
    """The other way round: what the tree has, the registry names."""
    entry, files, _ = tree
    pattern = {
        "ds002322": r"derivatives/.*bold_preprocessed\.nii\.gz",
        "ds003020": r"derivative/preprocessed_data/.*\.hf5",
        "ds005531": r"derivatives/preprocessed_data/.*run-\d+\.mat",
    }[entry["name"]]
    there = {file for file in files if re.fullmatch(pattern, file)}
    source = next(source for source in entry["sources"] if source["root"] == "dataset")
    named = set()
    for subject in entry["subjects"]:
        if subject["name"] in source.get("subjects", [subject["name"]]):
            named |= expand(source["path"], entry, subject)
    assert named == there


def test_licence_and_title_agree_with_the_data_set_itself(tree):
    entry, _, clone = tree
    shown = subprocess.run(
        ["git", "-C", str(clone), "show", f"{entry['version']}:dataset_description.json"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert "CC0" in shown and entry["license"].startswith("CC0")
    assert entry["name"] in shown or entry["name"] == "ds002322"
    assert entry["name"] in entry["url"] and entry["version"] in entry["citation"]


def test_hearings_of_the_test_story_fit_the_sizes_of_the_files(tree):
    """LeBel's file of the test story holds the mean and every hearing: (hearings + 1) x rows x voxels of 8 bytes."""
    entry, _, clone = tree
    if entry["name"] != "ds003020":
        pytest.skip("only LeBel has a repeated story")

    def size(subject, story):
        path = f"{entry['version']}:derivative/preprocessed_data/{subject}/{story}.hf5"
        key = subprocess.run(["git", "-C", str(clone), "show", path], check=True, capture_output=True, text=True).stdout
        return int(re.search(r"-s(\d+)-", key)[1])

    for subject in entry["subjects"]:
        runs = [run for run in entry["runs"] if run["name"] in subject.get("runs", [run["name"]])]
        hearings = sum("repeat" in run for run in runs)
        # The story `souls` has 375 - 20 rows, the test story 311 - 20 (respdict.json).
        voxels = (size(subject["name"], "souls") - 2048) / (8 * 355)
        assert round(size(subject["name"], "wheretheressmoke") / (8 * 291 * voxels), 2) == hearings + 1
