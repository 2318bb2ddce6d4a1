"""What goes wrong on machines: damaged files, killed runs, full disks, file systems without locks, clocks that jump.

Prints one line per figure, writes `benchmarks/results/chaos.json`, and ends with status 1 when a figure falls short. By
itself, as `make bench-chaos`, it takes what is first in a seeded order and ends within 40 minutes; `full`, as `make
bench-chaos-full`, takes all, for hours, and is taken up where it was left. What each case came to is kept in
`benchmarks/results/chaos_cases.jsonl`; `fresh` forgets it. The smallest study is run once, in a folder of its own:
TRIPHASE_CHAOS, or `triphase-chaos` below the folder for temporary files. Names of groups (damage, kills, disk, locks,
clock, cost, runs) take those alone, and a number behind a colon so many of one: `bench_chaos.py full locks disk:5`.

A damage is right when a job that reads the file ends with the results that it had, or with an error that names the file
and what to do. What was disturbed is right when it ends, taken up again, with the results of what was not. Jobs are run
alone, from the scripts that Snakemake wrote for them; `runs` are whole runs of Snakemake.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests/helpers")]
from chaos_jobs import captured_jobs, run_captured  # noqa: E402
from killed_runs import count_results, differing_results  # noqa: E402
from project import Project  # noqa: E402
from reporting import RESULTS, figure, report  # noqa: E402

SEED, MINUTES = 20, 40
DAMAGES, KILLS, DISKS, CHAINS, KILLS_OF_A_RUN = 500, 100, 20, 10, 10
PAGE = os.sysconf("SC_PAGE_SIZE")
MANY = 10_000
# Cases of a group that a sample takes, where that is more than one.
FIRST = {"kills": 10, "disk": 5}
TINY = ["--configfile", "config/studies/tiny.yaml"]
CASES = RESULTS / "chaos_cases.jsonl"
FOLDER = Path(os.environ.get("TRIPHASE_CHAOS") or Path(tempfile.gettempdir(), "triphase-chaos"))
KINDS = ("cut", "zeroed", "flipped", "another study's")
NO_LOCKS = ("ENOLCK", "EOPNOTSUPP", "EBADF", "ENOSYS", "EINVAL")
# What the process of a job runs first.
WITHOUT_FLOCK = """import errno, fcntl
def flock(*_):
    raise OSError(errno.{name}, "as a file system without locks says it")
fcntl.flock = flock
"""
JUMPING_CLOCK = """import random, time
told, jump = time.time, random.Random()
time.time = lambda: told() + jump.choice((0, 0, -7200, 7200))
"""

# Seconds of its thread that a job spends on seals and checksums, and those of the whole job without its imports.
TIMED = """import time, zlib
from multiprocessing.util import Finalize
from types import SimpleNamespace
import pyarrow.parquet
from triphase.core import artefacts, zipstore
spent, begin = [0.0], time.process_time()
def timed(function):
    def call(*arguments, **options):
        start = time.thread_time()
        try:
            return function(*arguments, **options)
        finally:
            spent[0] += time.thread_time() - start
    return call
for name in ("check_sealed", "check_place", "sealed"):
    setattr(artefacts, name, timed(getattr(artefacts, name)))
for name in ("open_zip", "zip_seal"):
    setattr(zipstore, name, timed(getattr(zipstore, name)))
zipstore.zlib = SimpleNamespace(crc32=timed(zlib.crc32))
pyarrow.parquet.read_metadata = timed(pyarrow.parquet.read_metadata)
Finalize(None, lambda: print("seconds", spent[0], time.process_time() - begin, flush=True), exitpriority=1)
"""
MOST_COST = 0.03


def main(wanted):
    """Run what is not known yet, for as long as there is time, and report what is known."""
    groups = {name: int(number or MANY) for name, _, number in (word.partition(":") for word in wanted)}
    if not set(groups) <= {"full", "fresh", *RUNS}:
        sys.exit(f"{' '.join(wanted)}: the arguments are `full`, `fresh` and {', '.join(RUNS)}")
    chosen = {name: number for name, number in groups.items() if name in RUNS} or dict.fromkeys(RUNS, MANY)
    if "fresh" in wanted:
        CASES.unlink(missing_ok=True)
        shutil.rmtree(FOLDER, ignore_errors=True)
    begin, whole = time.monotonic(), finished_study()
    every = {case_name(case): case for case in cases(whole)}
    known = kept_cases(every)
    # What was wrong is tried again.
    right = {name for name, row in known.items() if not row["outcome"].isupper()}
    queue = [case for name, case in every.items() if name not in right and case["group"] in chosen]
    with open(CASES, "a", encoding="utf-8") as file:
        for case in queue:
            if not chosen[case["group"]]:
                continue
            if "full" not in wanted and time.monotonic() - begin > MINUTES * 60 - case.get("minutes", 0.5) * 60:
                continue
            found = {"case": case_name(case), "group": case["group"], **RUNS[case["group"]](case, whole)}
            known[found["case"]] = found
            chosen[case["group"]] -= 1
            file.write(json.dumps(found) + "\n")
            file.flush()
            print(found["group"], found["case"], found["outcome"], found.get("said", "")[-300:], flush=True)
    return report("chaos", figures(known), ["snakemake", "zarr", "pyarrow"], seed=SEED)


def kept_cases(every):
    """What cases came to in earlier runs, by name; those of a study that had other files are forgotten."""
    lines = CASES.read_text(encoding="utf-8").splitlines() if CASES.is_file() else []
    kept = {row["case"]: row for row in map(json.loads, lines) if row["case"] in every}
    CASES.write_text("".join(f"{json.dumps(row)}\n" for row in kept.values()), encoding="utf-8")
    return kept


def case_name(case):
    """The same in every run with this seed."""
    return " ".join(str(case[key]) for key in ("group", "number", "kind", "file") if key in case)


def finished_study():
    """A project in which the smallest study has run, and beside it its jobs, captured, and a project to damage."""
    whole, captured, work = FOLDER / "whole", FOLDER / "captured", FOLDER / "work"
    if not captured.is_dir():
        shutil.rmtree(FOLDER, ignore_errors=True)
        done = Project(whole).snakemake(study="tiny")
        assert done.returncode == 0, done.stdout[-3000:]
        project = Project.copy_of(whole, work)
        program = [sys.executable, str(ROOT / "benchmarks/chaos_jobs.py"), str(captured), str(whole), *TINY]
        subprocess.run(program, cwd=work, env=project.environment(), check=True, stdout=subprocess.DEVNULL)
    return whole


def cases(whole):
    """All cases in a seeded order, in which the groups are mixed."""
    chosen = random.Random(SEED)
    read = {
        path: [job for job in captured_jobs(FOLDER / "captured") if path in job.inputs] for path in artefacts(whole)
    }
    files = sorted(path for path, jobs in read.items() if jobs)
    damages = []
    for number in range(DAMAGES):
        # Every kind of file as often as every other, however many there are of it.
        suffix = sorted({Path(path).suffix for path in files})[number % len({Path(path).suffix for path in files})]
        folder = chosen.choice(sorted({Path(path).parts[2] for path in files if path.endswith(suffix)}))
        file = chosen.choice([path for path in files if path.endswith(suffix) and Path(path).parts[2] == folder])
        kind = KINDS[number // 4 % len(KINDS)]
        damages.append({"group": "damage", "number": number, "kind": kind, "file": file})
    others = [
        *({"group": "kills", "number": n} for n in range(KILLS)),
        *({"group": "disk", "number": n} for n in range(DISKS)),
        *({"group": "locks", "number": n, "kind": name, "minutes": 4} for n, name in enumerate(NO_LOCKS)),
        {"group": "clock", "number": 0, "minutes": 4},
        {"group": "cost", "number": 0, "minutes": 2},
        *({"group": "runs", "number": n, "study": "embedded" if n % 5 == 4 else "tiny", "minutes": 12}
          for n in range(CHAINS)),
    ]  # fmt: skip
    # In a sample some of each group come first, then damages for the rest of the time.
    first = [case for case in others if case["number"] < FIRST.get(case["group"], 1)]
    return [*damages[:40], *first, *damages[40:], *(case for case in others if case not in first)]


def artefacts(whole):
    """Files of the study that jobs write, below the project's folder; its data set and weights are not Snakemake's."""
    results = whole / "results/tiny"
    paths = (
        path for path in results.rglob("*") if path.is_file() and path.suffix in (".json", ".parquet", ".zip", ".png")
    )
    return [
        str(path.relative_to(whole)) for path in paths if path.parts[len(results.parts)] not in ("logs", "benchmarks")
    ]


# --- damaged files


def damage(case, whole):
    """Damage a file, run a job that reads it, and judge; everything is put back afterwards."""
    chosen, work, path = random.Random(f"{SEED} {case['number']}"), FOLDER / "work", case["file"]
    content = (whole / path).read_bytes()
    (work / path).unlink(missing_ok=True)
    (work / path).write_bytes(damaged(content, case["kind"], path, chosen, whole))
    job = chosen.choice([job for job in captured_jobs(FOLDER / "captured") if path in job.inputs])
    for output in job.outputs:
        (work / output).unlink(missing_ok=True)
    status, said = run_captured(job, work, FOLDER / "said")
    if status == 0:
        outcome = "unchanged" if unchanged(job, whole, work) else "SILENT"
    elif "Traceback" in said:
        outcome = "TRACEBACK"
    else:
        outcome = "named" if f"{path}: damaged" in said and "delete it" in said else "UNNAMED"
    put_back(job, whole)
    (work / path).unlink(missing_ok=True)
    shutil.copy2(whole / path, work / path)
    return {"rule": job.rule, "outcome": outcome, "said": said[-1000:] if outcome.isupper() else ""}


def damaged(content, kind, path, chosen, whole):
    """Bytes of a file after an accident."""
    at = chosen.randrange(len(content))
    if kind == "cut":
        return content[:at]
    if kind == "zeroed":
        size = min(chosen.choice([512, 4096, len(content)]), len(content) - at)
        return content[:at] + bytes(size) + content[at + size :]
    if kind == "flipped":
        return content[:at] + bytes([content[at] ^ 1 << chosen.randrange(8)]) + content[at + 1 :]
    # Of the same kind of another study: written for another place.
    return another(whole, path)


def another(whole, path):
    """The file of the same rule and study, written for another study's folder."""
    from triphase.core import artefacts as files

    elsewhere = FOLDER / "another/results/other" / Path(*Path(path).parts[2:])
    elsewhere.parent.mkdir(parents=True, exist_ok=True)
    if path.endswith(".json"):
        files.write_json(elsewhere, files.read_json(whole / path))
    elif path.endswith(".parquet"):
        table = files.read_table(whole / path)
        files.write_table(elsewhere, table, **table.attrs)
    elif path.endswith(".zip"):
        files.write_arrays(elsewhere, files.read_arrays(whole / path))
    else:
        elsewhere.write_bytes((whole / path).read_bytes().replace(b"tiny", b"othe"))
    return elsewhere.read_bytes()


def unchanged(job, whole, work, names=None):
    """Whether a job's outputs, or some of them, are what they were."""
    from triphase.core.artefacts import read_json

    for name in job.outputs if names is None else names:
        if name.endswith((".parquet", ".zip")):
            one, other = (folder / "results/tiny" for folder in (whole, work))
            if differing_results(one, other, [Path(name).relative_to("results/tiny")]):
                return False
        elif name.endswith(".json"):
            one, other = (without_dates(read_json(folder / name)) for folder in (whole, work))
            # A clone is named by the address that it is of, which is where the project lies.
            if (
                len({re.sub(r"(embedded-)\w{8}|/[^\"]*(?=/results/)", "", json.dumps(text)) for text in (one, other)})
                > 1
            ):
                return False
        elif (whole / name).read_bytes() != (work / name).read_bytes():
            return False
    return True


def without_dates(content):
    """JSON without what says when or where it was made; listeners that are simulated again have another commit."""
    if isinstance(content, dict):
        return {
            key: without_dates(value)
            for key, value in content.items()
            if key not in ("date", "clone", "seconds", "url", "commit")
        }
    return [without_dates(value) for value in content] if isinstance(content, list) else content


# --- disturbed jobs, each as Snakemake runs it, and put back afterwards


def kills(case, whole):
    """Kill a job at any time of its course, let it run again, and compare."""
    chosen = random.Random(f"{SEED} kills {case['number']}")
    job = chosen.choice(captured_jobs(FOLDER / "captured"))
    begin = time.monotonic()
    remove_outputs(job)
    status, said = run_captured(job, FOLDER / "work", FOLDER / "said")
    took = time.monotonic() - begin
    assert status == 0, said[-3000:]
    remove_outputs(job)
    status, _ = run_captured(job, FOLDER / "work", FOLDER / "said", seconds=took * chosen.random())
    # What is there after a kill is whole: Snakemake, too, removes what a killed job has written, and runs it again.
    whole_ones = [name for name in job.outputs if (FOLDER / "work" / name).exists()]
    broken = not unchanged(job, whole, FOLDER / "work", whole_ones)
    remove_outputs(job)
    found = again(job, whole)
    return found | {"outcome": "BROKEN"} if broken else found | {"killed": status != 0}


def disk(case, whole):
    """Let a job fill a small disk, give it more room, run it again, and compare; needs the right to mount."""
    chosen, work = random.Random(f"{SEED} disk {case['number']}"), FOLDER / "work"
    job = chosen.choice([job for job in captured_jobs(FOLDER / "captured") if job.outputs])
    folder = work / Path(chosen.choice(job.outputs)).parent
    written = sum(pages(work / name) for name in job.outputs if (work / name).parent == folder)
    remove_outputs(job)
    aside = FOLDER / "aside"
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(folder, aside, symlinks=True)
    room = sum(pages(path) for path in aside.rglob("*")) + int(written * chosen.random())
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={max(room, 1) * PAGE}", "tmpfs", folder], capture_output=True
    )
    if mounted.returncode:
        put_back(job, whole)
        return {"outcome": "skipped", "said": "no disk can be mounted here"}
    try:
        shutil.copytree(aside, folder, symlinks=True, dirs_exist_ok=True)
        status, said = run_captured(job, work, FOLDER / "said")
        told = status and "make room and run again" in said and "Traceback" not in said
        left = [path.name for path in folder.rglob(".*.part*")]
        subprocess.run(["mount", "-o", "remount,size=2g", folder], check=True)
        found = again(job, whole, back=False)
    finally:
        subprocess.run(["umount", "-l", folder], check=False)
        put_back(job, whole)
    if left:
        return found | {"outcome": "LEFT", "said": ", ".join(left)}
    if status and not told:
        return found | {"outcome": "UNNAMED", "said": said[-1000:]}
    return found | {"full": bool(status)}


def locks(case, whole):
    """All jobs of the study, where `flock` fails."""
    return all_jobs(whole, WITHOUT_FLOCK.format(name=case["kind"]))


def clock(case, whole):
    """All jobs of the study, while the clock goes two hours forth or back at any time."""
    return all_jobs(whole, JUMPING_CLOCK)


def cost(case, whole):
    """What verification takes of one job of every rule, in seconds of the processor."""
    spent, total = 0.0, 0.0
    for job in {job.rule: job for job in captured_jobs(FOLDER / "captured")}.values():
        remove_outputs(job)
        status, said = run_captured(job, FOLDER / "work", FOLDER / "said", custom=TIMED)
        put_back(job, whole)
        if status:
            return {"rule": job.rule, "outcome": "FAILED", "said": said[-1000:]}
        own, whole_job = map(float, said.split("seconds ")[-1].split()[:2])
        spent, total = spent + own, total + whole_job
    share = spent / total
    return {"outcome": "cheap" if share <= MOST_COST else "DEAR", "share": round(share, 5), "seconds": round(total, 1)}


def all_jobs(whole, custom):
    """Run all jobs of the study in a project in which nothing has run, and compare."""
    project = unrun_copy(whole)
    for job in captured_jobs(FOLDER / "captured"):
        for name in job.outputs:
            (project.folder / name).parent.mkdir(parents=True, exist_ok=True)
        status, said = run_captured(job, project.folder, FOLDER / "said", custom=custom)
        if status:
            return {"rule": job.rule, "outcome": "FAILED", "said": said[-1000:]}
    return compared(project, whole, "tiny")


def unrun_copy(whole):
    """The project that the captured jobs are of, in which nothing has run."""
    made = {whole / name for name in ("results", ".snakemake", "resources/datasets", "resources/models")}
    project = Project.__new__(Project)
    project.folder = FOLDER / "jobs"
    shutil.rmtree(project.folder, ignore_errors=True)
    shutil.copytree(whole, project.folder, ignore=lambda at, names: [name for name in names if Path(at, name) in made])
    return project


def again(job, whole, *, back=True):
    """Run a job undisturbed, compare, and put its outputs back."""
    status, said = run_captured(job, FOLDER / "work", FOLDER / "said")
    equal = status == 0 and unchanged(job, whole, FOLDER / "work")
    if back:
        put_back(job, whole)
    outcome = "equal" if equal else "DIFFERENT" if status == 0 else "FAILED"
    return {"rule": job.rule, "outcome": outcome, "said": "" if equal else said[-1000:]}


def remove_outputs(job):
    """As Snakemake does before a job."""
    for name in job.outputs:
        (FOLDER / "work" / name).unlink(missing_ok=True)


def put_back(job, whole):
    """The outputs of a job as they were."""
    remove_outputs(job)
    for name in job.outputs:
        shutil.copy2(whole / name, FOLDER / "work" / name)


def pages(path):
    """Pages of memory that a file, or a folder, takes on a small disk."""
    return -(-path.stat().st_size // PAGE) if path.is_file() else 0


# --- disturbed runs


def runs(case, whole):
    """Kill a run again and again, let it end, and compare."""
    chosen, project = random.Random(f"{SEED} runs {case['number']}"), new_project("runs")
    study = [] if case["study"] == "embedded" else TINY
    undisturbed = whole if study else embedded_study()
    total = count_results(undisturbed, case["study"])
    for number in range(KILLS_OF_A_RUN):
        aim, waited = total * (number + chosen.random()) / KILLS_OF_A_RUN, time.monotonic()
        running = start(project, study)
        while running.poll() is None and count_results(project.folder, case["study"]) < aim:
            time.sleep(0.2)
            if time.monotonic() - waited > 1800:
                break
        time.sleep(2 * chosen.random())
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        run(project, [*study, "--unlock"])
    status, said = run(project, study)
    return compared(project, undisturbed, case["study"]) if status == 0 else {"outcome": "FAILED", "said": said[-1000:]}


def embedded_study():
    """A project in which the embedded study has run."""
    folder = FOLDER / "embedded"
    if not (folder / "results/embedded/summary.md").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        done = Project(folder).snakemake()
        assert done.returncode == 0, done.stdout[-3000:]
    return folder


def new_project(name):
    """A copy of the project in which nothing has run."""
    shutil.rmtree(FOLDER / name, ignore_errors=True)
    return Project(FOLDER / name)


def start(project, study):
    """Start a run in a process group of its own."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *study]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=project.folder, env=project.environment(), start_new_session=True, **streams)


def run(project, study):
    """Exit status of a run, and what it says."""
    running = start(project, study)
    said, _ = running.communicate()
    return running.returncode, said


def compared(project, undisturbed, name):
    """Whether the results are those of a run that nobody disturbed."""
    different = differing_results(undisturbed / "results" / name, project.folder / "results" / name)
    return {"outcome": "DIFFERENT", "said": ", ".join(different)} if different else {"outcome": "equal"}


RUNS = {"damage": damage, "kills": kills, "disk": disk, "locks": locks, "clock": clock, "cost": cost, "runs": runs}
GOALS = {
    "damage": "damages: unchanged results, or an error with file and remedy",
    "kills": "kills of a job: what is there is whole, and the next run is as if nothing had been",
    "disk": "disk: told when full, and equal with more room",
    "locks": "locks: results equal without flock",
    "clock": "clock: results equal with one that jumps",
    "cost": "verification: at most 3 % of the processor's time of one job of every rule",
    "runs": "runs killed ten times each: results equal to those of an undisturbed one",
}


def figures(known):
    """One figure a group: how many cases of it are right, of those that were tried."""
    rows = []
    for group, what in GOALS.items():
        tried = [case for case in known.values() if case["group"] == group and case["outcome"] != "skipped"]
        wrong = [case for case in tried if case["outcome"].isupper()]
        value = f"{len(tried) - len(wrong)} of {len(tried)}"
        outcomes = {
            name: sum(case["outcome"] == name for case in tried) for name in {case["outcome"] for case in tried}
        }
        rows.append(figure(what, value, "all", not wrong if tried else None, outcomes=outcomes, wrong=wrong))
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
