"""Runs of the smallest study that are killed, and what differs between the results of two runs."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
from patience import wait_until

from triphase.core.artefacts import read_arrays, read_table

RESULTS = (".parquet", ".zip", ".json")


def start_run(project, *arguments):
    """Start the smallest study in a process group of its own, so that all of it can be killed."""
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, "--configfile", "config/studies/tiny.yaml"],
        cwd=project.folder, start_new_session=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=project.environment(),
    )  # fmt: skip


def count_results(folder, study="tiny"):
    """Number of results of a study in a project's folder."""
    # Folders come and go while a run is under way, at which rglob stumbles.
    return sum(name.endswith(RESULTS) for _, _, names in os.walk(folder / "results" / study) for name in names)


def kill_run(running):
    """Kill a run with all its processes."""
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()


def kill_at(project, n_results, seconds):
    """Run until so many results are there and some seconds longer, kill it and unlock; how many results it had made."""
    running = start_run(project)
    wait_until(lambda: count_results(project.folder) >= n_results or running.poll() is not None)
    time.sleep(seconds)
    kill_run(running)
    # What Snakemake tells the user to do after such an end.
    done = project.snakemake("--unlock", study="tiny")
    assert done.returncode == 0, done.stdout[-3000:]
    return count_results(project.folder)


def differing_results(left, right, of=None):
    """Names of tables and arrays that two results folders do not share, or whose content or attributes differ.

    `of` are paths below both folders: those alone are compared.
    """
    names = set(of or (path.relative_to(left) for path in left.rglob("*") if path.suffix in (".parquet", ".zip")))
    others = set(of or (path.relative_to(right) for path in right.rglob("*") if path.suffix in (".parquet", ".zip")))
    found = {str(name) for name in names ^ others}
    for name in names & others:
        (facts, arrays), (other_facts, other_arrays) = (_content(folder, name) for folder in (left, right))
        pairs = zip(arrays, other_arrays, strict=False)
        if facts != other_facts or not all(_equal(one, two) for one, two in pairs):
            found.add(str(name))
    return sorted(found)


def _content(folder, name):
    """Names and attributes without dates, and arrays in the names' order."""
    path = folder / name
    data = read_table(path) if path.suffix == ".parquet" else read_arrays(path)
    names = list(data.columns) if path.suffix == ".parquet" else sorted(data.variables)
    attributes = repr({key: value for key, value in data.attrs.items() if "date" not in key})
    # The same listeners, simulated again, are another DataLad data set: its place, id and dates of commits are new.
    simulated = read_table(folder / "stimuli/words.parquet").attrs["source"]
    for own in ("url", "clone", "commit"):
        attributes = attributes.replace(simulated[own], own)
    return (names, attributes), [np.asarray(data[name].values) for name in names]


def _equal(one, two):
    # The last bits of a sum depend on where its numbers lie in memory.
    if one.dtype.kind in "fc":
        return one.shape == two.shape and np.allclose(one, two, rtol=1e-12, atol=1e-14, equal_nan=True)
    # Tables mix text and missing values, which are equal to nothing but themselves.
    return one.shape == two.shape and list(map(repr, one.flat)) == list(map(repr, two.flat))
