"""Environments of the rules: each has all that its rules use, and nothing comes in from Snakemake's own packages.

No conda channel is needed: environments are made of what is installed here (see tests/environments.py).
"""

import json
import os
import re
import subprocess

import pytest
import rattler
import yaml
from environments import canonical, dependencies, make_prefix, stand_in_for_conda
from packaging.specifiers import SpecifierSet
from project import ROOT, Project, job_counts

ENVIRONMENTS = {path.stem: path for path in sorted((ROOT / "envs").glob("*.yaml"))}
RULES = {
    name: re.search(r"envs/(\w+)\.yaml", body)[1]
    for path in sorted((ROOT / "workflow/rules").glob("*.smk"))
    for name, body in re.findall(r"^ *rule (\w+):\n((?:(?: +.*)?\n)+)", path.read_text(), flags=re.M)
}

# Runs in an environment's python: every import statement of some scripts and of the library modules that they use, also
# those inside functions, and the versions that they ask for. Prints what fails by script.
IMPORTS = """
import ast, importlib, json, sys
from functools import cache
from importlib.metadata import version
from pathlib import Path
sys.path.append(sys.argv[1])
from triphase.core import digest

@cache
def failure(statement):
    try:
        exec(statement, {"version": version})
    except Exception as error:
        return f"{statement}: {type(error).__name__}: {error}"

def statements(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom | ast.Import):
            yield ast.unparse(node)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "library_versions":
            yield from (f"version({name.value!r})" for name in node.args)

failed = {}
for name in sys.argv[2:]:
    files, todo = set(), [Path(sys.argv[1], f"{name}.py")]
    if name == "draw_figure":  # it is told which of these to run
        todo += Path(sys.argv[1], "triphase/report/figures").glob("*.py")
    while todo:
        files.add(file := todo.pop())
        todo += digest._imports(file) - files
    failed[name] = sorted({failure(text) for file in files for text in statements(file)} - {None})
    if not failed[name]:
        importlib.import_module(name)
print(json.dumps(failed))
"""


def failures(python, names):
    """Import statements that fail in an environment, by script."""
    done = subprocess.run(
        [python, "-I", "-c", IMPORTS, ROOT / "workflow/scripts", *names], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return {name: lines for name, lines in json.loads(done.stdout.splitlines()[-1]).items() if lines}


def rules_in(role):
    return [name for name, own in RULES.items() if own == role]


@pytest.mark.parametrize("role", ENVIRONMENTS)
def test_an_environment_has_all_that_its_rules_import(role, tmp_path):
    python = make_prefix(tmp_path, dependencies(ENVIRONMENTS[role]))
    assert rules_in(role), "no rule runs in it"
    assert not failures(python, rules_in(role))


def test_a_package_that_is_missing_is_noticed(tmp_path):
    python = make_prefix(tmp_path, dependencies(ENVIRONMENTS["analysis"]), without=["pyarrow"])
    missing = failures(python, ["fit_phases", "measure_identity"])
    assert set(missing) == {"fit_phases", "measure_identity"}
    assert all("No module named 'pyarrow'" in line for lines in missing.values() for line in lines), missing


# One job in each environment, of those that take little time.
JOBS = {
    "analysis": ("compare_checkpoints", "states/pairs/neox/step16/step0.parquet"),
    "data": ("fetch_stimuli", "sources/stimuli.json"),
    "encoding": ("fit_encoding", "encoding/neox/step0/1.zarr.zip"),
    "figures": ("draw_figure", "figures/integrity_neox.png"),
    "model": ("extract_activations", "activations/neox/step64.zarr.zip"),
    "tasks": ("evaluate_tasks", "tasks/neox/step64.parquet"),
}


@pytest.mark.slow
def test_rules_run_with_conda(tiny_as_run, tmp_path):
    assert {role: RULES[rule] for role, (rule, _) in JOBS.items()} == {role: role for role in ENVIRONMENTS}
    project = Project.copy_of(tiny_as_run, tmp_path / "project")
    programs = stand_in_for_conda(tmp_path / "conda")
    results = project.folder / "results/tiny"
    before = {path: (results / path).stat().st_mtime_ns for _, path in JOBS.values()}
    done = project.snakemake(
        "--sdm", "conda", "--rerun-triggers", "mtime", "--force", *(f"results/tiny/{path}" for path in before),
        "--allowed-rules", *(rule for rule, _ in JOBS.values()),
        study="tiny", env={"PATH": f"{programs}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert job_counts(done.stdout) == {rule: 1 for rule, _ in JOBS.values()}
    assert all((results / path).stat().st_mtime_ns > time for path, time in before.items())
    notes = {path.parent.name: path.read_text() for path in project.folder.glob(".snakemake/conda/*/elsewhere")}
    assert len(notes) == len(JOBS), "a job ran in another python than that of its environment"
    packages = set(" ".join(notes.values()).split()) - {"triphase", "__main__"}
    # Snakemake's own, for what the script is given. pandas and xarray, where a script imports them before triphase,
    # look for packages that they can do without.
    elsewhere = {name for name in packages if not re.match("snakemake(_interface_|$)", name)}
    assert packages and elsewhere <= {"pytz", "cloudpickle"}, elsewhere


# --- what the files say


@pytest.mark.parametrize("role", ENVIRONMENTS)
def test_an_environment_is_small_and_says_what_it_is_for(role):
    text = ENVIRONMENTS[role].read_text()
    content = yaml.safe_load(text)
    assert text.startswith("# ") and set(content) == {"channels", "dependencies"}
    assert content["channels"] == ["conda-forge", "nodefaults"]
    assert 4 <= len([name for name in content["dependencies"] if name != "pip"]) <= 10


@pytest.mark.parametrize("role", ENVIRONMENTS)
def test_versions_are_those_that_are_tested(role):
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    pins = {canonical(name): version for name, version in pins.items()}
    for name, version in dependencies(ENVIRONMENTS[role]).items():
        # What conda-forge may not have in the tested version yet is given as the least one.
        tested = SpecifierSet(re.sub("^=([^=].*)$", r"==\1.*", version))
        assert pins[canonical(name)] in tested, f"{name}{version}, but {pins[canonical(name)]} is tested"


@pytest.mark.parametrize("role", ENVIRONMENTS)
def test_conda_understands_every_dependency(role):
    entries = yaml.safe_load(ENVIRONMENTS[role].read_text())["dependencies"]
    for entry in (entry for entry in entries if isinstance(entry, str)):
        spec = rattler.MatchSpec(entry, strict=True)
        name, *version = re.split("[>=]+", entry)
        assert spec.name.normalized == name
        # `=3.11` is any 3.11.x, in conda and in its successors.
        wanted = [f">={version[0]}" if ">=" in entry else f"{version[0]}.*"] if version else ["None"]
        assert [str(spec.version)] == wanted


def test_himalaya_comes_from_pypi():
    """What conda-forge has under that name is a mail program."""
    for path in ENVIRONMENTS.values():
        entries = yaml.safe_load(path.read_text())["dependencies"]
        assert not [entry for entry in entries if isinstance(entry, str) and entry.startswith("himalaya")]


# --- the image


def test_the_image_is_made_of_what_there_is():
    """As far as a Dockerfile can be checked without building it: its instructions, and that what it copies exists."""
    text = (ROOT / "envs/Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert lines[0][0] == "FROM" and re.fullmatch(r"python:3\.11\.\d+-slim-\w+", lines[0][1])
    assert {name for name, _ in lines} <= {"FROM", "RUN", "COPY", "WORKDIR", "ENV", "ENTRYPOINT", "CMD"}
    for name, rest in lines:
        if name == "COPY":
            *sources, _ = rest.split()
            assert all((ROOT / source).exists() for source in sources), rest
    runs = " ".join(rest for name, rest in lines if name == "RUN")
    assert "-c constraints.txt" in runs and "git-annex" in runs
    # The package that it would install lies in the study's own folder, and would hide that.
    assert not re.search(r"pip install .*['\" ]\.", runs)
