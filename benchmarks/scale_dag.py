"""Planning of large studies: a part of `make bench-scale`.

Studies are of public families of checkpoints, of which a dry run needs nothing but the registry. That one has run is
recorded with placeholders for its results (`tests/made.py`).
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "tests/helpers")]
from bench_studies import measured  # noqa: E402
from project import Project, job_counts  # noqa: E402
from recorded_run import record_run  # noqa: E402
from reporting import figure  # noqa: E402

MODELS, CHECKPOINTS, LAYERS = 4, 30, 33
STEPS = [0, *range(2000, 2000 * (2 * CHECKPOINTS + 1), 2000)]
# What one more checkpoint between others of one model adds to: its own jobs, pairs of it and of the one after it, and
# what sees the whole series.
OWN = ["fetch_checkpoint", "fingerprint_checkpoint", "extract_activations", "measure_states", "measure_mechanism",
       "evaluate_tasks", "join_checkpoint"]  # fmt: skip
ONCE = ["check_integrity", "join_changes", "join_trajectories", "compare_models",
        "write_summary", "write_methods", "write_index"]  # fmt: skip
PER_MODEL = ["fit_phases", "tabulate_specifications", "simulate_power", "draw_page"]
FIGURES = {"draw_figure": 10 * MODELS + 1}
ADDED = (
    dict.fromkeys([*OWN, *ONCE], 1)
    | {"fit_encoding": LAYERS, "compare_checkpoints": 3, "compare_alignment": 3}
    | dict.fromkeys(PER_MODEL, MODELS)
    | FIGURES
)
# Snakemake's own cost: as many jobs of one line each, which read one file.
FLOOR = """rule all:
    input: expand("a/{{i}}/{{j}}", i=range(100), j=range({jobs} // 100))
rule a:
    input: "b/{{i}}"
    output: "a/{{i}}/{{j}}"
    shell: "touch {{output}}"
rule b:
    output: "b/{{i}}"
    shell: "touch {{output}}"
"""


def study(checkpoints, added=()):
    """Overlay of a study with as many checkpoints of each model, and steps added to those of the first."""
    steps = STEPS[:checkpoints]
    model = {"family": "pythia", "size": "6.9b", "layers": list(range(LAYERS))}
    chosen = [sorted([*steps, *added]), *[steps] * (MODELS - 1)]
    models = [model | {"name": f"m{i}", "checkpoints": {"steps": of}} for i, of in enumerate(chosen)]
    return {"study": f"series{checkpoints}", "models": models}


def dag_figures():
    """Time and memory of planning a study, of a run with nothing to do, and what one more checkpoint plans."""
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder) / "project")
        plain = ["--quiet", "rules"]
        overlay = study(CHECKPOINTS)
        seconds, gigabytes, output = measured(project, "-n", *plain, overlay=overlay)
        jobs = job_counts(output)
        long_seconds, _, output = measured(project, "-n", *plain, overlay=study(2 * CHECKPOINTS))
        long_jobs = sum(job_counts(output).values())
        (project.folder / "floor.smk").write_text(FLOOR.format(jobs=long_jobs))
        floor, _, _ = measured(project, "-n", *plain, "--snakefile", "floor.smk")
        record_run(project, overlay=overlay)
        again, _, output = measured(project, overlay=overlay)
        idle = "Nothing to be done" in output
        _, _, output = measured(project, "-n", *plain, overlay=study(CHECKPOINTS, added=[STEPS[5] + 1000]))
    planned = job_counts(output)
    off = {rule: planned.get(rule, 0) - ADDED.get(rule, 0) for rule in planned | ADDED}
    off = {rule: count for rule, count in off.items() if count}
    shape = f"{MODELS} x {CHECKPOINTS} x {LAYERS}"
    return [
        figure(f"dag: {shape}, dry run, s", round(seconds, 1), "<= 20", seconds <= 20, jobs=jobs),
        figure(f"dag: {shape}, peak memory of a dry run, GB", round(gigabytes, 2), "<= 1", gigabytes <= 1),
        figure(f"dag: {shape}, second run, s", round(again, 1), "<= 20, nothing to do", idle and again <= 20),
        figure("dag: one more checkpoint, jobs more or less than its own", sum(map(abs, off.values())), "0", not off,
               planned=planned, off=off),
        figure(f"dag: {MODELS} x {2 * CHECKPOINTS} x {LAYERS}, dry run, s", round(long_seconds, 1),
               f"<= 20; {long_jobs} jobs, Snakemake's own cost of as many trivial ones {floor:.1f} s",
               long_seconds <= 20),
    ]  # fmt: skip
