"""What jobs took: Snakemake's `benchmark:` records of a study; and how many there are, by its dry run.

Snakemake imports this at every start, so nothing heavy is imported here.
"""

import csv
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from triphase.core.artefacts import read_json
from triphase.core.errors import InputError, one_line
from triphase.core.seals import DamagedError

# Jobs that run a checkpoint, so that what they take goes with its parameters and tokens.
MODEL_RULES = ("extract_activations", "evaluate_tasks", "measure_mechanism", "measure_reading")


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
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
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


def other_studies(study: str | Path) -> dict[str, float]:
    """Measured seconds by rule of the other studies beside this one's folder that were planned, the latest first.

    Jobs that run a checkpoint have what they took as a share of that study's rule of thumb, so that the model's size
    and the tokens of the study to come still count.
    """
    plans = [path for path in Path(study).parent.glob("*/plan.json") if path.parent != Path(study)]
    found: dict[str, float] = {}
    for path in sorted(plans, key=lambda path: path.stat().st_mtime, reverse=True):
        rows = {row["rule"]: row for row in read_json(path)["rules"]}
        for rule, seconds in measured_seconds(path.parent).items():
            if rule in rows:
                found.setdefault(rule, seconds / rows[rule]["thumb"] if rule in MODEL_RULES else seconds)
    return found
