"""Which files a study's config is made of: the defaults and its own files, in the first process and in a job's."""

import json
import subprocess
import sys

import pytest
import yaml
from project import ROOT, Project

# A rule whose job writes down the config that it sees.
SHOW = """

rule show_config:
    output: "shown.json"
    script: "show_config.py"
"""
SCRIPT = "import json\njson.dump(snakemake.config, open(snakemake.output[0], 'w'))\n"
LEAST = """study: mine
dataset: {name: ds003020, subjects: [UTS01]}
models:
  - {name: p, family: pythia, size: 160m, checkpoints: {log_spaced: 12}}
phases: {headline: {roi: all}}
"""
MORE = "encoding: {components: 7}\nexecution: {retries: 5, transfers: 1}\nseed: 3\n"
LOCAL = ("--cores", "1")
# Each job is a step of its own that a scheduler would start: Snakemake anew, with the options that the first hands on.
CLUSTER = ("--executor", "cluster-generic", "--cluster-generic-submit-cmd", "sh", "--jobs", "1", "--latency-wait", "5")
EMBEDDED = yaml.safe_load((ROOT / "config/config.yaml").read_text())


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Function of Snakemake's arguments to the config that a job saw."""
    project = Project(tmp_path_factory.mktemp("configfiles"))
    with open(project.folder / "Snakefile", "a") as file:
        file.write(SHOW)
    (project.folder / "show_config.py").write_text(SCRIPT)
    for name, text in {"least.yaml": LEAST, "more.yaml": MORE}.items():
        (project.folder / name).write_text(text)
    (project.folder / "machine").mkdir()
    (project.folder / "machine/profile.yaml").write_text(
        "config: {execution: {device: cuda, disk_gb: null}, seed: 9}\n"
    )

    def show(*arguments, **options):
        (project.folder / "shown.json").unlink(missing_ok=True)
        done = project.snakemake("shown.json", *arguments, **options)
        assert done.returncode == 0, done.stdout
        return json.loads((project.folder / "shown.json").read_text())

    return show


def test_without_a_file_the_embedded_study_runs(shown):
    config = shown(*CLUSTER)
    assert config["study"] == "embedded" and config["activations"]["context"]["max"] == 48
    assert [model["name"] for model in config["models"]] == [model["name"] for model in EMBEDDED["models"]]


@pytest.mark.parametrize("where", [LOCAL, CLUSTER], ids=["here", "job step"])
def test_files_lie_on_the_defaults_alone_and_over_each_other(shown, where):
    given = (
        "--configfile",
        "least.yaml",
        "more.yaml",
        "--config",
        "study=other",
        "execution={retries: 0, solver: lowrank}",
    )
    config = shown(*where, *given)
    assert config["study"] == "other" and config["seed"] == 3 and config["encoding"]["components"] == 7
    assert config["execution"] | {"device": ""} == {
        "device": "", "activation_batch": "auto", "task_batch": 64, "solver": "lowrank", "transfers": 1, "retries": 0,
        "keep_raw": True, "disk_gb": None, "fsync": True,
    }  # fmt: skip
    assert config["tasks"]["evaluations"] == [] == config["states"]["probes"]["concepts"]
    assert config["encoding"]["lexical"] == {"dimensions": 1000, "components": 50}
    del config["dataset"]
    assert not [name for name in ("embedded", "triphase/") if name in json.dumps(config)]


def test_a_profile_says_where_jobs_run(shown):
    config = shown(*CLUSTER, "--profile", "machine", "--configfile", "least.yaml")
    assert config["execution"]["device"] == "cuda" and config["execution"]["disk_gb"] is None and config["seed"] == 9


def test_the_least_overlay_is_planned_offline_without_tasks(project):
    (project.folder / "least.yaml").write_text(LEAST)
    plan = project.planned(
        "--configfile", "least.yaml", env={"http_proxy": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "1"}
    )
    assert plan["fit_encoding"] == 12 * 4 and plan["extract_activations"] == 12
    assert not {"evaluate_tasks", "train_model", "simulate_dataset"} & set(plan)


def test_mistakes_of_files_and_command_line_are_told_together(project):
    (project.folder / "wrong.yaml").write_text(LEAST + "encoding:\n  delay: [2]\n  gap_seconds: -1\n")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--configfile", "wrong.yaml", "--config", "seed=-4"],
        cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode != 0 and "Traceback" not in done.stdout
    told = done.stdout[done.stdout.index("config: 3 mistakes") :].splitlines()
    assert told[1].startswith("wrong.yaml, line 7: encoding/delay: no such key (here [2]); did you mean delays?")
    assert told[2].startswith("wrong.yaml, line 8: encoding/gap_seconds: -1 must be a number >= 0 and <= 3600")
    assert told[3] == "--config: seed: -4 must be an integer >= 0 and <= 4294967295 (what random generators take)"
