"""All planted courses once through Snakemake, as one user's study with tasks, beside the same steps in one process.

Part of the figures of the control. What the chained scripts find must be what the workflow finds: the same curves and
verdicts, from the same listeners and checkpoints.
"""

import sys
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "workflow/scripts"), str(HERE.parent / "tests/helpers")]
from control_courses import COURSES, realise  # noqa: E402
from planted_course import study_config, write_listeners  # noqa: E402
from project import Project  # noqa: E402
from reporting import figure  # noqa: E402

LISTENERS = 200  # seed, of none of the realisations
TOLERANCE = 1e-4  # of a gain: the curves of one process are rounded so far
LABELS = {"letters": ["A", "B", "C", "D"], "digits": ["1", "2", "3", "4"], "plain": []}
TASKS = {
    "evaluations": [{"name": "agreement", "task": "embedded_agreement", "metric": "acc", "limit": 40}],
    "adherence": [
        {
            "name": "world",
            "limit": 20,
            "variants": [
                {"name": name, "task": f"embedded_world_{name}", "labels": labels} for name, labels in LABELS.items()
            ],
        }
    ],
}


def run_study(instrument, folder):
    """Write the user's folder and config, and run the study; its results folder."""
    write_listeners(folder / "mine", instrument.stories, instrument.listeners(LISTENERS))
    config = study_config(instrument.plan, folder / "mine", instrument.folder, COURSES)
    config |= {"seed": LISTENERS, "tasks": TASKS}
    config["phases"] = {"headline": {"roi": "all", "tasks": ["agreement"], "adherence": ["world"]}}
    (folder / "project").mkdir()
    project = Project(folder / "project")
    (project.folder / "control.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    done = project.snakemake("--configfile", "control.yaml")
    if done.returncode:
        sys.exit(done.stdout[-5000:])
    return project.folder / "results/planted"


def figures(instrument, folder):
    """Verdict of each course through Snakemake beside the one of one process, and how far the curves lie apart."""
    from triphase.core.artefacts import read_json, read_table
    from triphase.table.selection import Selection
    from triphase.table.tidy import ALIGNMENT

    results = run_study(instrument, folder)
    phases, table = read_json(results / "phases.json"), read_table(str(results / "trajectories.parquet"))
    alone = {entry["model"]: entry for entry in realise(instrument, LISTENERS)}
    curves = Selection(ALIGNMENT, roi="all").rows(table).groupby(["model", "step"])["value"].mean()
    rows, apart = [], 0.0
    for course in COURSES:
        found, expected = phases[course], alone[course]["verdict"]
        rows.append(
            figure(
                f"workflow: {course}, verdict",
                found["verdict"],
                f"as in one process: {expected}",
                found["verdict"] == expected,
                reason=found["reason"],
                adherence=found["behaviour"],
            )
        )
        apart = max([apart, *(abs(curves[course, step] - value) for step, value in alone[course]["curve"])])
    rows.append(
        figure(
            "workflow: largest difference of a gain from one process",
            f"{apart:.1g}",
            f"<= {TOLERANCE:g}",
            apart <= TOLERANCE,
        )
    )
    return rows
