"""The table of measures: complete, true of what is measured, fresh in the reference, and open to a user's own."""

import sys
from subprocess import run

import numpy as np
import pandas as pd
import pytest
from measured import assert_as_described
from plugin_files import loaded
from project import ROOT
from simulated_study import study

from triphase.core import digest
from triphase.core.errors import InputError
from triphase.core.measures import ITEMS, STATES, added, measure_table
from triphase.report.figures.layers import draw_layers
from triphase.report.figures.style import plt
from triphase.states.layer import Layer
from triphase.states.measures import STATE_MEASURES, layer_rows
from triphase.states.probes import plan_probes
from triphase.table.measures import MEASURES
from triphase.table.reference import PATH, reference
from triphase.table.tidy import typed
from triphase.tasks.measures import ADHERENCE_MEASURES, EVALUATION_MEASURES, summarise

OWN = """
from triphase.core.measures import MEASURES, Value


@MEASURES.register(
    name="spread", label="spread", unit="norm", range=(0, None), about="Root mean square of the words' norms."
)
def spread(states, layer):
    return float((states**2).sum(axis=1).mean() ** 0.5)


@MEASURES.register(name="heads", label="heads", unit="share", range=(0, 1), about="Share of the first choice.",
                   section="Tasks", needs="items", per_layer=False, target="evaluation", panel=None)
def heads(items):
    return (items["answer"] == 0).mean(), 0.1, len(items)
"""


@pytest.fixture
def plugin(tmp_path):
    def write(text=OWN):
        (tmp_path / "own.py").write_text(text)
        return tmp_path / "own.py"

    return write


def measured_layer(n=240, features=24):
    """Rows of every measure of one layer of random states, as `measure_states` takes them."""
    rng = np.random.default_rng(0)
    words = pd.DataFrame({"stimulus": "s", "word": [f"w{k % 40}" for k in range(n)], "sentence": np.arange(n) // 10,
                          "pos": np.where(np.arange(n) % 2, "N", "V")})  # fmt: skip
    plan = plan_probes(words, {"concepts": [{"name": "pos"}], "learning_curve": [0.5]}, seed=0)
    states, below = rng.normal(size=(2, n, features)).astype(np.float32), {}
    for number in (0, 1):
        layer = Layer(number, states[number], words, np.arange(n), below, plan, "ridge")
        rows = list(layer_rows(layer, STATE_MEASURES | added(STATES)))
        below = {number: layer.cloud}
    return measure_table(rows)


def items_of(n=20):
    choice = np.arange(n) % 3
    return pd.DataFrame({"task": "quiz", "kind": "accuracy", "variant": "", "item": range(n), "answer": choice,
                         "chance": 1 / 3, "majority": 0.4, "correct": (choice == 1) * 1.0,
                         "correct_norm": (choice == 2) * 1.0, "truncated": False})  # fmt: skip


def test_every_function_of_the_library_has_its_row():
    of_states = {name for name, measure in MEASURES.items() if measure.needs == STATES and measure.per_layer}
    assert set(STATE_MEASURES) == of_states - {"cka"}  # a comparison of two checkpoints
    assert set(EVALUATION_MEASURES | ADHERENCE_MEASURES) == {n for n, m in MEASURES.items() if m.needs == ITEMS}


def test_the_reference_is_fresh():
    assert PATH.read_text(encoding="utf-8") == reference(), f"{PATH} is stale: make reference"


def test_measures_of_a_layer_are_as_described():
    table = measured_layer()
    assert_as_described(table)
    assert set(table["measure"]) == set(STATE_MEASURES) and table["value"].notna().mean() > 0.9


def test_simulated_rows_are_as_described():
    table, _ = study({"m": "triple"})
    assert_as_described(table[~table["measure"].isin(["r", "gain"])])  # of which not all have layers


def test_a_measure_from_outside_is_in_the_table_the_reference_and_the_figure_of_layers(plugin):
    with loaded(plugin()):
        table = measured_layer()
        own = table[table["measure"] == "spread"]
        assert own["layer"].tolist() == [1] and own["n"].tolist() == [240]
        assert own["value"].item() == pytest.approx(np.sqrt(24), rel=0.05)
        assert_as_described(table)
        heads = summarise(items_of(), []).set_index("measure").loc["heads"]
        assert (heads["target"], heads["value"], heads["se"], heads["n"]) == ("quiz", 0.35, 0.1, 20)
        page = reference()
        assert "| `spread` | norm, from 0 | each layer | hidden states | Root mean square of the words'" in page
        assert "| `heads` | share, 0 to 1 | `target`: evaluation | items |" in page
        rows = typed(table.assign(model="m", checkpoint="step4", step=4, tokens=400))
        figure = draw_layers(rows, "language", "m")
        assert [panel.get_title(loc="left") for panel in figure.axes][4] == "e  Spread"
        assert figure.axes[4].images[0].get_array().tolist() == [[own["value"].item()]]
        plt.close(figure)
    assert "spread" not in MEASURES and added(STATES) == added(ITEMS) == {}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name="spread"', 'name="probe"', "line 5: the measure 'probe' has the name of the one at .*measures.py"),
        ('unit="norm", ', "", "own.py, line 5: the measure 'spread' lacks its unit"),
        (
            "(0, None)",
            "(1, 0)",
            r"own.py, line 5: the measure 'spread' has the range \(1, 0\): give the least value first",
        ),
        ('needs="items"', 'needs="logits"', "the measure 'heads' needs 'logits': a function of a measure takes hidden"),
        ("@MEASURES.register(", "MEASURES.add(", "own.py, line 5: the measure 'spread' lacks its function"),
    ],
)
def test_a_faulty_measure_is_named_with_its_line(plugin, old, new, message):
    with pytest.raises(InputError, match=message), loaded(plugin(OWN.replace(old, new, 1))):
        pass


def test_a_description_reruns_no_job_that_measures_and_imports_nothing_heavy():
    scripts, table = ROOT / "workflow/scripts", ROOT / "workflow/scripts/triphase/table/measures.py"
    for name in ("measure_states", "measure_mechanism", "join_checkpoint", "join_trajectories", "fit_phases"):
        assert table not in digest._closure(scripts / f"{name}.py")
    assert table in digest._closure(scripts / "triphase/report/figures/layers.py")
    code = "import sys, triphase.table.measures; assert not {'numpy', 'pandas'} & set(sys.modules)"
    assert run([sys.executable, "-c", code], env={"PYTHONPATH": str(scripts)}).returncode == 0
