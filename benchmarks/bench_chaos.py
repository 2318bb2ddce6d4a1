"""What goes wrong on machines: damaged files, killed runs, full disks, file systems without locks, clocks that jump.

Prints one line per figure, writes `benchmarks/results/chaos.json`, and ends with status 1 when a figure falls short. By
itself, as `make bench-chaos`, it takes what is first in a seeded order and ends within 40 minutes; `full`, as `make
bench-chaos-full`, takes all, for hours, and is taken up where it was left. What each case came to is kept in
`benchmarks/results/chaos_cases.jsonl`; `fresh` forgets it. The smallest study is run once, in a folder of its own:
TRIPHASE_CHAOS, or `triphase-chaos` below the folder for temporary files.

A damage is right when a job that reads the file ends with the results that it had, or with an error that names the file
and what to do. A run that was disturbed is right when it ends, taken up again, with the results of one that was not.
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
DAMAGES, KILLS, KILLS_OF_A_RUN, DISKS = 500, 100, 10, 20
TINY = ["--configfile", "config/studies/tiny.yaml"]
CASES = RESULTS / "chaos_cases.jsonl"
FOLDER = Path(os.environ.get("TRIPHASE_CHAOS") or Path(tempfile.gettempdir(), "triphase-chaos"))
KINDS = ("cut", "zeroed", "flipped", "another study's")
NO_LOCKS = ("ENOLCK", "EOPNOTSUPP", "EBADF", "ENOSYS", "EINVAL")
# What a module `sitecustomize` does to every process of a run.
WITHOUT_FLOCK = """import errno, fcntl
def flock(*_):
    raise OSError(errno.{name}, "as a file system without locks says it")
fcntl.flock = flock
"""
JUMPING_CLOCK = """import random, time
told, jump = time.time, random.Random()
time.time = lambda: told() + jump.choice((0, 0, -7200, 7200))
"""


def main(wanted):
    """Run what is not known yet, for as long as there is time, and report what is known."""
    if not set(wanted) <= {"full", "fresh"}:
        sys.exit(f"{' '.join(wanted)}: the arguments are `full` and `fresh`")
    if "fresh" in wanted:
        CASES.unlink(missing_ok=True)
        shutil.rmtree(FOLDER, ignore_errors=True)
    begin, known = time.monotonic(), kept_cases()
    whole = finished_study()
    queue = [case for case in cases(whole) if case_name(case) not in known]
    with open(CASES, "a", encoding="utf-8") as file:
        for case in queue:
            if "full" not in wanted and time.monotonic() - begin > MINUTES * 60 - case.get("minutes", 0.5) * 60:
                continue
            found = {"case": case_name(case), "group": case["group"], **RUNS[case["group"]](case, whole)}
            known[found["case"]] = found
            file.write(json.dumps(found) + "\n")
            file.flush()
            print(found["group"], found["case"], found["outcome"], found.get("said", "")[-300:], flush=True)
    return report("chaos", figures(known), ["snakemake", "zarr", "pyarrow"], seed=SEED)


def kept_cases():
    """What cases came to in earlier runs, by name."""
    lines = CASES.read_text(encoding="utf-8").splitlines() if CASES.is_file() else []
    return {row["case"]: row for row in map(json.loads, lines)}


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
        *({"group": "kills", "number": n, "study": "embedded" if n % 5 == 4 else "tiny", "minutes": 12}
          for n in range(KILLS // KILLS_OF_A_RUN)),
        *({"group": "disk", "number": n, "minutes": 6} for n in range(DISKS)),
        *({"group": "locks", "number": n, "kind": name, "minutes": 6} for n, name in enumerate(NO_LOCKS)),
        {"group": "clock", "number": 0, "minutes": 6},
    ]  # fmt: skip
    # In a sample one run of each group comes first, then damages for the rest of the time.
    first = [next(case for case in others if case["group"] == group) for group in ("kills", "disk", "locks", "clock")]
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
    for name in (path, *job.outputs):
        (work / name).unlink(missing_ok=True)
        shutil.copy2(whole / name, work / name)
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


def unchanged(job, whole, work):
    """Whether a job's outputs are what they were."""
    from triphase.core.artefacts import read_json

    for name in job.outputs:
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
    """JSON without what says when or where it was made."""
    if isinstance(content, dict):
        return {
            key: without_dates(value)
            for key, value in content.items()
            if key not in ("date", "clone", "seconds", "url")
        }
    return [without_dates(value) for value in content] if isinstance(content, list) else content


# --- disturbed runs


def kills(case, whole):
    """Kill a run again and again, let it end, and compare."""
    chosen, project = random.Random(f"{SEED} kills {case['number']}"), new_project("kills")
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
    return ended(project, study, undisturbed, case["study"])


def embedded_study():
    """A project in which the embedded study has run."""
    folder = FOLDER / "embedded"
    if not (folder / "results/embedded/summary.md").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        done = Project(folder).snakemake()
        assert done.returncode == 0, done.stdout[-3000:]
    return folder


def disk(case, whole):
    """Let a run fill a small disk, give it more room, let it end, and compare; needs the right to mount."""
    chosen, folder = random.Random(f"{SEED} disk {case['number']}"), FOLDER / "disk"
    shutil.rmtree(folder, ignore_errors=True)
    project = Project(folder)
    results = folder / "results/tiny"
    results.mkdir(parents=True)
    used = sum(path.stat().st_size for path in (whole / "results/tiny").rglob("*") if path.is_file())
    size = int(used * (0.05 + 0.85 * chosen.random()))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", results], capture_output=True)
    if mounted.returncode:
        return {"outcome": "skipped", "said": "no disk can be mounted here"}
    try:
        status, said = run(project, TINY)
        told = status and ("the disk, the quota" in said or "No space left" in said) and "Traceback" not in said
        subprocess.run(["mount", "-o", "remount,size=2g", results], check=True)
        found = ended(project, TINY, whole, "tiny")
        return found if told or not status else found | {"outcome": "UNNAMED", "said": said[-1000:]}
    finally:
        subprocess.run(["umount", "-l", results], check=False)


def locks(case, whole):
    """A run on a file system on which `flock` fails."""
    project = new_project("locks")
    return ended(project, TINY, whole, "tiny", WITHOUT_FLOCK.format(name=case["kind"]))


def clock(case, whole):
    """A run whose clock goes two hours forth or back at any time."""
    return ended(new_project("clock"), TINY, whole, "tiny", JUMPING_CLOCK)


def new_project(name):
    """A copy of the project in which nothing has run."""
    shutil.rmtree(FOLDER / name, ignore_errors=True)
    return Project(FOLDER / name)


def start(project, study, custom=None):
    """Start a run in a process group of its own; `custom` is a module that each of its processes imports first."""
    environment = project.environment()
    if custom:
        (project.folder / "custom").mkdir(exist_ok=True)
        (project.folder / "custom/sitecustomize.py").write_text(custom)
        environment["PYTHONPATH"] += f"{os.pathsep}{project.folder / 'custom'}"
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *study]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=project.folder, env=environment, start_new_session=True, **streams)


def run(project, study, custom=None):
    """Exit status of a run, and what it says."""
    running = start(project, study, custom)
    said, _ = running.communicate()
    return running.returncode, said


def ended(project, study, undisturbed, name, custom=None):
    """Run to the end, and compare with the run that nobody disturbed."""
    status, said = run(project, study, custom)
    if status:
        return {"outcome": "FAILED", "said": said[-1000:]}
    different = differing_results(undisturbed / "results" / name, project.folder / "results" / name)
    return {"outcome": "DIFFERENT", "said": ", ".join(different)} if different else {"outcome": "equal"}


RUNS = {"damage": damage, "kills": kills, "disk": disk, "locks": locks, "clock": clock}
GOALS = {
    "damage": "damages: unchanged results, or an error with file and remedy",
    "kills": "kills: results equal to those of an undisturbed run",
    "disk": "disk: told when full, and equal with more room",
    "locks": "locks: results equal without flock",
    "clock": "clock: results equal with one that jumps",
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
