"""What jobs took: Snakemake's `benchmark:` records of a study; and how many there are, by its dry run.

Snakemake imports this at every start, so nothing heavy is imported here.
"""

import csv
import logging
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from triphase.core.artefacts import read_json
from triphase.core.errors import InputError, one_line
from triphase.core.seals import DamagedError

log = logging.getLogger(__name__)

# Jobs that run a checkpoint, so that what they take goes with its parameters and tokens.
MODEL_RULES = ("extract_activations", "evaluate_tasks", "measure_mechanism", "measure_reading")
# Studies whose sizes differ by more than this factor tell each other nothing about time.
COMPARABLE = 10
# Set in a dry run that counts a plan's jobs, which needs no data of tasks yet.
COUNTING = "TRIPHASE_COUNTING"


def study_jobs(workflow: Any, *more: str) -> dict[str, int]:
    """Jobs of a study by rule, from a dry run of its own with the same config: dict, without targets that run nothing.

    Parameters
    ----------
    workflow : Snakemake's workflow
    more : arguments of the dry run

    Raises
    ------
    InputError : the dry run fails; with the end of what it says
    """
    files, given = workflow.overwrite_configfiles, workflow.config_settings.config_args
    arguments = ["--snakefile", workflow.main_snakefile, *more]
    arguments += ["--configfile", *map(str, files)] if files else []
    arguments += ["--config", *given] if given else []
    return _count_jobs(*arguments)


@cache
def _count_jobs(*arguments):
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules", "--cores", "1", *arguments]
    environment = os.environ | {COUNTING: "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    if done.returncode:
        raise InputError(f"plan: the dry run of the study fails: {done.stdout.strip()[-500:]}")
    rows = re.findall(r"^(\w+) +(\d+)$", done.stdout.split("Job stats:")[-1], flags=re.M)
    return {rule: int(n) for rule, n in rows if rule not in ("total", "all")}


def measured_seconds(study: str | Path) -> dict[str, float]:
    """Mean seconds of each rule's jobs by the records below `study`/benchmarks: dict."""
    folder = Path(study) / "benchmarks"
    seconds: dict[str, list[float]] = {}
    for path in sorted(folder.rglob("*.tsv")):
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        try:
            with open(path, encoding="utf-8", newline="") as file:
                taken = [float(row["s"]) for row in csv.DictReader(file, delimiter="\t")]
        except (KeyError, TypeError, ValueError, csv.Error) as error:
            raise DamagedError(path, f"no record of a job's seconds ({one_line(error)})") from None
        seconds.setdefault(rule, []).extend(taken)
    return {rule: sum(values) / len(values) for rule, values in seconds.items() if values}


def other_studies(study: str | Path, size: dict[str, float]) -> dict[str, float]:
    """Measured seconds by rule of other studies beside this one's folder that are of its size, the latest first.

    Jobs that run a checkpoint have what they took as a share of that study's rule of thumb, so that the model's size
    and the tokens of the study to come still count. A study without a plan, or one whose `size` (parameters of its
    largest model, words heard) is more than `COMPARABLE` times larger or smaller, says nothing of this one: a job on a
    small stand-in is all start. What cannot be read of another study is passed over with a line.
    """
    plans = [path for path in Path(study).parent.glob("*/plan.json") if path.parent != Path(study)]
    found: dict[str, float] = {}
    for path in sorted(plans, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            plan = read_json(path)
            if not _comparable(plan.get("size", {}), size):
                continue
            thumbs = {row["rule"]: row["thumb"] for row in plan["rules"]}
            measured = measured_seconds(path.parent)
        except (InputError, OSError, KeyError, TypeError, AttributeError) as error:
            log.warning("plan: nothing is taken from the study %s: %s", path.parent.name, one_line(error))
            continue
        for rule, seconds in measured.items():
            if thumbs.get(rule):
                found.setdefault(rule, seconds / thumbs[rule] if rule in MODEL_RULES else seconds)
    return found


def _comparable(one, other):
    """Whether two studies are alike in each of the second one's sizes."""
    return all(
        one.get(name) and value and max(one[name] / value, value / one[name]) <= COMPARABLE
        for name, value in other.items()
    )
