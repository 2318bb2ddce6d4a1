"""Conventions that keep the workflow readable: each is a property of the files, checked on all of them."""

import ast
import re
import subprocess
import sys
from collections import defaultdict

import pytest
from project import ROOT
from structure import (
    LIBRARY,
    MOST_ARGUMENTS,
    ORDER,
    RULES,
    SCRIPTS,
    against_order,
    functions,
    imports,
    in_circles,
    rules,
    skipped_formats,
    unannotated,
)


@pytest.mark.parametrize(("name", "body"), [pytest.param(*rule, id=rule[0]) for rule in rules()])
def test_a_rule_says_what_is_its_own_and_no_more(name, body):
    for amount in re.findall(r"(?:mem_mb|runtime)=(.*),", body):
        assert "attempt" in amount or amount.startswith("NEEDS.")
    assert f"../scripts/{name}.py" in body, "the script is not named like its rule"
    assert set(re.findall(r'settings\(\s*"(\w+)"', body)) <= {name}, "its jobs would be told what another's are"
    assert f'settings=settings("{name}"),' not in body, "without more to say, its settings follow from its name"
    assert not re.search(r"^ *(run:|shell:|log:|benchmark:|threads: 1)", body, flags=re.M)
    environment = re.search(r'"\.\./\.\./envs/(\w+)\.yaml"', body).group(1)
    assert (ROOT / f"envs/{environment}.yaml").is_file()


def test_settings_only_declare():
    tree = ast.parse((ROOT / "workflow/scripts/triphase/config/jobs.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and [ast.unparse(base) for base in node.bases] == ["Told"]:
            assert all(isinstance(line, ast.AnnAssign | ast.Pass) for line in node.body), node.name


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
    # The table of what jobs are told is as long as there are rules.
    assert len(text.splitlines()) <= (500 if path.stem == "jobs" else 400)
    assert not re.search(r"^\s*(import|from) snakemake", text, flags=re.M)
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_a_package_imports_only_those_above_it(path):
    assert not against_order(path), f"the order is {', '.join(ORDER)}"


@pytest.mark.parametrize("path", [*SCRIPTS, *LIBRARY], ids=lambda path: path.stem)
def test_no_function_has_more_arguments_than_a_reader_keeps_in_mind(path):
    assert not [(name, count) for name, count in functions(path) if count > MOST_ARGUMENTS]


@pytest.mark.parametrize("path", [*SCRIPTS, *LIBRARY], ids=lambda path: path.stem)
def test_public_functions_have_types(path):
    assert not unannotated(path)


@pytest.mark.parametrize("path", [*SCRIPTS, *LIBRARY], ids=lambda path: path.stem)
def test_nothing_but_matrices_of_numbers_skips_the_formatter(path):
    assert not skipped_formats(path)


def test_no_module_imports_itself_by_way_of_others():
    assert in_circles(imports()) == []


def definitions(path):
    """Name and content of every constant and function at the top of a module, docstrings left out."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            body = node.body[ast.get_docstring(node) is not None :]
            yield node.name, "\n".join(map(ast.unparse, body))
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                yield ast.unparse(target), ast.unparse(node.value)


def test_nothing_is_defined_twice():
    places = defaultdict(list)
    for path in [*SCRIPTS, *LIBRARY]:
        for name, content in definitions(path):
            places[name, content].append(path.relative_to(ROOT / "workflow/scripts").as_posix())
    twice = {name: paths for (name, _), paths in places.items() if len(paths) > 1 and name not in ("log", "main")}
    assert not twice, twice


@pytest.mark.parametrize(
    ("what", "only"),
    [
        (r"\bfcntl\b|\bfilelock\b|\blockf\b", {"core/locking.py"}),
        (r"\btime\.sleep\b|import .*\bsleep\b|\btenacity\b", {"core/retry.py"}),
        (r"^\s*(import|from) lm_eval", {"tasks/harness_api.py"}),
        (r"zarr\.core|\b_zf\b|_sync_open|_is_open", {"core/zipstore.py"}),
        (r"register_forward\w*_hook|nn\.ModuleList", {"activations/hooks.py"}),
    ],
    ids=["locks", "waiting", "the harness", "zarr from the inside", "hooks"],
)
def test_one_module_alone_knows_how(what, only):
    library = ROOT / "workflow/scripts/triphase"
    assert {path.relative_to(library).as_posix() for path in LIBRARY if re.search(what, path.read_text(), re.M)} == only


def test_the_root_of_the_library_holds_packages_alone():
    folder = ROOT / "workflow/scripts/triphase"
    assert [path.name for path in folder.glob("*.py")] == ["__init__.py"]
    assert {path.parent.name for path in folder.glob("*/__init__.py")} == set(ORDER)


HEAVY = ["numpy", "pandas", "scipy", "torch", "nibabel", "h5py", "xarray"]
START = """
import sys
from collections import defaultdict

class Refuse:
    def find_spec(self, name, path=None, target=None):
        assert name not in {heavy}, name

sys.meta_path.insert(0, Refuse())
{imports}
from triphase.core.registry import Registry
assert all(len(registry) for registry in Registry.every)
"""


def test_what_snakemake_imports_at_every_start_is_light():
    lines = [line for path in RULES for line in path.read_text().splitlines() if line.startswith("from triphase")]
    code = START.format(heavy=HEAVY, imports="\n".join(lines))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=LIBRARY[0].parents[1])
    assert done.returncode == 0, done.stderr
