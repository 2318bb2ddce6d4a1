"""The lines that say how far a run is, against counts and times that are known; and in a real run of Snakemake."""

import re
import subprocess
import sys

import pytest
from project import ROOT
from snakemake_logger_plugin_triphase import study_of
from snakemake_logger_plugin_triphase.tally import STAGE_OF, TARGETS, Tally, in_words
from structure import RULES

SNAKEFILE = """
rule all:
    input: "results/s/b/1", "results/s/b/2"
rule fetch_stimuli:
    output: "results/s/a"
    shell: "touch {output}"
rule fit_encoding:
    input: "results/s/a"
    output: "results/s/b/{i}"
    shell: "%s"
"""


def test_every_rule_has_a_stage():
    text = "\n".join(path.read_text(encoding="utf-8") for path in RULES)
    rules = set(re.findall(r"^ *rule (\w+):", text, flags=re.M)) | set(re.findall(r"as (\w+) with:", text))
    assert rules - set(TARGETS) == set(STAGE_OF)


def test_jobs_are_counted_by_stage():
    tally = Tally({"fit_encoding": 4, "measure_states": 2, "all": 1, "total": 7}, began=0)
    for job, rule in enumerate(["fit_encoding", "fit_encoding", "measure_states"]):
        tally.start(job, rule, 0)
    tally.finish(0, 10)
    assert [(row.stage, row.done, row.total, row.running) for row in tally.rows()] == [
        ("encoding models", 1, 4, 1),
        ("internal states", 0, 2, 1),
    ]
    assert (tally.done, tally.total) == (1, 6)


def test_time_to_go_is_that_of_like_jobs_side_by_side():
    tally = Tally({"fit_encoding": 10}, began=0)
    for job in (0, 1):
        tally.start(job, "fit_encoding", 0)
        tally.finish(job, 30)
    # Two ran side by side for 30 s: eight more of 30 s are 120 s.
    assert tally.seconds_left(30) == pytest.approx(120)


def test_time_to_go_uses_records_of_rules_that_have_not_run_yet():
    tally = Tally({"fetch_stimuli": 1, "fit_encoding": 3}, began=0, records={"fit_encoding": 20})
    tally.start(0, "fetch_stimuli", 0)
    tally.finish(0, 5)
    assert tally.seconds_left(5) == pytest.approx(60)
    # Nobody knows how long most of what is left takes.
    tally.records = {}
    assert tally.seconds_left(5) is None


def test_a_job_that_is_tried_again_counts_once():
    tally = Tally({"fit_encoding": 1}, began=0)
    tally.start(0, "fit_encoding", 0)
    tally.start(0, "fit_encoding", 50)
    tally.finish(0, 60)
    assert tally.took == {"fit_encoding": [10]} and tally.done == tally.total


@pytest.mark.parametrize(
    ("seconds", "text"), [(40, "40 s"), (89, "89 s"), (90, "2 min"), (720, "12 min"), (12000, "3 h 20 min")]
)
def test_times_in_words(seconds, text):
    assert in_words(seconds) == text


def test_the_study_is_known_by_what_a_job_writes():
    assert study_of(["results/mine/encoding/m/c/1.zarr.zip"]) == "results/mine"
    assert study_of(["/data/results/mine/phases.json"]) == "/data/results/mine"
    assert study_of(["resources/models/x"]) is None


@pytest.mark.parametrize("command", ["touch {output}", "exit 3"])
def test_a_run_says_how_far_it_is_and_what_fails(tmp_path, command):
    (tmp_path / "Snakefile").write_text(SNAKEFILE % command)
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", "--logger", "triphase", "--workflow-profile", "none"],
        cwd=tmp_path, capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "workflow/scripts")},
    )  # fmt: skip
    if command == "exit 3":
        assert done.returncode and "Error in rule fit_encoding" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].startswith("3 of 3 jobs done in ")
    # All that Snakemake says is in its own log.
    (log,) = (tmp_path / ".snakemake/log").glob("*.log")
    assert "rule fit_encoding:" in log.read_text() and "rule fit_encoding:" not in done.stderr
