"""Which files are fetched: templates, manifests, the user's own folder, and DataLad data sets made for the test."""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from triphase import clones
from triphase.clones import absolute_url, annex_key, fetch_dataset, in_batches, prepare_environment
from triphase.datasets import (
    check_local,
    existing_files,
    fetch_files,
    fill,
    local_files,
    of_run,
    study_files,
    wanted_files,
)
from triphase.errors import InputError

RUNS = [{"name": "run-1", "stimulus": "one", "test": False}, {"name": "run-2", "stimulus": "two", "test": True}]


# --------------------------------------------------------------------------------------------- templates, own folder


def test_templates_are_keyed_by_what_they_name():
    roles = {"response": "sub-{id}/{run}.nii", "words": "{stimulus}.tsv", "mask": "{subject}_mask.nii", "rois": None}
    assert wanted_files(roles, {"name": "s18", "id": "18"}, RUNS) == {
        "response": {"run-1": "sub-18/run-1.nii", "run-2": "sub-18/run-2.nii"},
        "words": {"one": "one.tsv", "two": "two.tsv"},
        "mask": {"": "s18_mask.nii"},
    }


def test_unknown_placeholder_is_named():
    with pytest.raises(InputError, match=r"\{session\}; it may use \{subject\}, \{run\}"):
        fill("{subject}/{session}/{run}.nii", "path of response", subject="s1", run="run-1")


def test_of_run_finds_a_run_a_stimulus_or_the_only_file():
    assert of_run({"run-1": 1, "run-2": 2}, RUNS[1]) == 2
    assert of_run({"one": 1, "two": 2}, RUNS[1]) == 2
    assert of_run({"": 3}, RUNS[1]) == 3
    assert of_run({"run-1": 1}, RUNS[1]) is None


def test_local_files_are_described_by_content(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "s18-rp_scan.txt").write_bytes(b"0 1\n")
    described = local_files({"confounds": {"": "a/s18-rp_*.txt"}}, tmp_path)["confounds"][""]
    assert described["path"] == str(tmp_path / "a" / "s18-rp_scan.txt")
    assert described["bytes"] == 4
    assert described["key"] == "SHA256-" + hashlib.sha256(b"0 1\n").hexdigest()


def test_missing_local_files_say_what_to_do(tmp_path):
    files, hint = {"response": {"": "a/s18.txt"}}, "from the authors, CC BY 4.0"
    with pytest.raises(InputError) as error:
        local_files(files, None, hint=hint)
    assert "local_data: not set" in str(error.value) and "a/s18.txt" in str(error.value) and hint in str(error.value)
    with pytest.raises(InputError) as error:
        local_files(files, tmp_path, hint=hint)
    for text in ("local_data", "a/s18.txt", str(tmp_path), hint):
        assert text in str(error.value)


def test_one_message_for_all_missing_files(tmp_path):
    (tmp_path / "rp_1.txt").write_text("0\n")
    check_local(["rp_*.txt"], tmp_path)
    for folder in (tmp_path, "", None):
        with pytest.raises(InputError) as error:
            check_local(["a.txt", "rp_9*.txt", "b/c.txt"], folder, "from the authors\n")
        message = str(error.value)
        assert "a.txt (and 2 more)" in message and message.endswith("; from the authors") and "\n" not in message
        assert (str(tmp_path) if folder else "local_data: not set") in message and "TRIPHASE_TEST_DATA" in message


def test_inputs_are_the_files_that_are_there(tmp_path):
    for name in ("rp_1.txt", "a.txt"):
        (tmp_path / name).write_text("0\n")
    assert existing_files(["a.txt", "rp_*.txt", "absent.txt"], tmp_path) == [
        str(tmp_path / "a.txt"), str(tmp_path / "rp_1.txt")
    ]  # fmt: skip
    assert existing_files(["a.txt"], None) == []


def test_everything_that_a_study_reads_from_the_own_folder():
    config = {
        "dataset": {"words": {"root": "local_data", "path": "{stimulus}.tsv"}, "runs": RUNS},
        "models": [
            {"train": {"corpus": {"kind": "text", "path": "novel.txt"}}},
            {"train": {"corpus": {"kind": "grammar"}}},
            {},
        ],
        "tasks": {
            "evaluations": [{"name": "x", "root": "local_data", "data": "x.jsonl"}, {"name": "y", "data": "y.jsonl"}],
            "adherence": [{"name": "z", "variants": [{"root": "local_data", "data": "z.jsonl"}]}],
        },
    }
    source = {"root": "local_data", "path": "{subject}.txt", "confounds": "{subject}-rp_*.txt", "mask": None}
    paths = ["one.tsv", "two.tsv", "s1.txt", "s1-rp_*.txt", "s2.txt", "s2-rp_*.txt", "novel.txt", "x.jsonl", "z.jsonl"]
    assert study_files(config, source, [{"name": "s1"}, {"name": "s2"}]) == paths
    config["dataset"]["words"]["root"] = "dataset"
    assert study_files(config, {**source, "root": "dataset"}, [{"name": "s1"}]) == ["novel.txt", "x.jsonl", "z.jsonl"]


def test_ambiguous_local_file_is_refused(tmp_path):
    for name in ("rp_1.txt", "rp_2.txt"):
        (tmp_path / name).write_text("0\n")
    with pytest.raises(InputError, match=r"2 files match rp_\*.txt"):
        local_files({"confounds": {"": "rp_*.txt"}}, tmp_path)


def test_urls_stay_and_paths_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for url in ("https://github.com/x/y.git", "ssh://host/x", "git@github.com:x/y.git", "///ds000001"):
        assert absolute_url(url) == url
    assert absolute_url("data/set") == str(tmp_path / "data" / "set")


def test_small_files_share_a_batch(monkeypatch):
    monkeypatch.setattr(clones, "BATCH_BYTES", 10)
    assert list(in_batches(list("abcde"), [4, 5, 6, 20, 1])) == [["a", "b", "c"], ["d"], ["e"]]
    assert list(in_batches([], [])) == []


# ----------------------------------------------------------------------------------------------------- DataLad data


@pytest.fixture(autouse=True)
def unattended(monkeypatch):
    """What `prepare_environment` sets is undone after each test."""
    for name in ("PATH", "GIT_TERMINAL_PROMPT", "GIT_HTTP_LOW_SPEED_LIMIT", "GIT_HTTP_LOW_SPEED_TIME"):
        monkeypatch.setenv(name, os.environ.get(name, "0"))
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@localhost")


def git(folder, *arguments):
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def make_dataset(path, version="1.0.0", content=b"annexed"):
    """A data set with one file in git and two in the annex."""
    prepare_environment()
    path.mkdir(parents=True)
    git(path, "init", "-q")
    git(path, "annex", "init", "-q")
    (path / ".gitattributes").write_text("*.tsv annex.largefiles=nothing\n* annex.backend=MD5E\n")
    (path / "words.tsv").write_text("word\n")
    for number in (1, 2):
        (path / f"bold_run-{number}.nii").write_bytes(content * number)
    save(path, version)
    return path


def save(path, version):
    git(path, "annex", "add", "-q", ".")
    git(path, "add", "-A")
    git(path, "commit", "-q", "-m", version)
    git(path, "tag", "-f", version)


FILES = {"words": {"": "words.tsv"}, "response": {"run-1": "bold_run-1.nii"}}


@pytest.fixture
def origin(tmp_path):
    return make_dataset(tmp_path / "origin")


def fetch(origin, tmp_path, version="1.0.0", files=FILES):
    return fetch_dataset(files, name="mini", url=str(origin), version=version, folder=tmp_path / "datasets")


def read(manifest, role="response", key="run-1"):
    return Path(manifest["files"][role][key]["path"]).read_bytes()


def test_only_the_files_asked_for_come(origin, tmp_path):
    manifest = fetch(origin, tmp_path)
    assert manifest["commit"] == git(origin, "rev-parse", "HEAD")
    assert (manifest["dataset"], manifest["url"], manifest["version"]) == ("mini", str(origin), "1.0.0")
    bold = manifest["files"]["response"]["run-1"]
    assert bold["key"] == f"MD5E-s7--{hashlib.md5(b'annexed').hexdigest()}.nii"
    assert bold["bytes"] == 7 and read(manifest) == b"annexed"
    assert manifest["files"]["words"][""]["key"] == "GIT-" + git(origin, "rev-parse", "HEAD:words.tsv")
    clone = Path(bold["path"]).parent
    assert not (clone / "bold_run-2.nii").exists() and (clone / "bold_run-2.nii").is_symlink()
    assert annex_key(clone / "bold_run-2.nii").startswith("MD5E-s14--")


def test_a_commit_is_a_version_and_a_branch_is_not(origin, tmp_path):
    commit = git(origin, "rev-parse", "HEAD")
    assert fetch(origin, tmp_path, version=commit)["commit"] == commit
    assert fetch(origin, tmp_path, version=commit[:10])["commit"] == commit
    branch = git(origin, "rev-parse", "--abbrev-ref", "HEAD")
    with pytest.raises(InputError, match="neither a tag nor a commit"):
        fetch(origin, tmp_path, version=branch)


def test_second_fetch_uses_the_clone_without_the_origin(origin, tmp_path):
    first = fetch(origin, tmp_path)
    shutil.move(origin, tmp_path / "gone")
    assert fetch(origin, tmp_path) == first


def test_two_versions_do_not_share_a_work_tree(origin, tmp_path):
    first = fetch(origin, tmp_path)
    git(origin, "rm", "-q", "bold_run-1.nii")
    (origin / "bold_run-1.nii").write_bytes(b"second")
    save(origin, "2.0.0")
    second = fetch(origin, tmp_path, version="2.0.0")
    assert (read(first), read(second)) == (b"annexed", b"second")
    assert first["commit"] != second["commit"]


def test_a_moved_tag_is_followed(origin, tmp_path):
    first = fetch(origin, tmp_path)
    git(origin, "rm", "-q", "bold_run-1.nii")
    (origin / "bold_run-1.nii").write_bytes(b"corrected")
    save(origin, "1.0.0")
    second = fetch(origin, tmp_path)
    assert second["commit"] == git(origin, "rev-parse", "HEAD") != first["commit"]
    assert read(second) == b"corrected"


def test_a_data_set_made_anew_is_cloned_again(origin, tmp_path):
    fetch(origin, tmp_path)
    clones.remove(origin)
    make_dataset(origin, content=b"remade")
    manifest = fetch(origin, tmp_path)
    assert read(manifest) == b"remade"
    assert manifest["commit"] == git(origin, "rev-parse", "HEAD")


def test_unrelated_history_without_a_local_annex_is_cloned_again(origin, tmp_path):
    bundle = tmp_path / "mini.bundle"
    git(origin, "bundle", "create", str(bundle), "--all")
    fetch(bundle, tmp_path, files={"words": FILES["words"]})
    clones.remove(origin)
    make_dataset(origin, content=b"remade")
    git(origin, "bundle", "create", str(bundle), "--all")
    manifest = fetch(bundle, tmp_path, files={"words": FILES["words"]})
    assert manifest["commit"] == git(origin, "rev-parse", "HEAD")


def test_damaged_clone_is_replaced(origin, tmp_path):
    first = fetch(origin, tmp_path)
    clone = Path(first["files"]["words"][""]["path"]).parent
    shutil.rmtree(clone / ".git" / "refs")
    (clone / ".git" / "HEAD").unlink()
    assert fetch(origin, tmp_path) == first


def test_left_overs_of_an_interrupted_clone_do_no_harm(origin, tmp_path):
    first = fetch(origin, tmp_path)
    clone = Path(first["files"]["words"][""]["path"]).parent
    clones.remove(clone)
    part = clone.with_name(f".{clone.name}.part")
    part.mkdir()
    (part / "half").write_text("")
    assert fetch(origin, tmp_path) == first
    assert not part.exists()


def test_a_file_changed_by_hand_is_refused(origin, tmp_path):
    first = fetch(origin, tmp_path)
    words = Path(first["files"]["words"][""]["path"])
    words.write_text("another\n")
    with pytest.raises(InputError) as error:
        fetch(origin, tmp_path)
    for text in (str(words), "was changed", first["commit"][:12], f"git -C {words.parent} checkout words.tsv"):
        assert text in str(error.value)
    git(words.parent, "checkout", "words.tsv")
    assert fetch(origin, tmp_path) == first


def test_a_killed_job_leaves_nothing_that_blocks_the_next(origin, tmp_path):
    first = fetch(origin, tmp_path)
    git(origin, "rm", "-q", "bold_run-1.nii")
    (origin / "bold_run-1.nii").write_bytes(b"corrected")
    save(origin, "1.0.0")
    (Path(first["files"]["words"][""]["path"]).parent / ".git" / "index.lock").write_text("")
    assert read(fetch(origin, tmp_path)) == b"corrected"


def test_unreachable_url(tmp_path):
    with pytest.raises(InputError) as error:
        fetch(tmp_path / "nowhere", tmp_path)
    for text in ("dataset.url", "mini", str(tmp_path / "nowhere"), "does not exist"):
        assert text in str(error.value)
    assert not list((tmp_path / "datasets").glob("[!.]*"))


def test_version_that_does_not_exist(origin, tmp_path):
    with pytest.raises(InputError) as error:
        fetch(origin, tmp_path, version="9.9")
    for text in ("dataset.version", "'9.9'", "mini", "1.0.0"):
        assert text in str(error.value)


def test_file_that_the_data_set_does_not_have(origin, tmp_path):
    with pytest.raises(InputError) as error:
        fetch(origin, tmp_path, files={"response": {"run-3": "bold_run-3.nii"}})
    for text in (
        "bold_run-3.nii",
        "role response",
        "mini",
        "1.0.0",
        git(origin, "rev-parse", "HEAD")[:12],
        "bold_run-",
    ):
        assert text in str(error.value)


def test_content_that_cannot_be_had(origin, tmp_path):
    git(origin, "annex", "drop", "--force", "-q", "bold_run-1.nii")
    with pytest.raises(InputError) as error:
        fetch(origin, tmp_path)
    for text in ("bold_run-1.nii", "mini", "1.0.0", git(origin, "rev-parse", "HEAD")[:12], "datalad get"):
        assert text in str(error.value)


def test_content_that_comes_later_is_found_on_retry(origin, tmp_path):
    git(origin, "annex", "drop", "--force", "-q", "bold_run-1.nii")
    with pytest.raises(InputError):
        fetch(origin, tmp_path)
    (origin / "again.nii").write_bytes(b"annexed")
    git(origin, "annex", "reinject", "again.nii", "bold_run-1.nii")
    assert read(fetch(origin, tmp_path)) == b"annexed"


def test_works_without_a_git_identity(origin, tmp_path, monkeypatch):
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{role}_NAME")
        monkeypatch.delenv(f"GIT_{role}_EMAIL")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    assert read(fetch(origin, tmp_path)) == b"annexed"


def test_git_annex_is_found_beside_this_python(origin, tmp_path, monkeypatch):
    beside = str(Path(sys.executable).parent)
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if part != beside)
    monkeypatch.setenv("PATH", path)
    assert read(fetch(origin, tmp_path)) == b"annexed"


def test_jobs_wait_for_each_other(origin, tmp_path):
    code = (
        "import sys; from triphase.clones import fetch_dataset; "
        "files = {'response': {'': sys.argv[3]}}; "
        "fetch_dataset(files, name='mini', url=sys.argv[1], version='1.0.0', folder=sys.argv[2])"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(clones.__file__).parent.parent)}
    results = {}

    def job(name):
        command = [sys.executable, "-c", code, str(origin), str(tmp_path / "datasets"), name]
        results[name] = subprocess.run(command, env=environment, capture_output=True, text=True)

    threads = [threading.Thread(target=job, args=(f"bold_run-{number}.nii",)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.returncode for result in results.values()] == [0, 0], results
    (clone,) = (tmp_path / "datasets").glob("mini-*")
    assert (clone / "bold_run-1.nii").is_file() and (clone / "bold_run-2.nii").is_file()


def test_manifest_of_local_files_has_no_commit(tmp_path):
    (tmp_path / "s1.txt").write_text("1\n")
    dataset = {"name": "mini", "url": "https://nowhere.example/x.git", "version": "1"}
    manifest = fetch_files(
        {"response": "{subject}.txt", "mask": None},
        root="local_data",
        subject={"name": "s1"},
        runs=RUNS,
        dataset=dataset,
        local_data=str(tmp_path),
    )
    assert manifest["commit"] is None
    assert list(manifest["files"]) == ["response"]
