"""The table of figures: which a study has, what their functions are given, and rows that users add."""

import inspect
from importlib import import_module
from types import SimpleNamespace

import draw_figure
import matplotlib.image
import pandas as pd
import pytest
from jobs import run
from plugin_files import loaded

from triphase.core.artefacts import write_table
from triphase.core.errors import InputError
from triphase.report.figures.drawings import drawings
from triphase.report.figures.row import named
from triphase.report.figures.table import FIGURES


def study(models=("a", "b"), space="mni", split="runs", runs=2, static=None):
    """As much of a resolved config as figures ask for."""
    return {
        "study": "s",
        "models": [{"name": name} for name in models],
        "dataset": {"source": {"space": space}, "rois": [], "runs": [{}] * runs, "subjects": [{"name": "x"}]},
        "encoding": {"split": {"kind": split}, "static": static, "surprisal": False},
        "phases": {"headline": {"roi": "language"}, "smallest_fall": 0.2},
    }


OF_MODEL = ["triple", "analyses", "power", "rois", "layers", "probes", "tasks", "integrity"]
OF_ALL = ["data_runs", "data_timing", "data_ceilings", "emergence"]
ON_BRAIN = ["brain", "changes", "surface"]


@pytest.mark.parametrize(
    ("config", "of_model", "others"),
    [
        (study(), OF_MODEL + ON_BRAIN, [*OF_ALL, "models", "data_brain"]),
        (study(["a"]), OF_MODEL + ON_BRAIN, [*OF_ALL, "data_brain"]),
        (study(space="fsaverage5"), OF_MODEL + ON_BRAIN, [*OF_ALL, "models"]),
        (study(["a"], "native", "outer_cv", runs=1), OF_MODEL, [*OF_ALL, "data_gap"]),
        (study(["a"], "native", "outer_cv", runs=2), OF_MODEL, OF_ALL),
        (study(["a"], "native", static={"components": 9}), [*OF_MODEL, "content"], OF_ALL),
    ],
    ids=["volume", "one model", "surface", "single run", "several runs", "content"],
)
def test_a_study_has_the_figures_that_it_has_results_for(config, of_model, others):
    models = [model["name"] for model in config["models"]]
    expected = {*others, *(f"{name}_{model}" for name in of_model for model in models)}
    assert set(drawings(config)) == expected


def test_a_figure_of_a_model_has_its_paths_settings_caption_and_labels():
    found = drawings(study())
    triple, power, brain = found["triple_b"], found["power_a"], found["data_brain"]
    assert triple.inputs == {
        "trajectories": "results/s/trajectories.parquet",
        "bootstrap": "results/s/bootstrap.zarr.zip",
        "phases": "results/s/phases/b.json",
    }
    assert (
        triple.caption.startswith("**Three perspectives on b over training tokens.**")
        and "(language)" in triple.caption
    )
    assert power.arguments == {"model": "a", "smallest_fall": 0.2}
    assert brain.inputs["responses"] == ["results/s/responses/x.zarr.zip"] and brain.arguments == {}
    assert triple.labels == {"figure": "three perspectives", "model": "b"}
    assert found["models"].labels["model"] == "all" and brain.labels == {"figure": "ceiling on the brain"}


@pytest.mark.parametrize("name", FIGURES)
def test_a_function_takes_what_its_row_gives_it(name):
    figure = FIGURES[name]
    own = {
        drawing.figure.name: drawing
        for drawing in drawings(study(split="outer_cv", runs=1, static={"components": 9})).values()
    }[name]
    assert figure.file.is_file()
    module, function = figure.reference.split(":")
    function = getattr(import_module(module), function)
    assert set(inspect.signature(function).parameters) == {*own.inputs, *own.arguments}


def test_labels_tell_figures_of_a_category_apart():
    found = [(each.figure.category, *each.labels.values()) for each in drawings(study()).values()]
    assert len(found) == len(set(found))


# ---- figures of a plugin

OWN = """
from triphase.report.figures.table import FIGURES

@FIGURES.register(
    name="own",
    inputs=("trajectories",),
    settings=("phases/smallest_fall",),
    category="Own",
    label="values",
    caption="Values of {model} in {study}, and {phases[smallest_fall]}.",
)
def draw_own(trajectories, smallest_fall, model):
    from triphase.report.figures.style import headline, plt

    assert smallest_fall == 0.2 and trajectories["value"].tolist() == [2, 3]  # its own, and that of no model
    figure, panel = plt.subplots(figsize=(2, 1))
    headline(figure, model)
    panel.plot(trajectories["value"])
    return figure
"""


@pytest.fixture
def plugin(tmp_path):
    def write(text):
        (tmp_path / "own.py").write_text(text)
        return tmp_path / "own.py"

    return write


def test_a_users_figure_is_drawn_like_any_other(plugin, tmp_path):
    table = pd.DataFrame({"model": ["a", "b", None], "value": [1.0, 2.0, 3.0]})
    write_table(tmp_path / "t.parquet", table)
    with loaded(plugin(OWN)) as (path,):
        own = drawings(study())["own_b"]
        assert own.caption == "Values of b in s, and 0.2." and own.figure.file == path
        paths = SimpleNamespace(trajectories=str(tmp_path / "t.parquet"), files=[str(tmp_path / "a.png")])
        told = {"function": own.figure.reference, "inputs": list(own.inputs), "arguments": own.arguments}
        run(draw_figure, paths, **told)
    assert matplotlib.image.imread(tmp_path / "a.png").shape[:2] == (300, 600)
    assert "own" not in FIGURES


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('inputs=("trajectories",)', 'inputs=("trajectory",)', "reads 'trajectory'; did you mean 'trajectories'?"),
        ('"phases/smallest_fall"', '"phases/smallest"', "the setting 'phases/smallest', which is not in the config"),
        ("{phases[smallest_fall]}", "{phase}", "has a caption that cannot be filled in: KeyError 'phase'"),
        ('inputs=("trajectories",)', 'inputs=("phases",), per_model=False', "reads 'phases', which there is for"),
        ('name="own"', 'name="triple"', r"has the name of the one at .*table.py, line \d+"),
        ('"Values of {model} in {study}, and {phases[smallest_fall]}."', '""', "lacks its caption"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_drawn_is_named_with_its_line(plugin, old, new, message):
    assert old in OWN
    with (
        pytest.raises(InputError, match=f"own.py, line \\d+: the figure '.*{message}"),
        loaded(plugin(OWN.replace(old, new))),
    ):
        drawings(study())


def test_a_function_that_a_job_could_not_find_is_refused(plugin):
    own = "FIGURES.add(name='own', function=lambda: 0, inputs=(), category='Own', label='own', caption='Own.')"
    with loaded(plugin(f"from triphase.report.figures.table import FIGURES\n{own}\n")):
        with pytest.raises(InputError, match=r"own.py, line 2: .* define it at the top level of its file"):
            drawings(study())


def test_figures_that_would_have_one_file_are_refused(plugin):
    with loaded(plugin(OWN.replace('name="own"', 'name="triple_a"'))), pytest.raises(InputError, match="triple_a_b"):
        drawings(study(["b", "a_b"]))


def test_a_named_function_is_imported_when_it_is_called():
    assert named("math", "sqrt")(4) == 2
