"""Clones of DataLad data sets at a pinned version, made from data sets that the tests make."""

import hashlib
import os
import shutil
import stat
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from datalad_origin import BOTH, FILES, fetch, git, make_dataset, read, save

from triphase.core.errors import InputError
from triphase.sources import clones, content
from triphase.sources.clones import absolute_url


def clone_of(tmp_path):
    (clone,) = (tmp_path / "datasets").glob("[!.]*")
    return clone


def test_a_moved_tag_is_refused_and_the_commit_meant_can_be_given(origin, fetched, tmp_path):
    git(origin, "rm", "-q", "bold_run-1.nii")
    (origin / "bold_run-1.nii").write_bytes(b"corrected")
    save(origin, "1.0.0")
    moved = git(origin, "rev-parse", "HEAD")
    with pytest.raises(InputError) as error:
        fetch(origin, tmp_path)
    for text in ("dataset.version", "'1.0.0'", "mini", fetched["commit"], moved, str(clone_of(tmp_path))):
        assert text in str(error.value)
    assert "\n" not in str(error.value) and read(fetched) == b"annexed"
    assert read(fetch(origin, tmp_path, version=moved)) == b"corrected"
    assert fetch(origin, tmp_path, version=fetched["commit"])["commit"] == fetched["commit"]


def test_a_commit_that_the_origin_no_longer_names_is_had_from_another_clone(origin, tmp_path):
    words = {"words": FILES["words"]}
    first = fetch(origin, tmp_path, files=words)
    (origin / "words.tsv").write_text("another\n")
    git(origin, "commit", "-q", "--amend", "-a", "-m", "1.0.0")
    git(origin, "tag", "-f", "1.0.0")
    bundle = tmp_path / "mini.bundle"
    git(origin, "bundle", "create", str(bundle), "--all")
    again = fetch(bundle, tmp_path, files=words, version=first["commit"])
    assert again["commit"] == first["commit"] and read(again, "words", "") == b"word\n"


def test_a_bundle_made_anew_is_refused_and_nothing_is_deleted(origin, tmp_path):
    bundle, words = tmp_path / "mini.bundle", {"words": FILES["words"]}
    git(origin, "bundle", "create", str(bundle), "--all")
    first = fetch(bundle, tmp_path, files=words)
    clones.remove(origin)
    make_dataset(origin, content=b"remade")
    git(origin, "bundle", "create", str(bundle), "--all")
    with pytest.raises(InputError, match="has moved to commit"):
        fetch(bundle, tmp_path, files=words)
    assert read(first, "words", "") == b"word\n"


def test_another_copy_of_the_same_data_set_in_its_place_keeps_the_clone(origin, fetched, tmp_path):
    """Same commits, another annex: content that came from the first is not thrown away."""
    origin.rename(tmp_path / "first")
    git(tmp_path, "clone", "-q", str(tmp_path / "first"), str(origin))
    git(origin, "annex", "init", "-q")
    git(origin, "annex", "get", "-q", ".")
    shutil.rmtree(tmp_path / "first" / ".git" / "refs")
    assert (clone_of(tmp_path) / "bold_run-1.nii").is_file()
    manifest = fetch(origin, tmp_path, files=BOTH)
    assert read(manifest, key="run-2") == b"annexed" * 2


@pytest.mark.parametrize("how", ["edited", "deleted", "another link"])
def test_a_file_changed_by_hand_is_refused(origin, fetched, tmp_path, how):
    words = Path(fetched["files"]["words"][""]["path"])
    bold = words.parent / "bold_run-1.nii"
    if how == "edited":
        words.write_text("another\n")
    elif how == "deleted":
        words.unlink()
    else:
        bold.unlink()
        bold.symlink_to("bold_run-2.nii")
    changed = bold if how == "another link" else words
    with pytest.raises(InputError) as error:
        fetch(origin, tmp_path)
    remedy = f"git -C {words.parent} checkout HEAD -- {changed.name}"
    for text in (str(changed), "was changed", fetched["commit"][:12], remedy):
        assert text in str(error.value)
    assert "\n" not in str(error.value)
    git(words.parent, "checkout", "HEAD", "--", changed.name)
    assert fetch(origin, tmp_path) == fetched


def test_changes_to_other_files_do_no_harm(origin, fetched, tmp_path):
    clone = clone_of(tmp_path)
    (clone / "bold_run-2.nii").unlink()
    (clone / "notes.txt").write_text("mine\n")
    assert fetch(origin, tmp_path) == fetched
    assert (clone / "notes.txt").read_text() == "mine\n"


def test_a_clone_with_another_commit_checked_out_is_refused(origin, fetched, tmp_path):
    clone = clone_of(tmp_path)
    git(clone, "checkout", "-q", "-b", "mine")
    (clone / "words.tsv").write_text("mine\n")
    git(clone, "commit", "-q", "-a", "-m", "mine")
    mine = git(clone, "rev-parse", "HEAD")
    with pytest.raises(InputError) as error:
        fetch(origin, tmp_path)
    remedy = f"git -C {clone} checkout --detach {fetched['commit'][:12]}"
    for text in (str(clone), mine[:12], fetched["commit"][:12], remedy):
        assert text in str(error.value)
    assert "\n" not in str(error.value)
    git(clone, "checkout", "-q", "--detach", fetched["commit"][:12])
    assert fetch(origin, tmp_path) == fetched
    assert git(clone, "show", "mine:words.tsv") == "mine"


def test_a_branch_at_the_pinned_commit_is_no_harm(origin, fetched, tmp_path):
    git(clone_of(tmp_path), "checkout", "-q", "-b", "mine")
    assert fetch(origin, tmp_path) == fetched


def test_a_clone_that_was_made_before_the_commit_was_recorded_is_used(origin, fetched, tmp_path):
    git(clone_of(tmp_path), "update-ref", "-d", clones.PINNED)
    assert fetch(origin, tmp_path) == fetched
    assert git(clone_of(tmp_path), "rev-parse", clones.PINNED) == fetched["commit"]


def test_only_the_files_asked_for_come(origin, fetched):
    assert fetched["commit"] == git(origin, "rev-parse", "HEAD")
    assert (fetched["dataset"], fetched["url"], fetched["version"]) == ("mini", str(origin), "1.0.0")
    bold = fetched["files"]["response"]["run-1"]
    assert bold["key"] == f"MD5E-s7--{hashlib.md5(b'annexed').hexdigest()}.nii"
    assert bold["bytes"] == 7 and read(fetched) == b"annexed"
    assert fetched["files"]["words"][""]["key"] == "GIT-" + git(origin, "rev-parse", "HEAD:words.tsv")
    clone = Path(bold["path"]).parent
    assert not (clone / "bold_run-2.nii").exists() and (clone / "bold_run-2.nii").is_symlink()
    assert fetched["clone"] == str(clone) and git(clone, "config", "annex.verify") == "true"


def test_a_commit_is_a_version_and_a_branch_is_not(origin, tmp_path):
    commit = git(origin, "rev-parse", "HEAD")
    assert fetch(origin, tmp_path, version=commit)["commit"] == commit
    assert fetch(origin, tmp_path, version=commit[:10])["commit"] == commit
    branch = git(origin, "rev-parse", "--abbrev-ref", "HEAD")
    with pytest.raises(InputError, match="neither a tag nor a commit"):
        fetch(origin, tmp_path, version=branch)


def test_second_fetch_uses_the_clone_without_the_origin(origin, fetched, tmp_path):
    shutil.move(origin, tmp_path / "gone")
    assert fetch(origin, tmp_path) == fetched


def test_two_versions_do_not_share_a_work_tree(origin, fetched, tmp_path):
    git(origin, "rm", "-q", "bold_run-1.nii")
    (origin / "bold_run-1.nii").write_bytes(b"second")
    save(origin, "2.0.0")
    second = fetch(origin, tmp_path, version="2.0.0")
    assert (read(fetched), read(second)) == (b"annexed", b"second")
    assert fetched["commit"] != second["commit"]


def test_a_data_set_made_anew_is_cloned_again(origin, fetched, tmp_path):
    clones.remove(origin)
    make_dataset(origin, content=b"remade")
    manifest = fetch(origin, tmp_path)
    assert read(manifest) == b"remade"
    assert manifest["commit"] == git(origin, "rev-parse", "HEAD")


def test_damaged_clone_is_replaced(origin, fetched, tmp_path):
    clone = Path(fetched["files"]["words"][""]["path"]).parent
    shutil.rmtree(clone / ".git" / "refs")
    (clone / ".git" / "HEAD").unlink()
    assert fetch(origin, tmp_path) == fetched


def test_left_overs_of_an_interrupted_clone_do_no_harm(origin, fetched, tmp_path):
    clone = Path(fetched["files"]["words"][""]["path"]).parent
    clones.remove(clone)
    part = clone.with_name(f".{clone.name}.part")
    part.mkdir()
    (part / "half").write_text("")
    assert fetch(origin, tmp_path) == fetched
    assert not part.exists()


def test_unreachable_url(tmp_path):
    with pytest.raises(InputError) as error:
        fetch(tmp_path / "nowhere", tmp_path)
    for text in ("dataset.url", "mini", str(tmp_path / "nowhere"), "does not exist"):
        assert text in str(error.value)
    assert not list((tmp_path / "datasets").glob("[!.]*"))


@pytest.mark.parametrize("version", ["9.9", "0123456789abcdef0123456789abcdef01234567", "0123456"])
def test_version_that_does_not_exist(origin, tmp_path, version):
    with pytest.raises(InputError) as error:
        fetch(origin, tmp_path, version=version)
    for text in ("dataset.version", f"{version!r}", "mini", "1.0.0", str(origin)):
        assert text in str(error.value)
    assert "\n" not in str(error.value) and not list((tmp_path / "datasets").glob("[!.]*"))
    assert not list((tmp_path / "datasets").glob(".*.part"))
    assert read(fetch(origin, tmp_path)) == b"annexed"


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


def test_works_without_a_git_identity(origin, tmp_path, monkeypatch):
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{role}_NAME")
        monkeypatch.delenv(f"GIT_{role}_EMAIL")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert read(fetch(origin, tmp_path)) == b"annexed"


def test_git_annex_is_found_beside_this_python(origin, tmp_path, monkeypatch):
    beside = str(Path(sys.executable).parent)
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if part != beside)
    monkeypatch.setenv("PATH", path)
    assert read(fetch(origin, tmp_path)) == b"annexed"


def test_urls_stay_and_paths_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for url in ("https://github.com/x/y.git", "ssh://host/x", "git@github.com:x/y.git", "///ds000001"):
        assert absolute_url(url) == url
    assert absolute_url("data/set") == str(tmp_path / "data" / "set")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_clone_of_another_user_is_refused_and_not_deleted(origin, fetched, tmp_path):
    clone = clone_of(tmp_path)
    for folder, folders, names in os.walk(clone):
        for name in [".", *folders, *names]:
            os.chown(Path(folder, name), 65534, -1, follow_symlinks=False)
    with pytest.raises(InputError) as error:
        fetch(origin, tmp_path)
    for text in (str(clone), "dubious ownership", f"git config --global --add safe.directory {clone}"):
        assert text in str(error.value)
    assert "\n" not in str(error.value) and read(fetched) == b"annexed"
    with pytest.raises(InputError, match="dubious ownership"):
        content.ensure_content(fetched, user="study/s1", execution={"transfers": 1, "retries": 0})
    assert read(fetched) == b"annexed"


@pytest.fixture
def served(origin):
    """Address of a web server that has `origin`, as plain files."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(origin.parent))

        def log_message(self, *_):
            pass

    git(origin, "update-server-info")
    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{web.server_port}/{origin.name}"
    web.shutdown()
    web.server_close()


def test_a_token_that_gits_settings_put_into_the_address_is_not_kept(served, tmp_path, monkeypatch):
    words = {"words": FILES["words"]}
    secret = served.replace("://", "://me:ninechars@")
    (tmp_path / "gitconfig").write_text(f'[url "{secret}"]\n\tinsteadOf = {served}\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    commit = fetch(served, tmp_path, files=words)["commit"]
    clone = clone_of(tmp_path)
    assert not [path for path in clone.rglob("*") if path.is_file() and b"ninechars" in path.read_bytes()]
    assert git(clone, "config", "remote.origin.url").startswith(served)
    assert stat.S_IMODE((clone / ".git/config").stat().st_mode) == 0o600
    assert stat.S_IMODE(clone.stat().st_mode) & 0o055 == stat.S_IMODE(clone.parent.stat().st_mode) & 0o055
    # What an earlier version has left is taken out when the clone is used again.
    git(clone, "config", "remote.origin.url", secret)
    assert fetch(served, tmp_path, files=words)["commit"] == commit
    assert "ninechars" not in (clone / ".git/config").read_text()
