"""Which files are fetched: templates, manifests, the user's own folder."""

import hashlib

import pytest

from triphase.core.errors import InputError
from triphase.sources.manifest import (
    check_local,
    existing_files,
    fetch_files,
    fill,
    local_files,
    of_run,
    stimulus_files,
    study_files,
    wanted_files,
)

RUNS = [{"name": "run-1", "stimulus": "one", "test": False}, {"name": "run-2", "stimulus": "two", "test": True}]


def test_templates_are_keyed_by_what_they_name():
    roles = {"response": "sub-{id}/{run}.nii", "words": "{stimulus}.tsv", "mask": "{subject}_mask.nii"}
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
    source = {"root": "local_data", "files": {"response": "{subject}.txt", "confounds": "{subject}-rp_*.txt"}}
    config = {
        "dataset": {
            "words": {"root": "local_data", "path": "{stimulus}.tsv"},
            "audio": {"root": "local_data", "path": "{stimulus}.wav"},
            "source": source,
            "subjects": [{"name": "s1"}, {"name": "s2"}],
            "runs": RUNS,
        },
        "encoding": {"nuisance": ["word_rate"], "static": {"vectors": "{local_data}/glove.txt", "components": 9}},
        "models": [
            {"train": {"corpus": {"path": "novel.txt", "from": "II"}}},
            {"train": {"corpus": {"words": 1000, "mixture": {}}}},
            {},
        ],
        "states": {"mechanism": {"unseen": "{local_data}/unseen.txt"}, "reading": None},
        "tasks": {
            "evaluations": [{"name": "x", "data": "{local_data}/x.jsonl"}, {"name": "y", "data": "y.jsonl"}],
            "adherence": [{"name": "z", "variants": [{"data": "{local_data}/z.jsonl"}]}],
        },
    }
    words, heard = ["one.tsv", "two.tsv"], ["s1.txt", "s1-rp_*.txt", "s2.txt", "s2-rp_*.txt"]
    others = ["novel.txt", "unseen.txt", "glove.txt", "x.jsonl", "z.jsonl"]
    assert study_files(config) == words + heard + others
    config["encoding"]["nuisance"].append("envelope")
    assert study_files(config) == [*words, "one.wav", "two.wav", *heard, *others]
    config["dataset"]["audio"] = None
    config["dataset"]["words"]["root"] = source["root"] = "dataset"
    assert study_files(config) == others


def test_ambiguous_local_file_is_refused(tmp_path):
    for name in ("rp_1.txt", "rp_2.txt"):
        (tmp_path / name).write_text("0\n")
    with pytest.raises(InputError, match=r"2 files match rp_\*.txt"):
        local_files({"confounds": {"": "rp_*.txt"}}, tmp_path)


def test_manifest_of_local_files_has_no_commit(tmp_path):
    (tmp_path / "s1.txt").write_text("1\n")
    manifest = fetch_files(
        [("local_data", {"response": {"": "s1.txt"}})],
        dataset={"name": "mini", "url": "https://nowhere.example/x.git", "version": "1"},
        local_data=str(tmp_path),
        user="study/s1",
        execution={"transfers": 1, "retries": 0, "keep_raw": True},
    )
    assert [manifest[key] for key in ("dataset", "url", "version", "commit", "clone")] == ["mini", *[None] * 4]
    assert list(manifest["files"]) == ["response"]


def test_words_and_sound_may_lie_in_different_places():
    words, sound = {"root": "local_data", "path": "{stimulus}.tsv"}, {"root": "dataset", "path": "{stimulus}.wav"}
    texts, sounds = {"one": "one.tsv", "two": "two.tsv"}, {"one": "one.wav", "two": "two.wav"}
    assert stimulus_files(words, None, RUNS) == [("local_data", {"words": texts})]
    assert stimulus_files(words, sound, RUNS) == [("local_data", {"words": texts}), ("dataset", {"audio": sounds})]
    words["root"] = "dataset"
    assert stimulus_files(words, sound, RUNS) == [("dataset", {"words": texts, "audio": sounds})]
