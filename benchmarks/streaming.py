"""Streaming of a large subject: peak memory, and throughput beside a plain copy of the same files.

`streaming_figures()` gives the figures of this part to `bench_data.py`. A subject as LeBel et al. publish theirs is
made up (one .hf5 file per story, float64, 95,556 voxels in a mask) and cleaned by `clean_subject`
into its .zarr.zip, in a process of its own with one thread, as the workflow's rule runs it. The whole subject of 8 GB
is streamed once, for the memory; for the throughput the first fifth of it is streamed and copied in turn, and the
median of three is given. Takes about two minutes and 14 GB of disk, which it gives back.

As a script, `python benchmarks/streaming.py FOLDER RUNS TIMES` is that process: it prints one line of JSON.
"""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SHAPE, VOXELS, RUNS, VOLUMES = (84, 84, 54), 95_556, 20, 524
PAIRED_RUNS, PAIRS = 4, 3
DISK_GB = 15
TR, DROPPED = 2.0, 5


def streaming_figures(folder=None):
    """Figures of the streaming: list of `reporting.figure`.

    Parameters
    ----------
    folder : path, optional
        Where the made-up subject lies while this lasts; without it a temporary folder beside the results, since /tmp is
        in memory on some machines.

    Returns
    -------
    list of dict
        `streaming 8 GB: peak memory, GB` (goal: under 2) and `streaming: throughput, MB/s`, with that of the copy and
        their ratio in the details and in the text of the goal. Skipped where the disk has less than 15 GB.
    """
    from reporting import figure

    parent = Path(folder or ROOT / "results")
    parent.mkdir(parents=True, exist_ok=True)
    names = ("streaming 8 GB: peak memory, GB", "streaming: throughput, MB/s")
    free = shutil.disk_usage(parent).free / 1e9
    if free < DISK_GB:
        return [figure(name, f"{free:.0f} GB of disk are free", f"{DISK_GB} GB of disk", None) for name in names]
    with tempfile.TemporaryDirectory(prefix=".streaming-", dir=parent) as temporary:
        size = make_subject(temporary)
        whole = in_a_process(temporary, RUNS, 0)
        pairs = in_a_process(temporary, PAIRED_RUNS, PAIRS)
    speed, copy = statistics.median(pairs["stream_mb_s"]), statistics.median(pairs["copy_mb_s"])
    return [
        figure(names[0], round(whole["peak_gb"], 2), "< 2", whole["peak_gb"] < 2, size_gb=size, **whole),
        figure(
            names[1],
            round(speed),
            f"none; a plain copy makes {copy:.0f}, {copy / speed:.1f} times as much",
            True,
            copy_mb_s=copy,
            ratio=speed / copy,
            pairs=pairs,
            whole_subject_mb_s=whole["stream_mb_s"][0],
        ),
    ]


def make_subject(folder):
    """Write the mask and the runs of a made-up subject; returns GB."""
    import h5py
    import nibabel as nib

    rng = np.random.default_rng(0)
    mask = np.zeros(SHAPE, np.uint8)
    mask.ravel()[rng.permutation(mask.size)[:VOXELS]] = 1
    nib.save(nib.Nifti1Image(mask, np.diag([2.0, 2, 2, 1])), f"{folder}/mask.nii.gz")
    noise = rng.standard_normal((VOLUMES, VOXELS), dtype=np.float32)
    for number in range(RUNS):
        with h5py.File(path_of(folder, number), "w") as file:
            data = file.create_dataset("data", shape=noise.shape, dtype="f8")
            for start in range(0, VOLUMES, 64):
                rows = slice(start, start + 64)
                data[rows] = np.roll(noise[rows], 1000 * number, axis=1) + 100
    return sum(Path(path_of(folder, number)).stat().st_size for number in range(RUNS)) / 1e9


def path_of(folder, number):
    """Path of one run's file."""
    return f"{folder}/story-{number:02d}.hf5"


def in_a_process(folder, runs, pairs):
    """Stream some runs in a process of its own: what `main` prints."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "workflow/scripts")}
    command = [sys.executable, __file__, str(folder), str(runs), str(pairs)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def stream(folder, runs):
    """Seconds that a subject takes from its files to its .zarr.zip."""
    import pandas as pd

    from triphase.config.jobs import CleanResponses
    from triphase.responses.subject import clean_subject

    names = [f"story-{number:02d}" for number in range(runs)]
    files = {
        "response": {name: {"path": path_of(folder, number)} for number, name in enumerate(names)},
        "mask": {"": {"path": f"{folder}/mask.nii.gz"}},
    }
    source = {"name": "voxels", "reader": "hdf5", "space": "native", "key": "data", "dropped_volumes": DROPPED}
    cleaning = {"high_pass": 0.01, "confounds": True, "confound_expansion": []}
    words = pd.DataFrame({"run": [], "index": [], "word": [], "onset": [], "offset": []})
    target = Path(folder, "subject.zarr.zip")
    begin = time.perf_counter()
    entries = [{"name": name, "stimulus": name} for name in names]
    dataset = {"source": source, "runs": entries, "tr": TR, "brain": "template", "atlas": None, "rois": []}
    clean_subject(target, "subject", files, words, CleanResponses(study="", cleaning=cleaning, **dataset), {})
    taken = time.perf_counter() - begin
    target.unlink()
    return taken


def copy(folder, runs):
    """Seconds that a plain copy of the same files takes."""
    target = Path(folder, "copy")
    target.mkdir()
    begin = time.perf_counter()
    for number in range(runs):
        shutil.copyfile(path_of(folder, number), target / f"{number}.hf5")
    taken = time.perf_counter() - begin
    shutil.rmtree(target)
    return taken


def main(folder, runs, pairs):
    """Stream once, or stream and copy in turn after one round that does not count; print rates and peak memory."""
    megabytes = sum(os.path.getsize(path_of(folder, number)) for number in range(runs)) / 1e6
    streamed, copied = [stream(folder, runs)], []
    for _ in range(pairs):
        streamed.append(stream(folder, runs))
        copied.append(copy(folder, runs))
    rates = {"stream_mb_s": [megabytes / taken for taken in streamed[bool(pairs) :]]}
    rates["copy_mb_s"] = [megabytes / taken for taken in copied]
    # Linux gives kB, macOS bytes.
    unit = 1e9 if sys.platform == "darwin" else 1e6
    print(json.dumps({**rates, "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
