import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import small_models
from fake_hub import FakeHub, sha
from patience import PATIENCE
from project import ROOT

from triphase.checkpoints import cache, fetching, hub
from triphase.checkpoints.cache import release_checkpoint, weights_on_disk
from triphase.checkpoints.fetching import ensure_weights
from triphase.checkpoints.find import Pin, find_checkpoint
from triphase.core.artefacts import write_json
from triphase.core.errors import InputError

SIZE = len(small_models.safetensors(0, 10_000))


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A hub with ten checkpoints of about 40 kB, of which step8 and step9 have one file in common."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "PAUSE", 0.01)
    monkeypatch.setattr(fetching, "LOOK", 0.02)
    revisions = {f"step{k}": small_models.stand_in(min(k, 8), 10_000) for k in range(10)}
    revisions["main"] = revisions["step9"]
    with FakeHub({"org/m": revisions}) as server:
        server.repositories["org/m"]["main"] = server.repositories["org/m"]["step9"]
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def manifests(*steps):
    return [find_checkpoint("org/m", f"step{step}") for step in steps]


def budget(checkpoints):
    return {"disk_gb": checkpoints * SIZE / 1e9}


def fetched(server, step):
    return server.sent.get((server.commit("org/m", f"step{step}"), "model.safetensors"), 0) // SIZE


def on_disk():
    folder = cache.DOWNLOADS.rglob("*")
    return sum(
        path.stat().st_size
        for path in folder
        if path.is_file() and not path.is_symlink() and path.stat().st_size > 9000
    )


def test_the_oldest_idle_weights_make_room(served):
    first, second, third = manifests(0, 1, 2)
    for manifest in (first, second):
        ensure_weights(manifest, budget(2)).release()
    os.utime(Path(first["cache_dir"]) / cache.MARKER, (1, 1))
    ensure_weights(third, budget(2)).release()
    assert set(map(str, weights_on_disk())) == {second["cache_dir"], third["cache_dir"]}
    assert on_disk() <= 2 * SIZE
    # What was removed comes again by itself, and only that.
    ensure_weights(first, budget(2)).release()
    assert [fetched(served, step) for step in (0, 1, 2)] == [2, 1, 1]


def test_weights_in_use_are_never_removed_and_a_job_waits_for_room(served):
    first, second = manifests(0, 1)
    held = ensure_weights(first, budget(1))
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(ensure_weights, second, budget(1))
        time.sleep(0.3)
        assert not waiting.done() and (held.folder / "model.safetensors").is_file()
        assert not release_checkpoint(first)
        held.release()
        waiting.result(PATIENCE).release()
    assert not (cache.checkpoint_folder(first) / "model.safetensors").exists()
    assert (cache.checkpoint_folder(first) / "tokenizer.json").is_file(), "small files stay"


def test_jobs_of_one_checkpoint_fetch_it_once_and_share_it(served):
    (manifest,) = manifests(0)
    with ThreadPoolExecutor(8) as pool:
        held = list(pool.map(lambda _: ensure_weights(manifest, budget(1)), range(8)))
    assert fetched(served, 0) == 1
    for number, one in enumerate(held):
        assert release_checkpoint(manifest) is False, f"{8 - number} still use it"
        one.release()
    assert release_checkpoint(manifest) is True and on_disk() == 0
    assert release_checkpoint(manifest) is True, "twice does no harm"


def test_a_file_of_two_revisions_survives_while_one_needs_it(served):
    eight, nine = manifests(8, 9)
    assert eight["files"]["model.safetensors"] == nine["files"]["model.safetensors"]
    for manifest in (eight, nine):
        ensure_weights(manifest, budget(2)).release()
    assert release_checkpoint(eight)
    with ensure_weights(nine, budget(2)) as held:
        assert (held.folder / "model.safetensors").stat().st_size == SIZE
    assert fetched(served, 9) == 1
    # Two names of one commit are one checkpoint: it stays while a job of either uses it.
    main = find_checkpoint("org/m", "main")
    with ensure_weights(main):
        assert not release_checkpoint(nine)


def test_remains_of_killed_runs_do_not_keep_two_jobs_from_going_on_under_a_smaller_budget(served, monkeypatch):
    both = manifests(0, 1)
    for manifest in both:
        marker = {"bytes": SIZE, "weights": manifest["weights"], "whole": False}
        write_json(Path(manifest["cache_dir"]) / cache.MARKER, marker)
    # Both have taken their own lock before either looks for room.
    barrier, reserve = threading.Barrier(2), fetching._reserve

    def together(*given):
        barrier.wait(PATIENCE)
        reserve(*given)

    monkeypatch.setattr(fetching, "_reserve", together)
    jobs = [threading.Thread(target=lambda m=m: ensure_weights(m, budget(1)).release(), daemon=True) for m in both]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(PATIENCE)
    assert not any(job.is_alive() for job in jobs)
    assert [fetched(served, step) for step in (0, 1)] == [1, 1] and on_disk() <= SIZE


def test_a_checkpoint_larger_than_the_budget_is_refused_at_once(served):
    (manifest,) = manifests(0)
    with pytest.raises(InputError, match="execution/disk_gb: .* too little: the weights of org/m at step0 alone have"):
        ensure_weights(manifest, budget(0.5))
    assert on_disk() == 0 and not weights_on_disk()


def test_a_users_own_weights_are_read_and_never_removed(served, tmp_path):
    folder = small_models.write(tmp_path / "own", small_models.stand_in(3))
    manifest = find_checkpoint("org/m", "own", folder=folder)
    with ensure_weights(manifest, budget(0)) as held:
        assert held.folder == folder
    assert not release_checkpoint(manifest) and (folder / "model.safetensors").is_file()


def test_a_users_own_files_that_have_gone_are_named_with_the_remedy(served, tmp_path, monkeypatch):
    (ours,) = manifests(0)
    ensure_weights(ours).release()
    monkeypatch.setenv("HF_HUB_CACHE", ours["cache_dir"])
    manifest = find_checkpoint("org/m", "step0", pin=Pin(ours["commit"]))
    assert "downloaded" not in manifest
    path = cache.checkpoint_folder(manifest) / "model.safetensors"
    path.unlink()
    remedy = rf"hf download org/m --revision {manifest['commit']}\), or delete the checkpoint's .json in results"
    with pytest.raises(InputError, match=rf"org/m at step0: {re.escape(str(path))} has gone since .*{remedy}"):
        ensure_weights(manifest)
    folder = small_models.write(tmp_path / "own", small_models.stand_in(3))
    manifest = find_checkpoint("org/m", "own", folder=folder)
    for name in ("model.safetensors", "config.json"):
        (folder / name).unlink()
    with pytest.raises(InputError, match="own/config.json and 1 more has gone since .*; put it back, or delete"):
        ensure_weights(manifest)


def test_weights_of_another_user_in_a_shared_folder_are_used_and_not_removed(served, monkeypatch):
    first, second = manifests(0, 1)
    ensure_weights(first).release()

    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    opened = os.open
    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(os, "open", lambda path, flags, *mode: refuse() if flags & os.O_RDWR else opened(path, flags))
    with ensure_weights(first, budget(1)) as held:
        assert (held.folder / "model.safetensors").stat().st_size == SIZE
    monkeypatch.setattr(Path, "unlink", refuse)
    assert release_checkpoint(first) is False and on_disk() == SIZE
    monkeypatch.undo()
    assert fetched(served, 0) == 1


def test_a_wrong_file_that_comes_twice_is_refused(served):
    (manifest,) = manifests(0)
    manifest["files"]["model.safetensors"]["sha256"] = "0" * 64
    with pytest.raises(InputError, match="model.safetensors came twice with other content than the hub says"):
        ensure_weights(manifest)
    assert on_disk() == 0


def test_weights_that_somebody_deleted_or_cut_come_again(served):
    (manifest,) = manifests(0)
    ensure_weights(manifest).release()
    path = cache.checkpoint_folder(manifest) / "model.safetensors"
    path.resolve().write_bytes(b"short")
    with ensure_weights(manifest) as held:
        assert (held.folder / path.name).stat().st_size == SIZE
    path.resolve().unlink()
    ensure_weights(manifest).release()
    assert fetched(served, 0) == 3


def test_a_folder_of_downloads_that_was_deleted_comes_again(served):
    import shutil

    (manifest,) = manifests(0)
    ensure_weights(manifest).release()
    shutil.rmtree(cache.DOWNLOADS)
    with ensure_weights(manifest, budget(1)) as held:
        assert {path.name for path in held.folder.iterdir()} == set(manifest["files"])
    assert release_checkpoint(manifest) and on_disk() == 0


def test_weights_so_small_that_the_hub_has_no_sha256_are_hashed_here(served, monkeypatch):
    monkeypatch.setattr("fake_hub.large", lambda name: False)
    (manifest,) = manifests(0)
    assert manifest["files"]["model.safetensors"]["sha256"] == sha(small_models.safetensors(0, 10_000))
    ensure_weights(manifest, budget(1)).release()
    assert fetched(served, 0) == 1


def test_a_full_disk_is_one_clear_error(served, monkeypatch):
    (manifest,) = manifests(0)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    with pytest.raises(InputError, match="cannot be written .*No space left.*make room, or bound .* execution/disk_gb"):
        ensure_weights(manifest)


INSIDE = """
import sys
from triphase.checkpoints.find import Pin, find_checkpoint
from triphase.checkpoints.fetching import ensure_weights
ensure_weights(find_checkpoint("org/m", "step0"))
from huggingface_hub.utils._xet import get_xet_session
get_xet_session()
"""


def test_downloads_write_nothing_outside_of_their_folder(served, tmp_path):
    pytest.importorskip("hf_xet")
    outside = ("HF_HOME", "HF_HUB_CACHE", "HF_XET_CACHE", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in outside}
    environment |= {"HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT / "workflow/scripts")}
    (tmp_path / "home").mkdir()
    subprocess.run([sys.executable, "-c", INSIDE], env=environment, check=True, capture_output=True)
    assert fetched(served, 0) == 1 and list((cache.DOWNLOADS / ".xet").rglob("*.log"))
    assert not list((tmp_path / "home").rglob("*"))


JOB = """
import sys
from triphase.core.artefacts import read_json
from triphase.checkpoints.fetching import ensure_weights
held = ensure_weights(read_json(sys.argv[1]), {"disk_gb": float(sys.argv[2])})
print((held.folder / "model.safetensors").stat().st_size, flush=True)
"""


def test_a_download_that_is_killed_at_any_moment_leaves_nothing_that_is_taken_for_whole(served):
    from triphase.core.artefacts import write_json

    (manifest,) = manifests(0)
    write_json("manifest.json", manifest)
    command = [sys.executable, "-c", JOB, "manifest.json", str(budget(1)["disk_gb"])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts")}
    start = time.monotonic()
    assert subprocess.run(command, env=environment, capture_output=True).returncode == 0
    whole = time.monotonic() - start
    release_checkpoint(manifest)
    for k in range(6):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        time.sleep(whole * (0.4 + 0.11 * k))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        with ensure_weights(manifest, budget(1)) as held:
            assert (held.folder / "model.safetensors").read_bytes() == small_models.safetensors(0, 10_000)
        assert on_disk() == SIZE, "what a killed download left was not swept away"
        assert release_checkpoint(manifest)
