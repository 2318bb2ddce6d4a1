"""Series larger than the disk's budget: many jobs at once, of two studies, never keep more weights than they may."""

import multiprocessing
import random
import threading
import time
from pathlib import Path

import small_models
from fake_hub import FakeHub, sha
from weight_jobs import job

from triphase.core.artefacts import read_json

# Each job is a process of its own, which starts in a moment since its parent has read the libraries.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["weight_jobs", "huggingface_hub.hf_api"])

CHECKPOINTS, PRESENT, NUMBERS = 20, 3, 50_000
SIZE = len(small_models.safetensors(0, NUMBERS))


def run_study(study, folder, url, killed):
    """Run all jobs of a study, two at a time; those that were killed run again, as Snakemake would have it."""
    chosen = random.Random(study)
    for what in ("fetch", "use1", "use2", "join"):
        # Every stage of all checkpoints, in any order: the worst that a scheduler can do to the budget.
        todo, running = [str(step) for step in chosen.sample(range(CHECKPOINTS), CHECKPOINTS)], []
        while todo or running:
            while todo and len(running) < 2:
                step = todo.pop()
                process = PROCESSES.Process(target=job, args=(folder, url, what, study, step, PRESENT * SIZE / 1e9))
                process.start()
                running.append((step, process))
            if chosen.random() < 0.05 and killed["left"]:
                killed["left"] -= 1
                running[0][1].kill()
            for entry in [entry for entry in running if not entry[1].is_alive()]:
                running.remove(entry)
                # 255: the fork server, busy with a kill, has lost how it ended; a failure of the job itself is 1.
                if entry[1].exitcode < 0 or entry[1].exitcode == 255:
                    todo.append(entry[0])
                else:
                    assert entry[1].exitcode == 0, f"{what} of {study}, {entry[0]}"
            time.sleep(0.01)


def weights_on_disk():
    total = 0
    for path in Path("resources/models").glob("*/*/models--*/blobs/*"):
        try:
            total += path.stat().st_size if path.stat().st_size > 9000 else 0
        except FileNotFoundError:
            continue
    return total


def test_a_series_of_twenty_fits_a_disk_for_three(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    revisions = {f"step{k}": small_models.stand_in(k, NUMBERS) for k in range(CHECKPOINTS)}
    most, stop, killed = [0], threading.Event(), {"left": 6}

    def watch():
        while not stop.wait(0.003):
            most.append(weights_on_disk())

    with FakeHub({"org/m": revisions}) as server:
        watcher = threading.Thread(target=watch)
        watcher.start()
        failures = []

        def study(name):
            try:
                run_study(name, tmp_path, server.url, killed)
            except AssertionError as error:
                failures.append(error)

        studies = [threading.Thread(target=study, args=(name,)) for name in ("one", "two")]
        for thread in studies:
            thread.start()
        for thread in studies:
            thread.join()
        stop.set()
        watcher.join()
    assert not failures and not killed["left"]
    assert 0 < max(most) <= PRESENT * SIZE
    for name in ("one", "two"):
        for step in range(CHECKPOINTS):
            expected = small_models.safetensors(step, NUMBERS)
            assert read_json(f"results/{name}/{step}.json") == {"sha256": sha(expected)}
    assert weights_on_disk() <= PRESENT * SIZE
