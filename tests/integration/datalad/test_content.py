"""Content of a clone that studies share: had again when it is asked for, dropped when nobody needs it any more."""

import logging
import shutil
import threading
from pathlib import Path

import pytest
from datalad_origin import BOTH, FILES, RETRIEVE, fetch, git, read, save

from triphase.core.artefacts import read_json
from triphase.core.errors import InputError
from triphase.sources import clones
from triphase.sources.content import ensure_content, raw_content, release_content

KEEP = RETRIEVE | {"keep_raw": True}


def present(manifest):
    clone = Path(manifest["clone"])
    return [name for name in ("bold_run-1.nii", "bold_run-2.nii") if (clone / name).is_file()]


def test_raw_files_go_when_the_result_is_whole_and_come_back_when_it_is_made_again(fetched, tmp_path):
    for _ in range(2):
        with raw_content(fetched, user="study/s1", execution=RETRIEVE):
            assert read(fetched) == b"annexed"
        assert present(fetched) == [] and read(fetched, "words", "") == b"word\n"
    records = list((tmp_path / "datasets").glob(".*.users/*/*.json"))
    assert records == []


def test_raw_files_stay_when_the_result_is_not_whole_or_they_are_to_be_kept(fetched):
    with pytest.raises(OSError, match="disk"), raw_content(fetched, user="study/s1", execution=RETRIEVE):
        raise OSError("the disk of the results is full")
    assert present(fetched) == ["bold_run-1.nii"]
    with raw_content(fetched, user="study/s1", execution=KEEP):
        pass
    assert present(fetched) == ["bold_run-1.nii"]


def test_what_another_study_or_subject_reads_stays(origin, tmp_path):
    first = fetch(origin, tmp_path, files=BOTH, user="one/s1")
    second = fetch(origin, tmp_path, user="two/s1")
    third = fetch(origin, tmp_path, user="one/s2")
    assert release_content(first, user="one/s1") == ["bold_run-2.nii"]
    assert release_content(third, user="one/s2") == [] and present(second) == ["bold_run-1.nii"]
    assert release_content(second, user="two/s1") == ["bold_run-1.nii"]
    assert release_content(second, user="two/s1") == []


def test_two_files_of_one_content_go_and_stay_together(origin, tmp_path):
    shutil.copy(origin / "bold_run-1.nii", origin / "copy.nii")
    save(origin, "1.0.0")
    first = fetch(origin, tmp_path, user="study/s1")
    other = fetch(origin, tmp_path, files={"response": {"run-1": "copy.nii"}}, user="study/s2")
    assert release_content(first, user="study/s1") == []
    assert read(other) == b"annexed"
    assert release_content(other, user="study/s2") == ["copy.nii"] and present(first) == []


def test_the_last_copy_is_kept_with_a_warning(origin, fetched, caplog):
    git(origin, "annex", "drop", "--force", "-q", "bold_run-1.nii")
    assert release_content(fetched, user="study/s1") == []
    assert read(fetched) == b"annexed"
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "bold_run-1.nii stays" in warning.getMessage() and "another copy could not be verified" in caplog.text


def test_a_copy_that_cannot_be_reached_is_no_copy(origin, fetched, tmp_path, caplog):
    origin.rename(tmp_path / "gone")
    assert release_content(fetched, user="study/s1") == [] and "could not be verified" in caplog.text
    with raw_content(fetched, user="study/s1", execution=RETRIEVE):
        assert read(fetched) == b"annexed"


def test_a_clone_that_was_deleted_is_made_again(fetched):
    clones.remove(Path(fetched["clone"]))
    ensure_content(fetched, user="study/s1", execution=RETRIEVE)
    assert read(fetched) == b"annexed"


def test_a_manifest_of_another_commit_is_refused(origin, fetched):
    clones.remove(Path(fetched["clone"]))
    (origin / "words.tsv").write_text("another\n")
    save(origin, "1.0.0")
    with pytest.raises(InputError, match="delete the manifests in results/<study>/sources and run again"):
        ensure_content(fetched, user="study/s1", execution=RETRIEVE)


def test_a_file_changed_since_is_refused(fetched):
    Path(fetched["files"]["words"][""]["path"]).write_text("another\n")
    with pytest.raises(InputError, match="was changed"):
        ensure_content(fetched, user="study/s1", execution=RETRIEVE)


def test_the_origin_is_not_asked_while_the_content_is_there(origin, fetched, tmp_path):
    (origin / "words.tsv").write_text("another\n")
    save(origin, "1.0.0")
    ensure_content(fetched, user="study/s1", execution=RETRIEVE)
    origin.rename(tmp_path / "gone")
    ensure_content(fetched, user="study/s1", execution=RETRIEVE)


def test_files_of_the_users_own_folder_are_left_alone(tmp_path):
    own = tmp_path / "s1.txt"
    own.write_text("1\n")
    manifest = {"dataset": "mini", "commit": None, "clone": None}
    manifest["files"] = {"response": {"": {"path": str(own), "key": "SHA256-0", "bytes": 2}}}
    with raw_content(manifest, user="study/s1", execution=RETRIEVE):
        pass
    assert own.is_file()


def test_sound_of_the_data_set_beside_words_of_the_own_folder(fetched, tmp_path):
    own = {"path": str(tmp_path / "words.tsv"), "key": "SHA256-0", "bytes": 2}
    fetched["files"]["words"] = {"": own}
    ensure_content(fetched, user="study/stimuli", execution=RETRIEVE)
    assert release_content(fetched, user="study/stimuli") == []
    assert release_content(fetched, user="study/s1") == ["bold_run-1.nii"]


def test_records_name_the_keys_of_a_study_and_subject(origin, tmp_path):
    manifest = fetch(origin, tmp_path, user="alice/s18")
    (record,) = (tmp_path / "datasets").glob(".*.users/alice/s18.json")
    assert read_json(record) == {"keys": [manifest["files"]["response"]["run-1"]["key"]]}


def test_fetching_and_releasing_at_once_loses_nothing(origin, tmp_path):
    """One subject is made over and over while another reads the same file: it is there whenever it is said to be."""
    first, failures = fetch(origin, tmp_path, user="study/s1"), []

    def work(user):
        try:
            for _ in range(3):
                with raw_content(first, user=user, execution=RETRIEVE):
                    assert read(first) == b"annexed"
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"study/s{number}",)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and present(first) == []
    assert FILES["response"]["run-1"] == "bold_run-1.nii"
