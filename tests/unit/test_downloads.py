"""Getting content: verified, resumed, tried again, refused in one line. Origins are folders and a local web server."""

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from datalad_origin import BOTH, damage, fetch, git, isolate, make_dataset, read, save

from triphase import downloads
from triphase.clones import Clone, clone_path
from triphase.downloads import in_units, look_up
from triphase.errors import InputError
from triphase.failures import diagnose

LIBRARY = str(Path(downloads.__file__).parents[1])
BOLD = {"response": {"run-1": "bold_run-1.nii"}}


@pytest.fixture(autouse=True)
def unattended(monkeypatch):
    isolate(monkeypatch)
    monkeypatch.setattr(downloads, "PAUSE", 0.05)


@pytest.fixture
def origin(tmp_path):
    return make_dataset(tmp_path / "origin")


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


def run_job(origin, tmp_path, files=BOLD, environment=None, **keywords):
    """Start a process that fetches, as a job of Snakemake does."""
    code = (
        "import json, logging, sys; sys.path.insert(0, sys.argv[1]); from triphase.downloads import fetch_dataset\n"
        "logging.basicConfig(level='INFO'); fetch_dataset(**json.loads(sys.argv[2]))"
    )
    request = {"files": files, "name": "mini", "url": str(origin), "version": "1.0.0", "user": "study/s1"}
    request |= {"retrieve": {"jobs": 2, "retries": 0}, "folder": str(tmp_path / "datasets"), **keywords}
    return subprocess.Popen(
        [sys.executable, "-c", code, LIBRARY, json.dumps(request)], text=True,
        env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------- what is said


@pytest.mark.parametrize(
    ("text", "cause", "told"),
    [
        (
            "not available; (Note that these git remotes have annex-ignore set: s3-PUBLIC)",
            "absent",
            "not available (not asked: s3-PUBLIC)",
        ),
        ("not enough free space, need 78.41 MB more (use --force to override)", "full", "78.41 MB more"),
        ("git-annex: withFile: resource exhausted (No space left on device)", "full", "No space left"),
        ("transfer already in progress, or unable to take transfer lock", "busy", "already in progress"),
        ("download failed: Forbidden", "refused", "Forbidden"),
        (
            "git failed\nfatal: could not read Username for 'https://github.com': terminal prompts",
            "refused",
            "Username",
        ),
        ("download failed: Service Unavailable", "transient", "Service Unavailable"),
        ("download failed: ResponseTimeout", "transient", "ResponseTimeout"),
        ("fatal: unable to access 'https://x/': Could not resolve host: x", "offline", "Could not resolve host"),
        ("", "other", "no reason given"),
    ],
)
def test_the_telling_line_and_the_cause(text, cause, told):
    found, line = diagnose(text)
    assert found == cause and told in line and "\n" not in line and len(line) <= 160


def test_the_address_stays_when_the_account_of_the_socket_goes():
    socket = (
        "Network.Socket.getAddrInfo (called with preferred socket type/protocol: AddrInfo {addrFlags = []}, host name: "
    )
    text = f'download failed: connection failure: {socket}"s3.amazonaws.com", service name: "443"): does not exist ('
    cause, line = diagnose(text + "Name or service not known)\n" * 5)
    assert cause == "offline"
    assert line == "download failed: connection failure: s3.amazonaws.com: does not exist (Name or service not known)"


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


def test_sizes_and_keys_are_those_of_the_tree(origin, tmp_path):
    manifest = fetch(origin, tmp_path)
    clone = Clone(Path(manifest["clone"]), "mini", str(origin), "1.0.0", manifest["commit"])
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
    monkeypatch.setattr(downloads.time, "sleep", pauses.append)
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
    for text in ("dataset.url", "mini", "credentials", "config/README.md", f"127.0.0.1:{server.port}"):
        assert text in str(error.value)


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_wants_credentials_is_not_asked_again(origin, tmp_path, server, status, caplog):
    server.answers = [status] * 100
    message = refused(origin, tmp_path, retries=3)
    assert "credentials" in message and "config/README.md" in message and "datalad get -d" in message
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


# ------------------------------------------------------------------------------------------- processes, kills, disks


@pytest.mark.parametrize("second", ["bold_run-1.nii", "bold_run-2.nii"])
def test_two_jobs_at_once(origin, tmp_path, second):
    jobs = [
        run_job(origin, tmp_path, {"response": {"": name}}, user=f"study/{number}")
        for number, name in enumerate(("bold_run-1.nii", second))
    ]
    said = [job.communicate()[0] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], said
    (clone,) = (tmp_path / "datasets").glob("mini-*")
    assert (clone / "bold_run-1.nii").is_file() and (clone / second).is_file()


def annex_processes(folder):
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (
                Path(os.readlink(process / "cwd")).is_relative_to(folder)
                and b"git-annex" in (process / "cmdline").read_bytes()
            ):
                found.append(process.name)
        except OSError:
            continue
    return found


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("whom", ["job", "datalad"])
def test_a_download_that_is_killed_is_taken_up_again(tmp_path, whom):
    content = os.urandom(8_000_000)
    origin = make_dataset(tmp_path / "origin", content=content)
    slow = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "annex.bwlimit", "GIT_CONFIG_VALUE_0": "2mb"}
    job = run_job(origin, tmp_path, environment=slow)
    clone = clone_path("mini", str(origin), "1.0.0", tmp_path / "datasets")

    def part():
        return next((file.stat().st_size for file in (clone / ".git/annex/tmp").glob("MD5E*")), 0)

    wait_for(lambda: part() > 1_000_000 and annex_processes(clone))
    if whom == "job":
        os.kill(job.pid, signal.SIGKILL)
    else:
        (getter,) = subprocess.check_output(["ps", "-o", "pid=", "--ppid", str(job.pid)], text=True).split()
        os.kill(int(getter), signal.SIGKILL)
    said = job.communicate()[0]
    assert job.returncode != 0
    # git-annex ends with whoever was killed: left alone it would hang and hold the transfer's lock.
    wait_for(lambda: not annex_processes(clone))
    left = part()
    assert 1_000_000 < left < 8_000_000 and not (clone / "bold_run-1.nii").exists()
    if whom == "datalad":
        assert "InputError" in said and "bold_run-1.nii" in said and "run again" in said
    again = run_job(origin, tmp_path)
    said = again.communicate()[0]
    assert again.returncode == 0, said
    assert (clone / "bold_run-1.nii").read_bytes() == content
    assert f"{in_units(left)} of them came before" in said


DISK = """
mount -t tmpfs -o size=200k tmpfs {disk} || exit 77
cd {disk}
{fetch} > {tmp}/clone.log 2>&1; echo $? > {tmp}/clone.rc
ls {disk}/datasets > {tmp}/clone.left
mount -o remount,size=12m {disk}
{fetch} > {tmp}/estimate.log 2>&1; echo $? > {tmp}/estimate.rc
find {disk} -name 'MD5E*' -type f > {tmp}/estimate.left
{lying} > {tmp}/full.log 2>&1; echo $? > {tmp}/full.rc
find {disk} -path '*annex/objects*' -name 'MD5E*' -type f > {tmp}/full.left
mount -o remount,size=64m {disk}
{fetch} > {tmp}/retry.log 2>&1; echo $? > {tmp}/retry.rc
sha256sum {disk}/datasets/mini-*/bold_run-*.nii > {tmp}/retry.sums
"""


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs a mount namespace of its own")
def test_a_full_disk(tmp_path):
    """No room for the clone; 12 MB for 24 MB: found beforehand, and found while getting; mended by more room."""
    origin, disk = make_dataset(tmp_path / "origin", content=os.urandom(8_000_000)), tmp_path / "disk"
    disk.mkdir()
    request = {"files": BOTH, "name": "mini", "url": str(origin), "version": "1.0.0", "user": "study/s1"}
    request |= {"retrieve": {"jobs": 1, "retries": 3}, "folder": str(disk / "datasets")}
    code = "import json, sys; sys.path.insert(0, sys.argv[1]); from triphase import downloads\n"
    lie = "downloads.check_disk = lambda *_: None\n"
    call = "downloads.fetch_dataset(**json.loads(sys.argv[2]))"
    for name, text in (("fetch", code + call), ("lying", code + lie + call)):
        (tmp_path / f"{name}.py").write_text(text)
    commands = {
        name: f"{sys.executable} {tmp_path}/{name}.py {LIBRARY} '{json.dumps(request)}'" for name in ("fetch", "lying")
    }
    # Without its reserve git-annex fills the disk to the brim.
    reserve = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "annex.diskreserve", "GIT_CONFIG_VALUE_0": "0"}
    reserve |= {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        ["unshare", "-Urm", "bash", "-c", DISK.format(disk=disk, tmp=tmp_path, **commands)],
        env={**os.environ, **reserve}, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("may not mount here")

    def of(name):
        return (tmp_path / name).read_text().strip()

    assert of("clone.rc") == "1" and of("clone.left") == ""
    message = of("clone.log").splitlines()[-1]
    for text in ("InputError", "mini", str(origin), "no space left", "make room on the disk"):
        assert text in message
    assert of("estimate.rc") == "1" and of("estimate.left") == ""
    message = of("estimate.log").splitlines()[-1]
    for text in ("InputError", "bold_run-1.nii and 1 other file", "24.0 MB are to come", "make room on the disk"):
        assert text in message
    assert of("full.rc") == "1"
    message = of("full.log").splitlines()[-1]
    for text in ("InputError", "bold_run-2.nii of data set mini", "space", "make room on the disk", "is kept"):
        assert text in message
    assert "again in" not in of("full.log")
    assert len(of("full.left").splitlines()) == 1
    assert of("retry.rc") == "0", of("retry.log")
    sums = subprocess.check_output(["sha256sum", *sorted(map(str, origin.glob("bold*")))], text=True)
    assert re.findall(r"^\w{64}", of("retry.sums"), re.M) == re.findall(r"^\w{64}", sums, re.M)
