"""Conventions that keep the workflow readable: each is a property of the files, checked on all of them."""

import ast
import re
import sys

import pytest
import yaml
from conftest import ROOT

from triphase import digest

SCRIPTS = sorted((ROOT / "workflow/scripts").glob("*.py"))
LIBRARY = sorted((ROOT / "workflow/scripts/triphase").rglob("*.py"))
RULES = sorted((ROOT / "workflow/rules").glob("*.smk"))


def rules():
    for path in RULES:
        for name, body in re.findall(r"^rule (\w+):\n((?:(?: {4}.*)?\n)+)", path.read_text(), flags=re.M):
            yield pytest.param(name, body, id=name)


@pytest.mark.parametrize(("name", "body"), rules())
def test_a_rule_names_its_log_environment_resources_and_script(name, body):
    for directive in ("log", "benchmark", "conda", "threads", "resources"):
        assert re.search(rf"^ {{4}}{directive}:", body, flags=re.M), f"{name} has no {directive}"
    for resource in ("mem_mb", "runtime"):
        assert f"{resource}=" in body
    assert f"../scripts/{name}.py" in body, "the script is not named like its rule"
    assert f'digest("{name}.py")' in body, "editing the library would not rerun it"
    assert not re.search(r"^ {4}(run|shell):", body, flags=re.M)
    environment = re.search(r'"\.\./\.\./envs/(\w+)\.yaml"', body).group(1)
    assert (ROOT / f"envs/{environment}.yaml").is_file()


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_a_rule_file_opens_with_what_it_reads_and_writes(path):
    if path.stem != "common":
        head = path.read_text().split("\n\n")[0]
        assert "# Reads:" in head and "# Writes:" in head


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_is_short_and_has_one_function(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert functions == ["main"]
    assert 10 <= len(path.read_text().splitlines()) <= 75
    assert "snakemake.config" not in path.read_text()


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_a_library_module_is_one_concept(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    assert not re.search(r"^\s*(import|from) snakemake", text, flags=re.M)
    assert ast.get_docstring(ast.parse(text))


# Import name to conda package, where they differ, and what packages themselves require.
PACKAGES = {"torch": "pytorch", "sklearn": "scikit-learn", "yaml": "pyyaml"}
REQUIRES = {
    "himalaya": {"scikit_learn"},
    "lm_eval": {"transformers", "datasets"},
    "nilearn": {"nibabel", "scikit_learn", "pandas"},
    "pandas": {"numpy"},
    "scikit_learn": {"numpy", "scipy"},
    "transformers": {"huggingface_hub", "tokenizers", "numpy", "pyyaml", "tqdm"},
    "xarray": {"numpy", "pandas"},
}


@pytest.mark.parametrize(("name", "body"), rules())
def test_a_rules_environment_has_all_that_its_script_imports(name, body):
    role = re.search(r"envs/(\w+)", body).group(1)
    environment = yaml.safe_load((ROOT / f"envs/{role}.yaml").read_text())
    provided = {re.split(r"[=<>]", entry)[0].replace("-", "_") for entry in environment["dependencies"]}
    while more := set().union(*(REQUIRES.get(package, set()) for package in provided)) - provided:
        provided |= more
    missing = third_party(ROOT / f"workflow/scripts/{name}.py") - provided
    assert not missing, f"envs lack {missing}"


def third_party(script):
    """Packages that a script and the library modules it uses import."""
    found, seen, todo = set(), set(), [script]
    while todo:
        path = todo.pop()
        todo += [module for module in digest._imports(path) if module not in seen]
        seen |= digest._imports(path)
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            found |= {name.split(".")[0] for name in names}
    ours = {"triphase", *sys.stdlib_module_names}
    return {PACKAGES.get(name, name).replace("-", "_") for name in found - ours}
