"""The paper's studies in both languages and their synthesis, end to end at small size: `make rehearsal`.

The studies' own files are run, with an overlay that names stand-ins (see `rehearsal_inputs`) and fewer checkpoints,
people, runs and draws; nothing else of them is changed. Results go to `results/rehearsal_triple_en`,
`results/rehearsal_triple_ja` and `results/syntheses/rehearsal_triple`, never to the real studies' folders; clones,
weights and locks stay in a folder that is deleted. What fails only at scale is found by arithmetic: a table shows jobs,
files, memory and hours of the real studies beside what was measured here. Prints one line per figure, writes
`results/rehearsal.json`, and ends with status 1 when a figure falls short.
"""

import csv
import os
import re
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import yaml
from rehearsal_inputs import LLM_JP, RUNS, SUBJECTS, TOKENS, hub, write_dataset, write_local_data

ROOT = Path(__file__).resolve().parents[1]
from project import TEST_DATA, Project, run_program  # noqa: E402
from reporting import figure, report  # noqa: E402

from triphase.core.artefacts import read_json  # noqa: E402

STUDIES = ["triple_en", "triple_ja"]
SYNTHESIS = "rehearsal_triple"
LIBRARIES = ["snakemake", "torch", "transformers", "himalaya", "lm_eval", "datalad"]
MINUTES = 15
PAGE = ROOT / "benchmarks/rehearsal.md"
INTRODUCTION = [
    "# The paper's studies beside their rehearsal",
    "",
    "What `snakemake plan` and a dry run say of the real studies, without any measurement on a GPU, and what the same",
    "rules took in `make rehearsal` on small stand-ins. A job's memory is what it asks its scheduler for.",
    "",
]
# Warnings that belong here, each with its cause; a pattern stands for the end of a line.
EXPLAINED = {
    r"WARNING [\w.]+: Custom kwargs can be passed to `--metadata` in console .*": "the harness, of every task it loads",
    r"WARNING `pretrained` model kwarg is not of type `str`\. .*": "the harness is handed a model that is loaded",
    r"WARNING \d+ % of voxels chose the smallest penalty 1e-10: .*": "it shrinks nothing: there is nothing below",
    r"WARNING Passed an already-initialized model through `pretrained`, .*": "the same",
}


def small(study, folder):
    """Overlay of a study: stand-ins in place of what is fetched, and less of everything."""
    own = yaml.safe_load((ROOT / f"config/studies/{study}.yaml").read_text(encoding="utf-8"))
    models = [model | {"checkpoints": {"tokens": TOKENS}} for model in own["models"]]
    if study == "triple_ja":
        models.append({
            "name": "llm-jp-3-7.2b", "family": "llm-jp-3", "checkpoints": {"tokens": TOKENS},
            "local_folder": str(folder / "brought" / LLM_JP["folder"] / "iter_{step}"),
            "tokens_per_step": LLM_JP["tokens_per_step"],
        })  # fmt: skip
    return {
        "study": f"rehearsal_{study}",
        "local_data": str(folder / "brought"),
        "dataset": {"subjects": SUBJECTS, "runs": RUNS, "overrides": {"url": str(folder / "data")}},
        "models": models,
        "encoding": {"permutations": 99, "boot_draws": 99},
        "phases": {"draws": 100},
    }


def rehearse(project, environment):
    """Run both studies and their synthesis; seconds and what was printed, by step."""
    said = {}
    for study in STUDIES:
        config = {"study": study, "overlay": small(study, project.folder), "env": environment}
        for step in ("lock_checkpoints", "plan", "fetch_tasks", "all"):
            said[study, step] = seen(project, step, **config)
    joined = yaml.safe_load((ROOT / "config/syntheses/triple.yaml").read_text(encoding="utf-8"))
    joined |= {"synthesis": SYNTHESIS, "studies": [f"results/rehearsal_{study}" for study in STUDIES]}
    (project.folder / "synthesis.yaml").write_text(yaml.safe_dump(joined), encoding="utf-8")
    arguments = ["--cores", "2", "synthesis", "--configfile", "synthesis.yaml"]
    begin = time.monotonic()
    done = run_program(arguments, project.folder, project.environment() | environment)
    said["synthesis", "synthesis"] = checked("synthesis", done), time.monotonic() - begin
    return {step: (text, round(seconds)) for step, (text, seconds) in said.items()}


def seen(project, step, **config):
    """What one command prints, and its seconds; ends the program where it fails."""
    begin = time.monotonic()
    text = checked(f"{config['study']}: {step}", project.snakemake(step, run=run_program, **config))
    seconds = time.monotonic() - begin
    print(f"{config['study']}: {step}: {seconds:.0f} s", flush=True)
    return text, seconds


def checked(what, done):
    """What a finished command printed; ends the program where it failed."""
    if done.returncode:
        sys.exit(f"{what} fails:\n{done.stdout[-6000:]}")
    return done.stdout


def warnings(text):
    """Lines of an output that warn."""
    return [line.strip() for line in text.splitlines() if re.search(r"\bwarn", line, flags=re.I)]


def unexplained(said, project):
    """Warnings of commands and of the jobs' logs that no cause is given for."""
    lines = [line for text, _ in said.values() for line in warnings(text)]
    for path in sorted((project.folder / "results").rglob("logs/**/*.log")):
        lines += warnings(path.read_text(encoding="utf-8"))
    return sorted({line for line in lines if not any(re.search(f"{pattern}$", line) for pattern in EXPLAINED)})


def planned(project, study, overlay, environment):
    """By rule of a whole study: jobs, output files, and the largest memory asked for (MB), from a dry run."""
    done = project.snakemake("-n", "--forceall", study=study, overlay=overlay, env=environment, run=run_program)
    found = defaultdict(lambda: {"jobs": 0, "files": 0, "memory": 0})
    _, *parts = re.split(r"^(?:local)?rule (\w+):$", checked(f"dry run of {study}", done), flags=re.M)
    for rule, block in zip(parts[::2], parts[1::2], strict=True):
        outputs = re.search(r"^ +output: (.+)$", block, flags=re.M)
        memory = re.search(r"mem_mb=(\d+)", block)
        row = found[rule]
        row["jobs"] += 1
        row["files"] += len(outputs[1].split(", ")) if outputs else 0
        row["memory"] = max(row["memory"], int(memory[1]) if memory else 0)
    return {rule: row for rule, row in found.items() if rule != "all"}


def records(results):
    """By rule of a finished study: jobs, mean seconds, and the largest memory used (MB)."""
    found = defaultdict(lambda: {"jobs": 0, "seconds": 0.0, "memory": 0.0})
    for path in sorted((results / "benchmarks").rglob("*.tsv")):
        row = found[path.relative_to(results / "benchmarks").parts[0].removesuffix(".tsv")]
        with open(path, encoding="utf-8", newline="") as file:
            for entry in csv.DictReader(file, delimiter="\t"):
                row["jobs"] += 1
                row["seconds"] += float(entry["s"])
                row["memory"] = max(row["memory"], 0 if entry["max_rss"] in ("NA", "-") else float(entry["max_rss"]))
    return {rule: row | {"seconds": row["seconds"] / row["jobs"]} for rule, row in found.items()}


def whole_studies(project, environment):
    """Of each real study, by rule: what a dry run and its plan say; None where the data set's tree is not here."""
    tree = TEST_DATA.resolve() / "openneuro/ds005531.bundle"
    if not tree.is_file():
        return None
    found = {}
    for study in STUDIES:
        overlay = {"local_data": str(project.folder / "brought"), "dataset": {"overrides": {"url": str(tree)}}}
        seen(project, "plan", study=study, overlay=overlay, env=environment)
        plan = read_json(project.folder / f"results/{study}/plan.json")
        rows = planned(project, study, overlay, environment)
        hours = {row["rule"]: row["planned"] * row["jobs"] / 3600 for row in plan["rules"]}
        found[study] = {rule: row | {"hours": hours.get(rule)} for rule, row in rows.items()}, plan
    return found


def table(whole, project):
    """The real studies beside the rehearsal, by rule, as lines of Markdown."""
    heads = ["rule", "jobs", "files", "GB a job may use", "hours", "here: jobs", "s a job", "GB at most"]
    lines = [heads, ["---"] * len(heads)]
    for study in STUDIES:
        here, rows = records(project.folder / f"results/rehearsal_{study}"), whole[study][0]
        for rule in [*rows, *(set(here) - set(rows))]:
            cells = [f"{study}: {rule}"]
            if row := rows.get(rule):
                hours = "" if row["hours"] is None else f"{row['hours']:.1f}"
                cells += [row["jobs"], row["files"], f"{row['memory'] / 1e3:.1f}", hours]
            else:
                cells += [""] * 4
            if row := here.get(rule):
                cells += [row["jobs"], f"{row['seconds']:.1f}", f"{row['memory'] / 1e3:.2f}"]
            else:
                cells += [""] * 3
            lines.append(cells)
    return [f"| {' | '.join(map(str, cells))} |" for cells in lines]


def figures(minutes, said, project, whole):
    """What was reached; the table of the real studies goes to its page."""
    steps = {f"{study}: {step}": seconds for (study, step), (_, seconds) in said.items()}
    rows = [figure("whole: minutes on 2 cores", round(minutes, 1), f"<= {MINUTES}", minutes <= MINUTES, steps=steps)]
    name = "whole: rules of the real studies that did not run"
    if whole is None:
        rows.append(figure(name, "the data set's tree is not here", "0", None))
    else:
        ran = {rule for study in STUDIES for rule in records(project.folder / f"results/rehearsal_{study}")}
        left = sorted({rule for rules, _ in whole.values() for rule in rules} - ran)
        rows.append(figure(name, len(left), "0", not left, found=left))
        PAGE.write_text("\n".join([*INTRODUCTION, *table(whole, project)]) + "\n", encoding="utf-8")
    lines = unexplained(said, project)
    return [*rows, figure("whole: warnings without a cause", len(lines), "0", not lines, found=lines)]


def main():
    """Rehearse, compare, keep results and figures; exit status 1 when a figure falls short."""
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as scratch:
        project = Project(Path(scratch) / "project")
        write_dataset(project.folder / "data")
        write_local_data(project.folder / "brought")
        with hub() as server:
            environment = {"HF_ENDPOINT": server.url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
            environment |= {"HF_HOME": str(project.folder / "cache"), "OMP_NUM_THREADS": "1"}
            begin = time.monotonic()
            said = rehearse(project, environment)
            minutes = (time.monotonic() - begin) / 60
            whole = whole_studies(project, environment)
        for name in [f"rehearsal_{study}" for study in STUDIES] + [f"syntheses/{SYNTHESIS}"]:
            shutil.rmtree(ROOT / "results" / name, ignore_errors=True)
            shutil.copytree(project.folder / "results" / name, ROOT / "results" / name)
        return report("rehearsal", figures(minutes, said, project, whole), LIBRARIES)


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
