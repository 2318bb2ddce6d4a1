"""Plans of downloads: what is counted once, what is there already, several places at once."""

import io
import json

import fetch_atlas
import plan_download
import pytest
from datalad_origin import RETRIEVE, git, make_dataset, save
from jobs import run

from triphase.core.artefacts import read_json
from triphase.core.errors import InputError

SUBJECTS = [{"name": "s1"}, {"name": "s2"}]
RUNS = [{"name": "run-1", "stimulus": "one"}, {"name": "run-2", "stimulus": "two"}]
CLOSE = {"name": "words", "root": "local_data", "path": "{stimulus}.tsv"}


@pytest.fixture(autouse=True)
def workplace(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def origin(tmp_path):
    """Two subjects, who share run 2's content and a mask; a transcript in git; an atlas."""
    origin = make_dataset(tmp_path / "origin")
    for name, content in {
        "s1_run-1": b"a" * 10,
        "s1_run-2": b"b" * 20,
        "s2_run-1": b"c" * 30,
        "s2_run-2": b"b" * 20,
    }.items():
        (origin / f"{name}.nii").write_bytes(content)
    (origin / "mask.nii").write_bytes(b"m" * 5)
    (origin / "labels.nii").write_bytes(b"l" * 7)
    (origin / "labels.tsv").write_text("index\tname\n")
    for stimulus in ("one", "two"):
        (origin / f"{stimulus}.tsv").write_text(f"word\n{stimulus}\n")
    save(origin, "1.0.0")
    return origin


def study(origin, **changes):
    about = {"name": "mini", "url": str(origin), "version": "1.0.0", "local_data_hint": None}
    words = {"root": "dataset", "path": "{stimulus}.tsv"}
    source = {"root": "dataset", "files": {"response": "{subject}_{run}.nii", "mask": "mask.nii"}}
    parts = {"dataset": about, "words": words, "audio": None, "source": source, "subjects": SUBJECTS, "runs": RUNS}
    return parts | {"atlas": None, "local_data": None} | changes


def plan(**parts):
    terminal = io.StringIO()
    run(plan_download, {"plan": "plan.json"}, terminal=terminal, asked=0, **parts)
    return json.loads(open("plan.json").read()), terminal.getvalue()


def test_rows_count_every_file_and_the_total_each_content_once(origin):
    summary, printed = plan(**study(origin))
    found = {(row["subject"], row["role"]): (row["files"], row["bytes"], row["fetch_bytes"]) for row in summary["rows"]}
    assert found == {
        ("", "words"): (2, 18, 0),
        ("s1", "response"): (2, 30, 30),
        ("s1", "mask"): (1, 5, 5),
        ("s2", "response"): (2, 50, 50),
        ("s2", "mask"): (1, 5, 5),
    }
    total = summary["total"]
    assert (total["files"], total["present_files"], total["fetch_files"]) == (7, 2, 5)
    assert (total["bytes"], total["present_bytes"], total["fetch_bytes"]) == (83, 18, 65)
    (place,) = summary["datasets"]
    assert place["commit"] == git(origin, "rev-parse", "HEAD")
    assert summary["disk_bytes"] == 65 + place["git_bytes"]
    assert printed.splitlines()[0].split() == ["data", "set", "subject", "role", "files", "size", "here", "to", "fetch"]
    assert ["mini", "s2", "response", "2", "50", "B", "0", "B", "50", "B"] in [
        line.split() for line in printed.splitlines()
    ]


def test_files_of_the_own_folder_are_there(origin, tmp_path):
    for stimulus in ("one", "two"):
        (tmp_path / f"{stimulus}.tsv").write_text("four")
    summary, _ = plan(**study(origin, words=CLOSE, local_data=str(tmp_path)))
    row = summary["rows"][0]
    assert (row["dataset"], row["files"], row["present_bytes"], row["fetch_bytes"]) == ("local_data", 2, 8, 0)
    source = {"root": "local_data", "files": {"response": "{stimulus}.tsv"}}
    summary, printed = plan(**study(origin, words=CLOSE, source=source, local_data=str(tmp_path)))
    assert summary["datasets"] == [] and summary["disk_bytes"] == 0 and summary["total"]["fetch_bytes"] == 0
    assert "0 B are to come" in printed


def test_an_atlas_is_fetched_and_planned(origin):
    atlas = {"name": "parcels", "url": str(origin), "version": "1.0.0", "image": "labels.nii", "table": "labels.tsv"}
    summary, _ = plan(**study(origin, atlas=atlas))
    assert [place["name"] for place in summary["datasets"]] == ["mini", "parcels"]
    rows = {row["role"]: row["fetch_bytes"] for row in summary["rows"] if row["dataset"] == "parcels"}
    assert rows == {"image": 7, "table": 0}
    run(fetch_atlas, {"manifest": "atlas.json"}, atlas=atlas, study="study", execution=RETRIEVE)
    files = read_json("atlas.json")["files"]
    assert open(files["image"][""]["path"]).read() == "l" * 7 and files["table"][""]["bytes"] == 11
    summary, _ = plan(**study(origin, atlas=atlas))
    assert summary["total"]["fetch_bytes"] == 65


def test_an_atlas_that_cannot_be_had_leaves_no_manifest(origin, tmp_path):
    atlas = {"name": "parcels", "url": str(origin), "version": "1.0.0", "image": "labels.nii", "table": "labels.tsv"}
    git(origin, "annex", "drop", "--force", "-q", "labels.nii")
    with pytest.raises(InputError, match="content of labels.nii of data set parcels .* cannot be had"):
        run(fetch_atlas, {"manifest": "atlas.json"}, atlas=atlas, study="study", execution=RETRIEVE)
    assert not (tmp_path / "atlas.json").exists()


def test_a_file_that_the_data_set_lacks_is_named_with_the_number_of_others(origin):
    source = {"root": "dataset", "files": {"response": "{subject}_{run}_bold.nii"}}
    with pytest.raises(InputError, match=r"has no file s1_run-1_bold.nii \(role response\) and 3 other files"):
        plan(**study(origin, source=source))
