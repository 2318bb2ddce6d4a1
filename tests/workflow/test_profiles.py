"""Profiles: where and how jobs run. That of Slurm runs in tests/integration/test_slurm.py on a Slurm."""

import json
import re
import subprocess
import sys

import pytest
import yaml
from project import ROOT

PROFILES = {path.parent.name: path for path in sorted(ROOT.glob("profiles/*/profile.yaml"))}
RULES = {
    name: body
    for path in sorted((ROOT / "workflow/rules").glob("*.smk"))
    for name, body in re.findall(r"^ *rule (\w+):\n((?:(?: +.*)?\n)+)", path.read_text(), flags=re.M)
}
STATUS = ROOT / "profiles/cluster-generic/job_status.sh"


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_names_only_rules_that_there_are(name):
    profile = yaml.safe_load(PROFILES[name].read_text())
    assert profile["scheduler"] == "greedy" and (name == "default" or profile["retries"] >= 1)
    assert {*profile.get("groups", {}), *profile.get("set-resources", {})} <= set(RULES)


def test_on_slurm_every_job_with_a_gpu_has_its_partition():
    own = yaml.safe_load(PROFILES["slurm"].read_text())["set-resources"]
    with_gpu = {name for name, body in RULES.items() if "gpu=1," in body}
    assert with_gpu <= {name for name, resources in own.items() if resources.get("slurm_partition") == "gpu"}


@pytest.mark.parametrize("name", ["slurm", "cluster-generic"])
def test_no_group_depends_on_itself(project, name):
    """Submissions of several jobs: a rule between two of a group would have to be in it, and Snakemake says so."""
    done = project.snakemake("-n", "--quiet", "rules", "--workflow-profile", f"profiles/{name}")
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("name", PROFILES)
def test_every_line_of_a_profile_is_said_what_it_is_for(name):
    """Each setting has a comment above it, its own or that of the block that it is in."""
    block = False
    for line in PROFILES[name].read_text().splitlines():
        block = bool(line.strip()) and (block or line.lstrip().startswith("#"))
        assert block or not line.strip(), f"no comment above {line!r}"


# Commands of the three schedulers as far as the script asks them, with what they say of a job in each state.
ANSWERS = {
    "lsf": {"bjobs": "echo {}"},
    "pbs": {"qstat": "printf '    job_state = {}\\n'"},
    "sge": {"qstat": "test {} = r", "qacct": "printf '{}\\n'"},
}


@pytest.mark.parametrize(
    ("scheduler", "answer", "expected"),
    [
        ("lsf", "PEND", "running"), ("lsf", "RUN", "running"), ("lsf", "DONE", "success"), ("lsf", "EXIT", "failed"),
        ("pbs", "Q", "running"), ("pbs", "R", "running"), ("pbs", "F\\n    Exit_status = 0", "success"),
        ("pbs", "F\\n    Exit_status = 271", "failed"), ("pbs", "F", "failed"),
        ("sge", "r", "running"), ("sge", "", "running"), ("sge", "failed 0\\nexit_status 0", "success"),
        ("sge", "failed 0\\nexit_status 1", "failed"), ("sge", "failed 37 : h_rt\\nexit_status 0", "failed"),
    ],
)  # fmt: skip
def test_the_status_of_a_job_on_other_clusters(tmp_path, scheduler, answer, expected):
    for name, command in ANSWERS[scheduler].items():
        said = f'"{answer}"' if command.startswith("test") else answer
        (tmp_path / name).write_text(f"#!/bin/sh\n{command.format(said)}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run([STATUS, "7"], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"{expected}\n", "")


# A stand-in for Grid Engine: jobs run at once, in the background, and the accounts know how they ended.
QSUB = """#!/bin/sh
for script; do :; done
echo "$@" >> {folder}/submitted
number=$(wc -l < {folder}/submitted)
exec 3>&1 > {folder}/$number.log 2>&1
(sh "$script"; echo "failed 0\nexit_status $?" > {folder}/$number) 3>&- &
echo $number >&3
"""


def test_a_run_through_a_submit_command(project, tmp_path):
    for name, text in {
        "qsub": QSUB.format(folder=tmp_path),
        "qstat": f'#!/bin/sh\ntest ! -e "{tmp_path}/$2"\n',
        "qacct": f'#!/bin/sh\ncat "{tmp_path}/$2"\n',
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "Snakefile").write_text("""
rule all:
    input: "joined"
rule fit_encoding:
    output: "fits/{layer}"
    resources: mem_mb=lambda w, attempt: 100 * attempt, runtime=10, gpu=1
    # The first attempt at the second layer fails.
    shell: "[ {wildcards.layer} != 2 ] || [ {resources.mem_mb} != 100 ] && date +%s.%N > {output} && sleep 0.5 && date +%s.%N >> {output}"
rule join_checkpoint:
    input: expand("fits/{layer}", layer=range(3))
    output: "joined"
    resources: mem_mb=100, runtime=10
    shell: "touch {output}"
""")  # noqa: E501
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--workflow-profile", str(PROFILES["cluster-generic"].parent),
         "--latency-wait", "5", "--seconds-between-status-checks", "1"],
        cwd=tmp_path, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    first, second = (tmp_path / "submitted").read_text().splitlines()
    assert "-N GROUP" in first and "-pe smp 1 -l h_vmem=100M -l h_rt=0:40:0 -l gpu=1" in first
    assert "-l h_vmem=200M" in second
    fits = sorted([float(time) for time in (tmp_path / f"fits/{layer}").read_text().split()] for layer in range(3))
    assert fits[0][1] <= fits[1][0] and fits[1][1] <= fits[2][0], "fits ran side by side on one core"


# Says how many threads a job's libraries would have, and how many the tokenizers started.
THREADS = """
import json, psutil, types
from triphase.core.job import start
with start(snakemake, types.SimpleNamespace) as job:
    import pyarrow, torch
    from threadpoolctl import threadpool_info
    from tokenizers import Tokenizer, models
    tokenizer = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    before = psutil.Process().num_threads()
    tokenizer.encode_batch(["a"] * 1000)
    found = {pool["internal_api"]: pool["num_threads"] for pool in threadpool_info()}
    found |= {"torch": torch.get_num_threads(), "arrow": pyarrow.cpu_count()}
    found["tokenizers"] = psutil.Process().num_threads() - before
    json.dump(found, open(job.paths.found, "w"))
"""


def test_libraries_have_as_many_threads_as_the_rule(tmp_path):
    (tmp_path / "count.py").write_text(THREADS)
    (tmp_path / "Snakefile").write_text("""
config["execution"] = {}
rule count:
    output: found="found"
    log: "log"
    threads: 1
    params: settings={"code": ""}
    script: "count.py"
""")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", "--workflow-profile", str(PROFILES["default"].parent)],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    found = json.loads((tmp_path / "found").read_text())
    assert {"torch", "arrow", "tokenizers"} < set(found)
    assert set(found.values()) == {1}, found
