"""Jobs on a real Slurm through profiles/slurm: the results are those of one machine, and no killed job stops a run."""

import re
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from project import ROOT, Project
from slurm_node import missing_programs, slurm_node

from triphase.core.artefacts import read_arrays, read_json, read_table

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(missing_programs()),
        reason=f"no Slurm here (`apt-get install slurm-wlm munge`): {', '.join(missing_programs())} missing",
    ),
]

# What differs from the profile: this cluster keeps no accounts, and a test does not wait as long between two looks.
HERE = (
    "--workflow-profile", "profiles/slurm", "--slurm-no-account", "--slurm-status-command", "squeue",
    "--slurm-init-seconds-before-status-checks", "1",
)  # fmt: skip
VERDICT = ("results/tiny/phases.json", "results/tiny/changes.parquet")

# One job for each way in which a cluster ends one, which has what it needs at the second attempt (told by its minutes),
# one of two GPUs, and the layers of a checkpoint.
SMALL_JOBS = """
configfile: "config/config.yaml"
include: "workflow/rules/common.smk"

rule all:
    input: "memory", "time", "cancelled", "joined", "devices"

rule needs_memory:
    output: "memory"
    resources: mem_mb=by_attempt(1000), runtime=by_attempt(5)
    shell: "{sys.executable} -c 'import time; block = bytearray(900 << 20); time.sleep(3)' && touch {output}"

rule needs_time:
    output: "time"
    resources: mem_mb=by_attempt(1000), runtime=by_attempt(1)
    shell: "sleep $(( {resources.runtime} < 2 ? 600 : 0 )) && touch {output}"

rule is_cancelled:
    output: "cancelled"
    resources: mem_mb=by_attempt(1000), runtime=by_attempt(5)
    shell: "[ {resources.runtime} -gt 5 ] || {{ scancel $SLURM_JOB_ID; sleep 600; }}; touch {output}"

rule has_two_gpus:
    output: "devices"
    resources: mem_mb=by_attempt(1000), runtime=by_attempt(5), gpu=2
    shell: "echo $CUDA_VISIBLE_DEVICES >> {output}"

rule fit_encoding:
    output: "fits/{layer}"
    resources: mem_mb=by_attempt(1500), runtime=by_attempt(60), gpu=1
    shell: "date +%s.%N > {output}; echo $CUDA_VISIBLE_DEVICES >> {output}; sleep 1; date +%s.%N >> {output}"

rule join_checkpoint:
    input: expand("fits/{layer}", layer=range(3))
    output: "joined"
    resources: mem_mb=by_attempt(1000), runtime=by_attempt(10)
    shell: "touch {output}"
"""

# Takes devices, and says which and when.
TAKES_DEVICES = """
import os, sys, time
from triphase.core.devices import device_slot
with device_slot(int(sys.argv[1])) as held:
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ",".join(held)
    begin = time.time()
    time.sleep(1)
    # One write, so that lines of several processes do not mix.
    os.write(1, " ".join([str(begin), str(time.time()), *held, "\\n"]).encode())
"""


@pytest.fixture(scope="module")
def cluster():
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    with slurm_node(folder, cpus=4) as cluster:
        yield cluster
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def runs(cluster, tiny_as_run, tmp_path_factory):
    """`tiny` to its verdict and the small jobs, each in a project of its own, on the cluster at the same time."""
    tiny, small = (Project(tmp_path_factory.mktemp(name)) for name in ("cluster", "small"))
    (small.folder / "Snakefile").write_text(SMALL_JOBS)
    with ThreadPoolExecutor() as pool:
        done = [
            pool.submit(small.snakemake, *HERE, env=cluster.environment),
            pool.submit(tiny.snakemake, *VERDICT, *HERE, study="tiny", env=cluster.environment),
        ]
    for run in done:
        assert run.result().returncode == 0, run.result().stdout[-5000:]
    return SimpleNamespace(here=tiny_as_run, tiny=tiny.folder, small=small.folder)


def submissions(cluster, name):
    """Jobs of the cluster for a rule, or for a group and its rules joined by underscores, in their order."""
    return [job for job in cluster.jobs() if job.get("Comment", "").startswith(f"rule_{name}")]


def memory_of(job):
    """MB that a job asked for."""
    return int(re.search(r"mem=(\d+)M", job["TRES"]).group(1))


def minutes_of(job):
    """Minutes that a job asked for."""
    hours, minutes, _ = job["TimeLimit"].split(":")
    return 60 * int(hours) + int(minutes)


def undated(attributes):
    """Attributes without those that differ between projects: where its data set lies, and a commit with a date."""
    return {
        name: undated(value) if isinstance(value, dict) else value
        for name, value in attributes.items()
        if name not in ("url", "dataset_commit")
    }


def test_the_cluster_gives_the_results_of_one_machine(runs):
    here, there = (folder / "results/tiny" for folder in (runs.here, runs.tiny))
    paths = [path.relative_to(there) for path in there.rglob("*") if path.name.endswith((".zarr.zip", ".parquet"))]
    assert len(paths) > 25
    for path in paths:
        if path.suffix == ".parquet":
            pd.testing.assert_frame_equal(read_table(here / path), read_table(there / path), obj=str(path))
        else:
            ours, theirs = read_arrays(here / path), read_arrays(there / path)
            assert list(ours.variables) == list(theirs.variables)
            assert undated(ours.attrs) == undated(theirs.attrs)
            for name in ours.variables:
                np.testing.assert_array_equal(ours[name].values, theirs[name].values, err_msg=f"{path}: {name}")
    assert read_json(here / "phases.json") == read_json(there / "phases.json")


def test_jobs_have_the_partition_memory_and_gpu_of_their_rule(runs, cluster):
    for rule in ("extract_activations", "evaluate_tasks"):
        jobs = submissions(cluster, rule)
        assert [(job["Partition"], job["JOB_GRES"]) for job in jobs] == [("gpu", "gpu:1")] * 3
    for job in submissions(cluster, "measure_states"):
        assert (job["Partition"], job["JOB_GRES"], memory_of(job)) == ("cpu", "(null)", 4000)
    log = (runs.tiny / "results/tiny/logs/extract_activations/neox/step0.log").read_text()
    assert "device 0" in log or "device 1" in log


def test_layers_of_a_checkpoint_are_one_submission_that_has_one_fit_at_a_time(runs, cluster):
    jobs = submissions(cluster, "checkpoint_fit_encoding_join_checkpoint")
    assert len(jobs) == 4 and not submissions(cluster, "fit_encoding")
    (job,) = [job for job in jobs if job["WorkDir"] == str(runs.small)]
    assert (job["NumCPUs"], job["JOB_GRES"], memory_of(job)) == ("1", "gpu:1", 1500)
    assert minutes_of(job) == 3 * 10 + 10
    fits = sorted((runs.small / f"fits/{layer}").read_text().split() for layer in range(3))
    assert all(float(first[2]) <= float(second[0]) for first, second in pairwise(fits))
    assert len({fit[1] for fit in fits}) == 1 and fits[0][1] in ("0", "1")


def test_a_job_of_two_gpus_has_both_and_runs_once(runs, cluster):
    (job,) = submissions(cluster, "has_two_gpus")
    assert job["JOB_GRES"] == "gpu:2" and (runs.small / "devices").read_text() == "0,1\n"


@pytest.mark.parametrize(
    ("rule", "end"), [("needs_memory", "FAILED"), ("needs_time", "TIMEOUT"), ("is_cancelled", "CANCELLED")]
)
def test_a_job_that_is_killed_is_tried_again_with_more(runs, cluster, rule, end):
    first, second = submissions(cluster, rule)
    assert (first["JobState"], second["JobState"]) == (end, "COMPLETED")
    assert (memory_of(first), memory_of(second)) == (1000, 2000)
    assert minutes_of(second) == 2 * minutes_of(first)


def test_jobs_within_a_submission_never_share_its_devices(cluster, tmp_path):
    (tmp_path / "job.py").write_text(TAKES_DEVICES)
    python = f"PYTHONPATH={ROOT}/workflow/scripts TMPDIR={tmp_path} {sys.executable}"
    both = f"for size in 1 2 1 1; do {python} job.py $size & done; wait"
    for name, gpus, command in (("both", 2, both), ("one", 1, f"{python} job.py 1")):
        cluster.ask(
            "sbatch", "--wait", "--partition=gpu", f"--gpus={gpus}", "--mem=1000", "--time=5",
            f"--chdir={tmp_path}", f"--output={tmp_path / name}", f"--wrap={command}",
        )  # fmt: skip
    (one,) = (tmp_path / "one").read_text().splitlines()
    assert one.split()[2:] in (["0"], ["1"])
    rows = sorted(line.split() for line in (tmp_path / "both").read_text().splitlines())
    assert sorted(len(row) - 2 for row in rows) == [1, 1, 1, 2]
    assert {device for row in rows for device in row[2:]} == {"0", "1"}
    for at, row in enumerate(rows):
        for later in rows[at + 1 :]:
            apart = float(row[1]) <= float(later[0])
            assert apart or not set(row[2:]) & set(later[2:]), "two jobs had one device"
