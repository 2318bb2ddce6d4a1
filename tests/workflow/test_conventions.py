"""Conventions that keep the workflow readable: each is a property of the files, checked on all of them."""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter

import pytest
from project import ROOT

# A package imports those above it, and itself.
ORDER = [
    "core", "config", "stats", "sources", "stimuli", "responses", "checkpoints", "activations", "encoding", "states",
    "tasks", "table", "phases", "planning", "report", "demo",
]  # fmt: skip
SOURCES = ROOT / "workflow/scripts"
SCRIPTS = sorted(SOURCES.glob("*.py"))
LIBRARY = sorted((SOURCES / "triphase").rglob("*.py"))
RULES = sorted((ROOT / "workflow/rules").glob("*.smk"))


# More arguments than these travel together: they are a dataclass.
MOST_ARGUMENTS = 7


@cache
def parsed(path):
    return ast.parse(path.read_text())


def rules():
    for path in RULES:
        for name, body in re.findall(r"^ *rule (\w+):\n((?:(?: {4}.*)?\n)+)", path.read_text(), flags=re.M):
            yield pytest.param(name, body, id=name)


@pytest.mark.parametrize(("name", "body"), rules())
def test_a_rule_names_its_log_environment_settings_and_script(name, body):
    for directive in ("log", "benchmark", "conda"):
        assert re.search(rf"^ *{directive}:", body, flags=re.M), f"{name} has no {directive}"
    for amount in re.findall(r"(?:mem_mb|runtime)=(.*),", body):
        assert "attempt" in amount or amount in ("model_memory", "fit_memory") or amount.startswith("with_download")
    assert f"../scripts/{name}.py" in body, "the script is not named like its rule"
    assert re.search(rf'settings\(\s*"{name}"', body), "its jobs would be told nothing, and would not rerun for code"
    assert not re.search(r"^ *(run:|shell:|threads: 1)", body, flags=re.M)
    environment = re.search(r'"\.\./\.\./envs/(\w+)\.yaml"', body).group(1)
    assert (ROOT / f"envs/{environment}.yaml").is_file()


def test_settings_only_declare():
    tree = ast.parse((ROOT / "workflow/scripts/triphase/config/jobs.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            assert all(isinstance(line, ast.AnnAssign | ast.Pass) for line in node.body), node.name


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_a_rule_file_opens_with_what_it_reads_and_writes(path):
    if path.stem != "common":
        head = path.read_text().split("\n\n")[0]
        assert "# Reads:" in head and "# Writes:" in head


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_is_short_and_has_one_function(path):
    tree = parsed(path)
    assert ast.get_docstring(tree)
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert functions == ["main"]
    assert 10 <= len(path.read_text().splitlines()) <= 75
    assert "snakemake.config" not in path.read_text()


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_a_library_module_is_one_concept(path):
    text = path.read_text()
    # The table of what jobs are told is as long as there are rules.
    assert len(text.splitlines()) <= (500 if path.stem == "jobs" else 400)
    assert not re.search(r"^\s*(import|from) snakemake", text, flags=re.M)
    assert ast.get_docstring(parsed(path))


def imported_packages(path):
    """Packages of the library that a module imports, anywhere in it."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        else:
            continue
        yield from (module.split(".")[1] for module in modules if module.startswith("triphase."))


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_a_package_imports_only_those_above_it(path):
    package = path.relative_to(SOURCES / "triphase").parts[0]
    if package == "__init__.py":
        return
    above = ORDER[: ORDER.index(package) + 1]
    assert set(imported_packages(path)) <= set(above), f"{package} may import {', '.join(above)}"


def test_the_root_of_the_library_holds_packages_alone():
    folder = SOURCES / "triphase"
    assert [path.name for path in folder.glob("*.py")] == ["__init__.py"]
    assert {path.parent.name for path in folder.glob("*/__init__.py")} == set(ORDER)


def functions(path):
    """Functions and methods of a file with the number of their arguments; `self` is none."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef):
            own = node.args
            listed = [*own.posonlyargs, *own.args, *own.kwonlyargs, own.vararg, own.kwarg]
            yield node, sum(each is not None and each.arg not in ("self", "cls") for each in listed)


@pytest.mark.xfail(reason="settings become dataclasses package by package", strict=False)
def test_no_function_has_more_arguments_than_a_reader_keeps_in_mind():
    assert [
        f"{path.relative_to(SOURCES)}: {node.name} has {count}"
        for path in [*SCRIPTS, *LIBRARY]
        for node, count in functions(path)
        if count > MOST_ARGUMENTS
    ] == []


def test_no_module_imports_itself_by_way_of_others():
    modules = {
        ".".join(path.relative_to(SOURCES).with_suffix("").parts).removesuffix(".__init__"): path for path in LIBRARY
    }
    imports = {}
    for name, path in modules.items():
        wanted = set()
        for node in parsed(path).body:
            if isinstance(node, ast.Import):
                wanted |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                wanted |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        imports[name] = wanted & modules.keys()
    TopologicalSorter(imports).prepare()  # CycleError names the modules of a circle
