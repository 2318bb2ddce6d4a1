"""Plans of data sets whose runs, onsets or roots need more of the registry, and their content offline: one clear error.

What a plan must say is counted here from a plain git clone of the bundle: paths written out, sizes of annex keys.
"""

import io
import json
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import fetch_responses
import plan_download
import pytest
from jobs import run as run_script
from project import ROOT

from triphase.config.datasets import load_registry, resolve_dataset
from triphase.config.schema import Study
from triphase.config.schema.overlay import defaults, json_schema
from triphase.core.errors import InputError

REGISTRY = load_registry(ROOT / "resources/registry/datasets.yaml")
SELECTION = defaults(json_schema(Study))["dataset"]
OFFLINE = {
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "remote.s3-PUBLIC.annex-ignore",
    "GIT_CONFIG_VALUE_0": "true",
}


def of_little_prince(language):
    def paths(files):
        task = {"en": "EN", "zh": "CN", "fr": "FR"}[language]
        return {
            "response": [f for f in files if re.match(rf"derivatives/sub-{task}\d+/func/.*_bold\.nii\.gz", f)],
            "words": [f"annotation/{task}/lpp{task}_word_information.csv"],
            "audio": [f for f in files if re.match(rf"stimuli/task-lpp{task}_section", f)],
        }

    return paths


def of_narratives(files):
    heard = {f.split("/")[0] for f in files if f.endswith("_task-tunnel_bold.nii.gz")}
    return {
        "response": [f"{subject}/func/{subject}_task-tunnel_bold.nii.gz" for subject in heard],
        "events": [f"{subject}/func/{subject}_task-tunnel_events.tsv" for subject in heard],
        "audio": ["stimuli/tunnel_audio.wav"],
    }


def of_talkers(files):
    own = r"derivatives/(sub-\d+)/func/\1_task-multitalker_run-[12]_"
    return {
        "response": [f for f in files if re.match(own, f)],
        "words": [f"annotation/single_{who}_word_information.csv" for who in ("female", "male")],
        "audio": [f"stimuli/single_{who}.wav" for who in ("female", "male")],
    }


def of_podcast(files):
    return {
        "response": [f for f in files if f.endswith("_desc-highgamma_ieeg.fif")],
        "electrodes": [f for f in files if f.endswith("_space-MNI152NLin2009aSym_electrodes.tsv")],
        "words": ["stimuli/podcast_transcript.csv"],
        "audio": ["stimuli/podcast.wav"],
    }


STUDIES = {
    "ds003643-en": ({}, of_little_prince("en")),
    "ds003643-zh": ({}, of_little_prince("zh")),
    "ds003643-fr": ({}, of_little_prince("fr")),
    "ds002345": ({"source": "raw", "runs": ["tunnel"]}, of_narratives),
    "ds005345": ({}, of_talkers),
    "ds005574": ({}, of_podcast),
}


@pytest.fixture(scope="module", params=list(STUDIES))
def dataset(request, real_data, tmp_path_factory):
    """Name, bundle, resolved data set, and the (key, bytes) of every file of the pinned version by path."""
    name, folder = request.param, tmp_path_factory.mktemp(request.param)
    bundle = real_data / "openneuro" / f"{name.split('-')[0]}.bundle"
    chosen, paths = STUDIES[name]
    selection = SELECTION | {"name": name, "overrides": {"url": str(bundle)}, **chosen}
    resolved = resolve_dataset(selection, REGISTRY, study="test")
    plain = folder / "plain"
    subprocess.run(["git", "clone", "-q", "--bare", str(bundle), str(plain)], check=True)
    listing = subprocess.check_output(["git", "-C", str(plain), "ls-tree", "-r", "-l", resolved["version"]], text=True)
    rows = [re.fullmatch(r"(\d+) blob (\w+) +(\d+)\t(.*)", line).groups() for line in listing.splitlines()]
    links = [blob for mode, blob, _, _ in rows if mode == "120000"]
    shown = subprocess.run(
        ["git", "-C", str(plain), "cat-file", "--batch"], input="\n".join(links), capture_output=True, text=True,
        check=True,
    ).stdout.splitlines()  # fmt: skip
    targets = {header.split()[0]: target for header, target in zip(shown[::2], shown[1::2], strict=True)}
    sizes = {}
    for _, blob, size, path in rows:
        key = targets[blob].rpartition("/")[2] if blob in targets else blob
        promised = re.match(r"[A-Z0-9]+-s(\d+)--", key)
        sizes[path] = key, int(promised[1]) if promised else int(size)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for variable, value in OFFLINE.items():
            patch.setenv(variable, value)
        yield SimpleNamespace(name=name, resolved=resolved, sizes=sizes, paths=paths(list(sizes)))


def test_a_plan_counts_files_and_bytes_of_every_role_and_subject(dataset):
    terminal = io.StringIO()
    config = {"dataset": dataset.resolved, "local_data": None}
    options = {"audio": dataset.resolved["audio"], "atlas": None, "asked": 0}
    run_script(plan_download, {"plan": "plan.json"}, config=config, terminal=terminal, **options)
    plan = json.loads(Path("plan.json").read_text())
    for role, paths in dataset.paths.items():
        rows = [row for row in plan["rows"] if row["role"] == role]
        assert sum(row["files"] for row in rows) == len(paths), role
        assert sum(row["bytes"] for row in rows) == sum(dataset.sizes[path][1] for path in paths), role
        if role == "response":
            assert {row["subject"] for row in rows} == {subject["name"] for subject in dataset.resolved["subjects"]}
    assert {row["role"] for row in plan["rows"]} == set(dataset.paths)
    # What could not be verified is said, and no error: transcripts of Narratives lie in a superdataset.
    absent = {row["role"] for row in plan["absent"]}
    assert absent == ({"words"} if dataset.name == "ds002345" else set())
    assert ("not counted" in terminal.getvalue()) == bool(absent)


def test_content_offline_ends_in_one_clear_error(dataset):
    subject = dataset.resolved["subjects"][0]
    common = {"config": {"study": "test", "dataset": dataset.resolved}, "local_data": None}
    common |= {"execution": {"transfers": 2, "retries": 0, "keep_raw": True}}
    manifest = Path("sources") / f"{subject['name']}.json"
    wildcards = {"subject": subject["name"]}
    with pytest.raises(InputError) as error:
        run_script(fetch_responses, {"manifest": str(manifest)}, **common, subject=subject, wildcards=wildcards)
    message = str(error.value)
    for text in (dataset.name, dataset.resolved["version"], "go online", "datalad get -d"):
        assert text in message
    assert "\n" not in message and not manifest.exists()
