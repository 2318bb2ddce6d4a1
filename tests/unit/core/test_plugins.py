import sys
from dataclasses import make_dataclass
from types import SimpleNamespace

import pytest
from plugin_files import loaded
from project import ROOT

from triphase.core.digest import concerns
from triphase.core.errors import InputError
from triphase.core.plugins import load_plugins
from triphase.core.registry import Registry

SCRIPTS = sorted((ROOT / "workflow/scripts").glob("*.py"))
ROW = "from gadgets import GADGETS\n\n\n@GADGETS.register(name='own', unit='m')\ndef own(x):\n    return x + 1\n"


@pytest.fixture
def gadgets(monkeypatch):
    registry = Registry("gadget", make_dataclass("Gadget", ["name", "unit", "function"], frozen=True))
    registry.add(name="sum", unit="m", function=sum)
    monkeypatch.setitem(sys.modules, "gadgets", SimpleNamespace(GADGETS=registry))
    yield registry
    Registry.every.remove(registry)


@pytest.fixture
def plugin(tmp_path):
    def write(text, name="own.py"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_a_plugin_adds_to_a_registry_once(gadgets, plugin):
    path = plugin(ROW)
    with loaded(path, path):
        assert load_plugins([str(path)]) == [path]
        assert gadgets["own"].function(1) == 2
    assert list(gadgets) == ["sum"]


def test_two_plugins_may_have_one_file_name(gadgets, plugin, tmp_path):
    (tmp_path / "other").mkdir()
    with loaded(plugin(ROW), plugin(ROW.replace("'own'", "'other'"), "other/own.py")):
        assert list(gadgets) == ["sum", "own", "other"]


def test_paths_are_relative_to_the_working_directory(gadgets, plugin, monkeypatch, tmp_path):
    path = plugin(ROW)
    monkeypatch.chdir(tmp_path)
    assert load_plugins(["own.py"]) == [path]
    gadgets.withdraw(str(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:\n", r"own.py, line 1: SyntaxError: invalid syntax"),
        ("import json\n\njson.loads('')\n", r"own.py, line 3: JSONDecodeError: Expecting value"),
        ("import absent_package\n", r"own.py, line 1: ModuleNotFoundError: No module named 'absent_package'"),
        ("import sys\nsys.exit()\n", r"own.py, line 2: SystemExit"),
        ("def own(x):\n    return x\n", r"own.py: adds nothing to a registry"),
        (ROW.replace(", unit='m'", ""), r"own.py, line 4: the gadget 'own' lacks its unit"),
        (
            ROW.replace("'own'", "'sum'"),
            r"own.py, line 4: the gadget 'sum' has the name of .*line \d+; give",
        ),
        ("from gadgets import GADGETS\nGADGETS.add(name='own', unit='m')\n", r"line 2: .* 'own' lacks its function"),
    ],
)
def test_a_faulty_plugin_is_named_with_its_line(gadgets, plugin, text, message):
    path = plugin(text)
    for _ in range(2):  # what a faulty plugin did is undone, so that it is as faulty the second time
        with pytest.raises(InputError, match=f"^plugins: .*{message}"):
            load_plugins([str(path)])
    assert list(gadgets) == ["sum"]


@pytest.mark.parametrize(
    ("paths", "message"), [(["absent.py"], "no file 'absent.py'"), ("own.py", "'own.py' must be a list of paths")]
)
def test_a_path_that_names_no_file_is_refused(paths, message):
    with pytest.raises(InputError, match=f"^plugins: .*{message}"):
        load_plugins(paths)


@pytest.mark.parametrize(
    ("registry", "scripts"),
    [
        ("triphase.config.readers", {"clean_responses", "measure_ceiling", "describe_data"}),
        # Tables of events are read as those of words are.
        ("triphase.config.transcripts", {"build_words", "clean_responses", "measure_ceiling", "describe_data"}),
        ("triphase.config.initialisations", {"check_integrity", "join_changes", "join_trajectories", "write_summary"}),
    ],
)
def test_a_plugin_concerns_the_scripts_that_use_its_registry_and_what_follows(plugin, registry, scripts):
    path = plugin(f"from {registry} import *\n")
    assert {script.stem for script in SCRIPTS if concerns(path, script)} == scripts
