import os
import signal
import stat
import subprocess
import sys
import tempfile

import pytest
from project import ROOT

from triphase.core.errors import InputError
from triphase.core.scratch import HeldFolder, runtime_folder

KEPT = """
import time
from triphase.core.scratch import HeldFolder
print(HeldFolder("triphase-offload-").path, flush=True)
time.sleep(60)
"""


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """A temporary folder that everybody writes to, without a runtime folder of the user's."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tmp_path.chmod(0o1777)
    return tmp_path


def test_files_of_running_processes_lie_in_a_folder_of_the_users_alone(shared, tmp_path, monkeypatch):
    folder = runtime_folder()
    assert folder == shared / f"triphase-{os.getuid()}" and stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o777)
    assert stat.S_IMODE(runtime_folder().stat().st_mode) == 0o700
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    assert runtime_folder() == tmp_path / "run/triphase"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "none"))
    assert runtime_folder() == folder


def test_a_folder_that_another_made_first_is_refused(shared, tmp_path):
    place = shared / f"triphase-{os.getuid()}"
    (tmp_path / "theirs").mkdir()
    place.symlink_to(tmp_path / "theirs")
    with pytest.raises(InputError, match=f"{place} must be a folder of this user's, and it is a link; .* TMPDIR"):
        runtime_folder()
    place.unlink()
    place.write_text("")
    with pytest.raises(InputError, match="it is no folder"):
        runtime_folder()


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes another user")
def test_a_folder_of_another_user_is_refused(shared):
    place = shared / f"triphase-{os.getuid()}"
    place.mkdir()
    os.chown(place, 65534, 65534)
    with pytest.raises(InputError, match="it is one of user 65534"):
        runtime_folder()


def test_a_held_folder_goes_with_its_process_or_at_the_next_start(shared, caplog):
    caplog.set_level("INFO")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts"), "TMPDIR": str(shared)}
    process = subprocess.Popen([sys.executable, "-c", KEPT], stdout=subprocess.PIPE, text=True, env=environment)
    left = process.stdout.readline().strip()
    os.utime(left, (0, 0))
    unlocked, recent = shared / "triphase-offload-old", shared / "triphase-offload-new"
    for path in (unlocked, recent):
        path.mkdir()
    os.utime(unlocked, (0, 0))
    (shared / "triphase-offload-link").symlink_to(recent)

    first = HeldFolder("triphase-offload-")
    assert os.path.isdir(left), "it is held"
    assert not unlocked.exists() and recent.exists() and "killed" in caplog.text
    process.send_signal(signal.SIGKILL)
    process.communicate()
    second = HeldFolder("triphase-offload-")
    assert not os.path.exists(left) and first.path.is_dir() and recent.exists()
    for folder in (first, second, second):
        folder.close()
    assert {path.name for path in shared.iterdir()} == {recent.name, "triphase-offload-link"}
