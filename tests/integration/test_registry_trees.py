"""The registry against the published trees: every path of every subject and run is in the data set's git history."""

import re
import string
import subprocess

import numpy as np
import pytest
import yaml
from project import ROOT

REGISTRY = {
    entry["name"]: entry
    for entry in yaml.safe_load((ROOT / "resources/registry/datasets.yaml").read_text(encoding="utf-8"))["datasets"]
}
PUBLISHED = [
    "ds002322",
    "ds003020",
    "ds005531",
    "ds003643-en",
    "ds003643-zh",
    "ds003643-fr",
    "ds002345",
    "ds005345",
    "ds005574",
]


@pytest.fixture(scope="module", params=PUBLISHED)
def tree(request, real_data, tmp_path_factory):
    """A data set's registry entry and the links and files of its tree at the pinned version, by plain git."""
    entry = REGISTRY[request.param]
    clone = tmp_path_factory.mktemp(request.param)
    bundle = real_data / "openneuro" / f"{request.param.split('-')[0]}.bundle"
    subprocess.run(["git", "clone", "-q", "--bare", str(bundle), str(clone)], check=True)
    command = ["git", "-C", str(clone), "ls-tree", "-r", "-z", "--name-only", entry["version"]]
    listed = subprocess.run(command, check=True, capture_output=True)
    return entry, set(listed.stdout.decode().split("\0")) - {""}, clone


def expand(template, entry, subject):
    """Every path that a template stands for, for one subject."""
    fields = {field for _, field, _, _ in string.Formatter().parse(template) if field}
    paths = set()
    heard = subject.get("runs", [run["name"] for run in entry["runs"]])
    called = subject.get("files", {})
    if isinstance(called, list):
        called = dict(zip(heard, called, strict=True))
    for run in entry["runs"]:
        if run["name"] in heard:
            own = called.get(run["name"], run["name"])
            names = {"subject": subject["name"], "run": own, "stimulus": run.get("stimulus", run["name"])}
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
                    for role in ("path", "confounds", "mask", "rois", "roi_table", "reference", "electrodes"):
                        if source.get(role):
                            checked |= expand(source[role], entry, subject)
    whole = {"name": "", "id": ""}
    for transcript in entry["transcripts"]:
        if transcript["root"] == "dataset":
            checked |= expand(transcript["path"], entry, whole)
    checked |= expand(entry["audio"]["path"], entry, whole) if entry.get("audio") else set()
    if entry.get("events"):
        for subject in entry["subjects"]:
            if subject["name"] in entry["events"].get("subjects", [subject["name"]]):
                checked |= expand(entry["events"]["path"], entry, subject)
    assert len(checked) >= 20
    assert not checked - files, sorted(checked - files)[:5]


def test_the_registry_lacks_no_response_file_of_the_tree(tree):
    """The other way round: what the tree has, the registry names."""
    entry, files, _ = tree
    pattern = {
        "ds002322": r"derivatives/.*bold_preprocessed\.nii\.gz",
        "ds003020": r"derivative/preprocessed_data/.*\.hf5",
        "ds005531": r"derivatives/preprocessed_data/.*run-\d+\.mat",
        "ds003643-en": r"derivatives/sub-EN.*_bold\.nii\.gz",
        "ds003643-zh": r"derivatives/sub-CN.*_bold\.nii\.gz",
        "ds003643-fr": r"derivatives/sub-FR.*_bold\.nii\.gz",
        # Of several stories in one run, and of clips in an order of each listener's own, there is no entry.
        "ds002345": r"sub-.*_task-(?!schema|slumlordreach).*_bold\.nii\.gz",
        "ds005574": r"derivatives/ecogprep/.*_desc-highgamma_ieeg\.fif",
        # Those with one talker, as far as the registry knows which they are.
        "ds005345": r"derivatives/(sub-\d+)/func/\1_task-multitalker_run-[12]_.*_bold\.nii\.gz",
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
    accession = entry["name"].split("-")[0]
    assert accession in shown or accession == "ds002322"
    assert accession in entry["url"] and entry["version"] in entry["citation"]


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


def test_the_kth_file_of_a_listener_is_section_k(tree):
    """By the sizes of the files: a run is as long as its section, and sections differ by up to a third."""
    entry, files, clone = tree
    if not entry["name"].startswith("ds003643"):
        pytest.skip("only Le Petit Prince has sections")
    sizes = {}
    for subject in entry["subjects"]:
        paths = [entry["sources"][0]["path"].format(subject=subject["name"], run=name) for name in subject["files"]]
        links = [f"{entry['version']}:{path}" for path in paths]
        shown = subprocess.run(
            ["git", "-C", str(clone), "cat-file", "--batch"], input="\n".join(links), capture_output=True, text=True,
            check=True,
        ).stdout  # fmt: skip
        sizes[subject["name"]] = [int(size) for size in re.findall(r"-s(\d+)--[^/]*$", shown, re.M)]
    # Scans after preprocessing, by section (README of the data set).
    scans = {
        "en": [282, 298, 340, 303, 265, 343, 325, 292, 368],
        "zh": [283, 322, 322, 307, 293, 392, 364, 293, 401],
        "fr": [309, 326, 354, 315, 293, 378, 332, 294, 336],
    }[entry["language"]]
    correlated = [np.corrcoef(size, scans)[0, 1] for size in sizes.values()]
    assert np.median(correlated) > 0.99, sorted(correlated)[:5]


def test_events_name_the_story_and_its_sound(tree):
    """Every listener's events have one row of the story, with the sound that the registry says was played."""
    entry, _, clone = tree
    if not (entry.get("events") and entry["events"]["applied"]):
        pytest.skip("only Narratives begins with music")
    onsets = set()
    for subject in entry["subjects"]:
        for run in entry["runs"]:
            if run["name"] not in subject["runs"]:
                continue
            called = subject.get("files", {}).get(run["name"], run["name"])
            path = entry["events"]["path"].format(subject=subject["name"], run=called)
            onsets.add((run["name"], f"{entry['version']}:{path}"))
    shown = subprocess.run(
        ["git", "-C", str(clone), "cat-file", "--batch"], input="\n".join(path for _, path in sorted(onsets)),
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    tables = re.split(r"^[0-9a-f]{40} blob \d+\n", shown, flags=re.M)[1:]
    stimulus = {run["name"]: run.get("stimulus", run["name"]) for run in entry["runs"]}
    for (run, path), table in zip(sorted(onsets), tables, strict=True):
        rows = [line.split("\t") for line in table.strip().splitlines()[1:]]
        story = [row for row in rows if row[2:] == ["story", f"{stimulus[run]}_audio.wav"]]
        assert len(story) == 1, path
