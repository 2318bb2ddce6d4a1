"""What each kind of change reruns: jobs of the embedded study by rule, counted by hand from the design's grain.

Studies are recorded as if they had run (`recorded_run`), then changed, then asked for what there is to do.
"""

import json

import pytest
import yaml
from project import ROOT, Project
from recorded_run import record_run

EMBEDDED = yaml.safe_load((ROOT / "config/config.yaml").read_text())
MODELS, CHECKPOINTS, LAYERS = 2, 16, 2
SERIES = MODELS * CHECKPOINTS
# Each checkpoint with the first.
PAIRS = MODELS * (CHECKPOINTS - 1)
OWN = ["fetch_checkpoint", "fingerprint_checkpoint", "extract_activations", "measure_states", "measure_mechanism",
       "evaluate_tasks", "join_checkpoint"]  # fmt: skip
# Of each model those that read the table, its phases or its power, and two of all models; the surface is a page.
N_FIGURES = 9 * MODELS + 2
FIGURES = {"draw_figure": N_FIGURES, "draw_page": MODELS}
DATA_FIGURES = 4
# What follows a new verdict of the integrity gate, beside the figures of the joins.
GATE = {"check_integrity": 1, "draw_figure": N_FIGURES + MODELS}
# What follows a new table of the whole study.
JOINS = FIGURES | {
    "join_trajectories": 1, "fit_phases": MODELS, "tabulate_specifications": MODELS, "simulate_power": MODELS,
    "compare_models": 1, "write_summary": 1, "write_methods": 1, "write_index": 1,
}  # fmt: skip
# Whatever is written with the templates of pages.
PAGES = {"write_data_page": 1, "write_summary": 1, "write_methods": 1, "write_index": 1, "draw_page": MODELS}
# What follows new fits of every layer.
FITS = JOINS | {
    "fit_encoding": SERIES * LAYERS,
    "join_checkpoint": SERIES,
    "compare_alignment": PAIRS,
    "join_changes": 1,
}


def model_with(**changes):
    """The study's models with keys of the first replaced."""
    return {"models": [EMBEDDED["models"][0] | changes, EMBEDDED["models"][1]]}


def series_with(step):
    """The study's models with one more checkpoint of the first."""
    entries = [*EMBEDDED["models"][0]["checkpoints"], {"name": f"step{step}", "revision": f"step{step}", "step": step}]
    return model_with(checkpoints=sorted(entries, key=lambda entry: entry["step"]))


@pytest.fixture(scope="module")
def made_study(tmp_path_factory):
    """A project in which the embedded study is recorded as run."""
    project = Project(tmp_path_factory.mktemp("made") / "project")
    record_run(project)
    return project


def test_nothing_changed(made_study):
    assert made_study.planned() == {}


@pytest.mark.parametrize(
    ("overlay", "expected"),
    [
        (series_with(640), JOINS | dict.fromkeys(OWN, 1) | {
            "fit_encoding": LAYERS, "compare_checkpoints": 1, "compare_alignment": 1, "join_changes": 1,
        } | GATE),
        (model_with(layers=[1, 2, 3]), JOINS | {
            "fit_encoding": CHECKPOINTS, "join_checkpoint": CHECKPOINTS, "compare_alignment": PAIRS // MODELS,
            "join_changes": 1,
        }),
        ({"encoding": {"alphas": [-2, 6, 12]}}, FITS | {"prepare_encoding": 1}),
        # Layers are drawn without phases.
        ({"phases": {"smallest_fall": 0.3}}, {key: n for key, n in JOINS.items() if key != "join_trajectories"}
         | {"draw_figure": N_FIGURES - MODELS, "write_definition": 1}),
        ({"states": {"words": 500}},
         JOINS | {"measure_states": SERIES, "join_checkpoint": SERIES, "compare_checkpoints": PAIRS}),
        ({"execution": {"transfers": 8, "disk_gb": 100, "task_batch": 8, "solver": "himalaya"}}, {}),
    ],
    ids=["checkpoint", "layer", "alphas", "smallest fall", "words", "execution"],
)  # fmt: skip
def test_a_change_of_the_config_reruns_what_it_changes(made_study, overlay, expected):
    assert made_study.planned(overlay=overlay) == expected


@pytest.mark.parametrize(
    ("module", "old", "new", "expected"),
    [
        (
            "report/figures/style.py",
            "MOST_TICKS = 8",
            "MOST_TICKS = 7",
            FIGURES | {"draw_figure": N_FIGURES + MODELS + DATA_FIGURES, "write_data_page": 1, "write_index": 1},
        ),
        ("report/figures/power.py", "figsize=(WIDTH, 2.6)", "figsize=(WIDTH, 2.7)", {"draw_figure": MODELS}),
        ("report/figures/surface_page.py", "fresnel: 0", "fresnel: 1", {"draw_page": MODELS}),
        ("report/templates/page.css", "62rem", "60rem", PAGES),
        ("encoding/folds.py", '"""', '"""Note. ', {}),
        (
            "encoding/lowrank.py",
            "import numpy as np\n",
            "import numpy as np\n\nNEW = 1\n",
            FITS | {"prepare_encoding": 1},
        ),
    ],
    ids=["figure style", "figure", "page", "template", "docstring", "solver"],
)
def test_a_change_of_the_library_reruns_its_users(made_study, module, old, new, expected):
    path = made_study.folder / "workflow/scripts/triphase" / module
    text = path.read_text()
    assert old in text
    try:
        path.write_text(text.replace(old, new, 1))
        assert made_study.planned() == expected
    finally:
        path.write_text(text)


def test_a_new_subject_reruns_fits_and_no_model(tmp_path):
    # The data set as one from outside: one that is simulated is made anew with its listeners.
    def study(*subjects):
        return {"dataset": {"subjects": list(subjects), "overrides": {"simulate": None, "url": "demo"}}}

    project = Project(tmp_path / "project")
    (project.folder / "demo").mkdir()
    record_run(project, overlay=study("sub-01", "sub-02"))
    assert project.planned(overlay=study("sub-01", "sub-02")) == {}
    data = ["fetch_responses", "clean_responses", "measure_ceiling", "describe_data", "write_data_page",
            "prepare_encoding"]  # fmt: skip
    figures = {"draw_figure": N_FIGURES + DATA_FIGURES}
    assert project.planned(overlay=study("sub-01", "sub-02", "sub-03")) == FITS | dict.fromkeys(data, 1) | figures


def test_a_moved_commit_of_the_lock_reruns_its_checkpoint(tmp_path):
    model = {"family": "pythia", "layers": [1, 3], "checkpoints": {"steps": [0, 512, 1000]}}
    overlay = {"models": [model | {"name": size, "size": size} for size in ("14m", "31m")]}
    project = Project(tmp_path / "project")

    def lock(digits):
        entries = {
            f"step{step}": {"revision": f"step{step}", "commit": digit * 40, "files": []}
            for step, digit in zip((0, 512, 1000), digits, strict=True)
        }
        models = {"14m": {"repository": "EleutherAI/pythia-14m", "checkpoints": entries}}
        path = project.folder / "config/locks/embedded.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"study": "embedded", "models": models}))

    lock("abc")
    record_run(project, overlay=overlay)
    assert project.planned(overlay=overlay) == {}
    lock("abd")
    # The last of three: pairs with the first.
    assert project.planned(overlay=overlay) == JOINS | GATE | dict.fromkeys(OWN, 1) | {
        "fit_encoding": 2, "compare_checkpoints": 1, "compare_alignment": 1, "join_changes": 1,
    }  # fmt: skip
