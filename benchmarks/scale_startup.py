"""Start-up of every kind of job beside the bare import of the same libraries.

`startup_figures()` gives the figures of this part to `bench_scale.py`. A job is a process that does what Snakemake
writes before a script, runs the script's own lines and opens its log, up to the first line of `main`. The bare import
is a process that does the first of these and then imports the packages that the script did, in the same order, and
nothing of the workflow. The two take turns, each three times after one round that does not count; the time is that from
the start of the process to its end, which both reach by `os._exit`. Takes about three minutes.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "workflow/scripts"
ROUNDS = 3
GOAL = 1.25

# What Snakemake writes before a script, without the objects of the job: see `PythonScript.generate_preamble`.
PREAMBLE = (
    "import os, sys, pickle\nfrom snakemake.logging import logger\nfrom snakemake.iocontainers import Snakemake\n"
)
# A job up to the first line of main: the guarded block of a script opens the log, and calls main.
JOB = (
    PREAMBLE
    + """
from types import SimpleNamespace
sys.path.append({scripts!r})
{before}
exec(compile(open({script!r}).read(), {script!r}, "exec"), {{"__name__": "job"}})
from triphase.core.job import start
named = dict(input={{}}, output={{}}, params=SimpleNamespace(settings={{}}), config={{"execution": {{}}}})
with start(SimpleNamespace(log=[{log!r}], threads=1, wildcards={{}}, resources={{}}, **named), dict):
    {after}
    os._exit(0)
"""
)
# Notes every package that a file of the workflow imports, with the module that was asked for.
NOTE = """
import builtins
asked, plain = {}, builtins.__import__
def noting(name, globals=None, locals=None, fromlist=(), level=0):
    module = plain(name, globals, locals, fromlist, level)
    by = globals or {}
    mine = by.get("__name__") == "job" or str(by.get("__file__", "")).startswith(SCRIPTS)
    if mine and not level and name.partition(".")[0] not in {*sys.stdlib_module_names, "triphase", "snakemake"}:
        modules = [f"{name}.{part}" for part in fromlist or ()]
        asked.update(dict.fromkeys([name, *(each for each in modules if each in sys.modules)]))
    return module
builtins.__import__ = noting
"""


def startup_figures():
    """Figures of the start-up: list of `reporting.figure`.

    Returns
    -------
    list of dict
        `start-up: slowest kind of job, times the bare import` (goal: at most 1.25), with every kind of job in the
        details, and `start-up: jobs of the embedded study in all, s` (no goal), beside its wall time as
        `results/studies.json` has it.
    """
    from reporting import figure

    jobs = embedded_jobs()
    with tempfile.TemporaryDirectory() as folder:
        rows = {path.stem: beside_imports(path, Path(folder)) for path in sorted(SCRIPTS.glob("*.py"))}
    slowest = max(rows, key=lambda name: rows[name]["ratio"])
    in_all = sum(rows[name]["seconds"] * count for name, count in jobs.items())
    wall = recorded_wall()
    return [
        figure(
            "start-up: slowest kind of job, times the bare import",
            round(rows[slowest]["ratio"], 2),
            f"<= {GOAL} ({slowest}, {rows[slowest]['seconds']:.2f} s)",
            rows[slowest]["ratio"] <= GOAL,
            kinds=rows,
        ),
        figure(
            "start-up: jobs of the embedded study in all, s",
            round(in_all, 1),
            f"none; {sum(jobs.values())} jobs, {wall:.0f} s from beginning to end on two cores",
            True,
            jobs=jobs,
        ),
    ]


def beside_imports(script, folder):
    """One kind of job and the bare import: seconds and cores' seconds of both, median of their ratios.

    Returns
    -------
    dict : seconds, bare_seconds, cpu_seconds, bare_cpu_seconds (medians), ratio (median of paired ratios), packages
    """
    whole = {"scripts": str(SCRIPTS), "script": str(script), "log": str(folder / "log")}
    noted = folder / "noted"
    after = f"open({str(noted)!r}, 'w').write('\\n'.join(asked))"
    run(folder, JOB.format(**whole, before=NOTE.replace("SCRIPTS", repr(str(SCRIPTS))), after=after))
    packages = noted.read_text().splitlines()
    job = JOB.format(**whole, before="", after="pass")
    bare = PREAMBLE + "".join(f"import {name}\n" for name in packages) + "os._exit(0)\n"
    run(folder, bare)
    pairs = [(run(folder, job), run(folder, bare)) for _ in range(ROUNDS)]
    names = ("seconds", "cpu_seconds")
    medians = {
        f"{prefix}{name}": round(statistics.median(pair[side][place] for pair in pairs), 3)
        for side, prefix in enumerate(("", "bare_"))
        for place, name in enumerate(names)
    }
    ratio = statistics.median(own[0] / imports[0] for own, imports in pairs)
    return {**medians, "ratio": round(ratio, 3), "packages": packages}


def run(folder, text):
    """Run a program in a process of its own: seconds, and seconds of a core."""
    program = folder / "program.py"
    program.write_text(text)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    begin = time.perf_counter()
    child = subprocess.Popen([sys.executable, str(program)], cwd=folder, env=environment)
    _, status, usage = os.wait4(child.pid, 0)
    taken = time.perf_counter() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{program} ended with status {child.returncode}:\n{text}")
    return taken, usage.ru_utime + usage.ru_stime


def embedded_jobs():
    """Jobs of the embedded study by rule: dict of name to number."""
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules", "--forceall", "--nolock", "--cores", "2"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    rows = re.findall(r"^(\w+) +(\d+)$", done.stdout.split("Job stats:")[1], flags=re.M)
    return {rule: int(count) for rule, count in rows if (SCRIPTS / f"{rule}.py").is_file()}


def recorded_wall():
    """Wall time of the embedded study when the studies were measured last, seconds."""
    figures = json.loads((ROOT / "benchmarks/results/studies.json").read_text())["figures"]
    return next(row["value"] for row in figures if row["figure"] == "embedded: wall time, s")


if __name__ == "__main__":
    for row in startup_figures():
        print(f"{row['figure']}: {row['value']} (goal {row['goal']})")
        for name, kind in sorted(row.get("kinds", {}).items(), key=lambda item: -item[1]["ratio"]):
            print(f"  {name}: {kind['ratio']}; {kind['seconds']} beside {kind['bare_seconds']} s, {kind['packages']}")
