"""Conda environments made of what is installed here, so that rules run with the packages of theirs and no others.

`make_prefix` makes of an env file what `conda env create` would: a folder with its own `bin/python`, whose
site-packages hold the distributions that the file names and those that these require, as links. What conda's own
recipes bring along in addition is not there. As a program, `python environments.py FILE PREFIX`, it is what the
stand-in for conda runs (see `CONDA`).
"""

import re
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path

import yaml
from packaging.requirements import Requirement

# Names on PyPI of conda packages that are called otherwise there.
PYPI = {"pytorch": "torch", "matplotlib-base": "matplotlib", "mne-base": "mne"}
# What an environment has besides Python packages.
OTHER = {"python", "pip"}

# A `conda` as far as Snakemake asks for it: who it is, how it is set up, and to make and enter environments.
CONDA = """#!/bin/sh
case "$*" in
    "info --json") echo '{{"conda_prefix": "{folder}", "platform": "linux-64"}}' ;;
    --version) echo "conda 25.1.1" ;;
    "config --get channel_priority --json") echo '{{"get": {{"channel_priority": "strict"}}}}' ;;
    "env create --quiet --no-default-packages --file "*)
        shift 5
        exec "{python}" "{maker}" "$1" "${{2#--prefix}}$3" ;;
    "clean "*) ;;
    *) echo "conda $*: not known here" >&2; exit 1 ;;
esac
"""
ACTIVATE = 'PATH="$1/bin:$PATH"; export PATH CONDA_PREFIX="$1"\n'

# Notes of each process in such an environment which packages it had from elsewhere, in a line of its own.
WITNESS = """
import atexit, sys

def note():
    own = (sys.prefix, sys.base_prefix)
    files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    elsewhere = {
        name.partition(".")[0] for name, file in files.items() if file and file[0] == "/" and not file.startswith(own)
    }
    with open(f"{sys.prefix}/elsewhere", "a") as notes:
        print(*sorted(elsewhere), file=notes)

atexit.register(note)
"""


def dependencies(path):
    """Dependencies of an env file that are Python packages: dict of name on PyPI to version (=1.2, >=1.2, or "")."""
    found = {}
    for entry in yaml.safe_load(Path(path).read_text(encoding="utf-8"))["dependencies"]:
        for text in entry["pip"] if isinstance(entry, dict) else [entry]:
            name, version = re.fullmatch(r"([\w.-]+?)([=<>].*)?", text).groups()
            if name not in OTHER:
                found[PYPI.get(name, name)] = version or ""
    return found


def closure(names):
    """The named distributions and all that they require on this machine, extras included: set of canonical names.

    LookupError names a distribution that is not installed.
    """
    extras, todo = {}, [Requirement(name) for name in names]
    while todo:
        wanted = todo.pop()
        name = canonical(wanted.name)
        if name in extras and wanted.extras <= extras[name]:
            continue
        extras.setdefault(name, set()).update(wanted.extras)
        try:
            required = map(Requirement, distribution(name).requires or [])
        except PackageNotFoundError:
            raise LookupError(f"{name} is not installed") from None
        for one in required:
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in {"", *extras[name]}):
                todo.append(one)
    return set(extras)


def canonical(name):
    """A distribution's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def _owners():
    """Which distributions have files below a path (dict of parts of the path to their names), and which files."""
    owners, files = {}, {}
    for one in distributions():
        name = canonical(one.name)
        files[name] = [file for file in one.files or [] if file.suffix != ".pth"]
        for file in files[name]:
            for depth in range(1, len(file.parts) + 1):
                owners.setdefault(file.parts[:depth], set()).add(name)
    return owners, files


def make_prefix(folder, names, without=()):
    """An environment of the distributions that `names` require, without some of them; returns its python.

    Folders that several distributions share are made, all else is linked.
    """
    owners, files = _owners()
    folder = Path(folder)
    site = folder / f"lib/python3.{sys.version_info.minor}/site-packages"
    wanted = closure(names) - {canonical(name) for name in without}
    for name in sorted(wanted):
        for file in files[name]:
            if file.parts[0] == "..":
                _program(Path(file.locate()), folder / "bin" / file.name)
                continue
            # The highest folder that none but wanted distributions have files in, or the file itself.
            above = (file.parts[:depth] for depth in range(1, len(file.parts)))
            parts = next((parts for parts in above if owners[parts] <= wanted), file.parts)
            target = site.joinpath(*parts)
            if not target.is_symlink():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(Path(distribution(name).locate_file("/".join(parts))).absolute())
    base = Path(sys.executable).resolve()
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    (folder / "bin/python").symlink_to(base)
    (folder / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
    return folder / "bin/python"


def _program(source, target):
    """A program of a distribution: those in Python run in the environment."""
    target.parent.mkdir(parents=True, exist_ok=True)
    content = source.read_bytes()
    if content.startswith(b"#!"):
        content = f"#!{target.parent}/python".encode() + content[content.index(b"\n") :]
    target.write_bytes(content)
    target.chmod(0o755)


def stand_in_for_conda(folder):
    """Put a `conda` and its `activate` into `folder`/bin; returns that folder, to be the first of PATH."""
    programs = Path(folder) / "bin"
    programs.mkdir(parents=True)
    text = CONDA.format(folder=folder, python=sys.executable, maker=Path(__file__).resolve())
    (programs / "conda").write_text(text)
    (programs / "conda").chmod(0o755)
    (programs / "activate").write_text(ACTIVATE)
    return programs


if __name__ == "__main__":
    python = make_prefix(sys.argv[2], dependencies(sys.argv[1]))
    (python.parent.parent / f"lib/python3.{sys.version_info.minor}/site-packages/sitecustomize.py").write_text(WITNESS)
