"""A job waits for no library that it does not use: what scripts have imported when their `main` begins."""

import json
import subprocess
import sys

import pytest
from project import ROOT

from triphase.report.figures.table import FIGURES

SCRIPTS = sorted(path.stem for path in (ROOT / "workflow/scripts").glob("*.py"))
# Libraries that take half a second and more to import. Scripts import them inside functions where only some runs need
# them: what lies on this machine is described without the hub's library, and fits without a GPU without torch.
HEAVY = {
    "accelerate", "datalad", "datasets", "himalaya", "huggingface_hub", "lm_eval", "matplotlib", "nilearn", "sklearn",
    "torch", "transformers",
}  # fmt: skip
# Those that need some of them in every run.
USERS = {
    "extract_activations": {"torch"},
    "measure_mechanism": {"torch"},
    "measure_reading": {"torch"},
    "train_model": {"torch", "transformers"},
    "draw_figure": {"matplotlib"},
}
# Imports scripts one after the other and prints which of the libraries came with which.
IMPORTS = """
import importlib, json, sys
scripts, heavy = json.loads(sys.argv[2])
sys.path.append(sys.argv[1])
found, before = {}, set()
for name in scripts:
    importlib.import_module(name)
    now = set(heavy) & set(sys.modules)
    found[name], before = sorted(now - before), now
print(json.dumps(found))
"""


def imported(*scripts):
    arguments = [ROOT / "workflow/scripts", json.dumps([scripts, sorted(HEAVY)])]
    done = subprocess.run([sys.executable, "-c", IMPORTS, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {name: set(libraries) for name, libraries in json.loads(done.stdout).items()}


def test_most_scripts_import_nothing_heavy():
    found = imported(*(name for name in SCRIPTS if name not in USERS))
    assert not any(found.values()), {name: libraries for name, libraries in found.items() if libraries}


def test_figures_import_nothing_heavy_but_matplotlib():
    found = imported("draw_figure", *(figure.function.__module__ for figure in FIGURES.values()))
    assert set().union(*found.values()) == {"matplotlib"}, found


@pytest.mark.parametrize("name", [name for name, own in USERS.items() if own != {"matplotlib"}])
def test_a_script_imports_of_the_heavy_what_it_always_uses(name):
    # transformers brings the hub's library and what it finds installed.
    brought = {"huggingface_hub", "accelerate", "sklearn"} if "transformers" in USERS[name] else set()
    assert USERS[name] <= imported(name)[name] <= USERS[name] | brought
