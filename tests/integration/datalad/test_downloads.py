"""Getting content: verified, resumed, tried again, refused in one line. Origins are folders and a local web server."""

import logging
import os
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from datalad_origin import BOTH, damage, fetch, git, read, save

from triphase.core import retry
from triphase.core.errors import InputError
from triphase.core.units import in_units
from triphase.sources import downloads
from triphase.sources.clones import Clone
from triphase.sources.downloads import look_up


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(downloads, "PAUSE", 0.05)


def refused(origin, tmp_path, **keywords):
    """The message of a fetch that fails: one line, and no content that could be taken for whole."""
    with pytest.raises(InputError) as error:
        fetch(origin, tmp_path, **keywords)
    message = str(error.value)
    clone = tmp_path / "datasets"
    assert "\n" not in message
    assert "mini" in message and git(origin, "rev-parse", "HEAD")[:12] in message
    assert not list(clone.glob("mini-*/.git/annex/objects/*/*/*/*bold*")) or (clone / "bold_run-1.nii").is_file()
    return message


def test_bytes_in_words():
    assert [in_units(n) for n in (0, 999, 1000, 23_700_000_000, 5e12)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "23.7 GB",
        "5.0 TB",
    ]


# --------------------------------------------------------------------------------------------------- absent, damaged


def test_content_that_cannot_be_had_and_comes_later(origin, tmp_path):
    git(origin, "annex", "drop", "--force", "-q", "bold_run-1.nii", "bold_run-2.nii")
    message = refused(origin, tmp_path, files=BOTH)
    for text in ("bold_run-1.nii and 1 other file", "1.0.0", "datalad get -d", "run again"):
        assert text in message
    for number in (1, 2):
        (origin / "again.nii").write_bytes(b"annexed" * number)
        git(origin, "annex", "reinject", "again.nii", f"bold_run-{number}.nii")
    # The command of the message gets all of them, and nothing else has to.
    command = message.rpartition("put them there with `")[2].removesuffix("`")
    (clone,) = (tmp_path / "datasets").glob("mini-*")
    git(clone, "fetch", "-q", "origin")
    subprocess.run(command, shell=True, check=True, capture_output=True)
    assert [(clone / f"bold_run-{number}.nii").stat().st_size for number in (1, 2)] == [7, 14]
    assert read(fetch(origin, tmp_path)) == b"annexed"


def test_content_that_was_damaged_at_its_source_is_refused(origin, tmp_path):
    damage(origin / "bold_run-1.nii")
    message = refused(origin, tmp_path, files=BOTH)
    key = os.path.basename(os.readlink(origin / "bold_run-1.nii"))
    for text in ("bold_run-1.nii of data set mini", "checksum", key, "nothing of it was kept"):
        assert text in message
    clone = next((tmp_path / "datasets").glob("mini-*"))
    assert not (clone / "bold_run-1.nii").exists() and (clone / "bold_run-2.nii").read_bytes() == b"annexed" * 2
    assert not list((clone / ".git/annex/tmp").glob("*"))
    damage(origin / "bold_run-1.nii")  # The same byte again: mended.
    assert read(fetch(origin, tmp_path, files=BOTH)) == b"annexed"


def test_checksums_are_verified_whatever_the_users_own_git_config_says(origin, tmp_path, monkeypatch):
    (tmp_path / "gitconfig").write_text("[annex]\n verify = false\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    damage(origin / "bold_run-1.nii")
    assert "checksum" in refused(origin, tmp_path)


def test_kind_provenance_a_link_to_what_no_version_holds_is_refused(origin, tmp_path):
    outside = tmp_path / "outside.nii"
    outside.write_bytes(b"whatever lies there")
    (origin / "bold_run-3.nii").symlink_to(outside)
    (origin / "bold_run-4.nii").symlink_to("../outside.nii")
    (origin / "bold_run-5.nii").symlink_to("words.tsv")
    (origin / "bold_run-6.nii").symlink_to("bold_run-1.nii")
    git(origin, "add", "-A")
    git(origin, "commit", "-q", "-m", "links")
    git(origin, "tag", "2.0.0")
    for number, target in ((3, str(outside)), (4, "../outside.nii"), (6, "another link")):
        files = {"response": {"run-1": f"bold_run-{number}.nii"}}
        message = refused(origin, tmp_path, version="2.0.0", files=files)
        assert (
            f"bold_run-{number}.nii: a link to" in message and target in message and "read the file itself" in message
        )
    manifest = fetch(origin, tmp_path, version="2.0.0", files={"response": {"run-1": "bold_run-5.nii"}})
    assert read(manifest) == b"word\n"


def test_content_that_is_shorter_than_its_key_says_comes_again(origin, tmp_path, caplog):
    fetch(origin, tmp_path, files=BOTH)
    clone = next((tmp_path / "datasets").glob("mini-*"))
    file = (clone / "bold_run-2.nii").resolve()
    file.parent.chmod(0o755)
    file.chmod(0o644)
    os.truncate(file, 3)
    assert read(fetch(origin, tmp_path, files=BOTH), key="run-2") == b"annexed" * 2
    assert "bold_run-2.nii" in caplog.text and "damaged" in caplog.text


def test_the_estimate_stands_in_the_log_before_the_download(origin, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    fetch(origin, tmp_path)
    fetch(origin, tmp_path, files=BOTH)
    sizes = re.findall(r"(\d+) files \((.+?)\), of which (\d+) \((.+?)\) are to be fetched", caplog.text)
    assert sizes == [("2", "12 B", "1", "7 B"), ("2", "21 B", "1", "14 B")]


def test_sizes_and_keys_are_those_of_the_tree(origin, fetched):
    clone = Clone(Path(fetched["clone"]), "mini", str(origin), "1.0.0", fetched["commit"])
    git(origin, "annex", "unlock", "-q", "bold_run-2.nii")
    git(origin, "commit", "-q", "-a", "-m", "unlocked")
    git(clone.path, "fetch", "-q", "origin")
    unlocked = Clone(clone.path, "mini", str(origin), "1.0.0", git(origin, "rev-parse", "HEAD"))
    for version in (clone, unlocked):
        entries = look_up(version, ["words.tsv", "bold_run-1.nii", "bold_run-2.nii"])
        assert [entry.bytes for entry in entries.values()] == [5, 7, 14]
        assert [bool(entry.key) for entry in entries.values()] == [False, True, True]
        assert entries["bold_run-2.nii"].key == os.path.basename(os.readlink(clone.path / "bold_run-2.nii"))


# -------------------------------------------------------------------------------------------------------- web servers


@pytest.fixture
def server(origin, monkeypatch):
    """A web server that has run 1 of `origin` (which itself has it no more), after the given answers."""

    class Handler(BaseHTTPRequestHandler):
        answers, asked, content = [], 0, b"annexed"

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            type(self).asked += 1
            status = self.answers.pop(0) if self.answers else 200
            self.send_response(status)
            self.send_header("Content-Length", "7" if status == 200 else "0")
            self.end_headers()
            if status == 200 and self.command == "GET":
                self.wfile.write(self.content)

        def log_message(self, *_):
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Handler.port = web.server_port
    threading.Thread(target=web.serve_forever, daemon=True).start()
    config = {"annex.security.allowed-ip-addresses": "all", "annex.security.allowed-url-schemes": "http"}
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(config)))
    for number, (key, value) in enumerate(config.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    key = os.path.basename(os.readlink(origin / "bold_run-1.nii"))
    git(origin, "annex", "registerurl", key, f"http://127.0.0.1:{Handler.port}/bold")
    git(origin, "annex", "drop", "--force", "-q", "bold_run-1.nii")
    yield Handler
    web.shutdown()
    web.server_close()


def test_a_passing_failure_is_tried_again_after_growing_pauses(origin, tmp_path, server, caplog, monkeypatch):
    pauses = []
    monkeypatch.setattr(retry.time, "sleep", pauses.append)
    server.answers = [503] * 2
    assert read(fetch(origin, tmp_path, retries=3)) == b"annexed"
    tries = re.findall(r"try (\d) of 4: bold_run-1.nii: (.*); again in", caplog.text)
    assert [number for number, _ in tries] == [str(n + 1) for n in range(len(tries))] and tries
    assert pauses == [0.05 * 2**n for n in range(len(tries))]


def test_a_failure_that_does_not_pass_ends_after_the_tries(origin, tmp_path, server):
    server.answers = [503] * 100
    message = refused(origin, tmp_path, retries=1)
    assert "after 2 tries" in message and "run again" in message
    server.answers = []
    assert read(fetch(origin, tmp_path, retries=1)) == b"annexed"


def test_a_clone_that_needs_a_password_is_refused(tmp_path, server):
    server.answers = [401] * 100
    with pytest.raises(InputError) as error:
        fetch(f"http://127.0.0.1:{server.port}/mini.git", tmp_path)
    for text in ("dataset.url", "mini", "credentials", "docs/how_to/public_data.md", f"127.0.0.1:{server.port}"):
        assert text in str(error.value)


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_wants_credentials_is_not_asked_again(origin, tmp_path, server, status, caplog):
    server.answers = [status] * 100
    message = refused(origin, tmp_path, retries=3)
    assert "credentials" in message and "docs/how_to/public_data.md" in message and "datalad get -d" in message
    assert "tries" not in message and "again in" not in caplog.text


def test_content_of_unknown_size_is_had_once(origin, tmp_path, server):
    git(origin, "annex", "addurl", "-q", "--relaxed", "--file=sound.wav", f"http://127.0.0.1:{server.port}/sound")
    save(origin, "1.0.0")
    files = {"audio": {"": "sound.wav"}}
    assert "-s" not in os.readlink(origin / "sound.wav").rpartition("/")[2].partition("--")[0]
    assert fetch(origin, tmp_path, files=files)["files"]["audio"][""]["bytes"] == 7
    asked = server.asked
    assert read(fetch(origin, tmp_path, files=files), "audio", "") == b"annexed" and server.asked == asked


def test_content_that_a_server_has_wrong_is_refused(origin, tmp_path, server):
    server.content = b"annexad"
    message = refused(origin, tmp_path, retries=1)
    assert "checksum" in message and "nothing of it was kept" in message
    (clone,) = (tmp_path / "datasets").glob("mini-*")
    assert not (clone / "bold_run-1.nii").exists() and not list((clone / ".git/annex/tmp").glob("*"))
    server.content = b"annexed"
    assert read(fetch(origin, tmp_path)) == b"annexed"


def test_a_file_that_a_server_does_not_have_is_not_asked_for_again(origin, tmp_path, server, caplog):
    server.answers = [404] * 100
    assert "tries" not in refused(origin, tmp_path, retries=3) and "again in" not in caplog.text
