"""A user's own Python files, named in the config, that add entries to the library's registries."""

import hashlib
import sys
import traceback
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

from triphase.core.errors import InputError, one_line
from triphase.core.folders import PROJECT
from triphase.core.registry import RegistrationError, Registry


def find_plugins(paths: Sequence[str]) -> list[Path]:
    """Whole paths of the files that `plugins` names, relative to the working directory or else to the project.

    Raises
    ------
    InputError : a file that is not there, or `paths` that is no list
    """
    if not isinstance(paths, list | tuple):
        raise InputError(f"plugins: {paths!r} must be a list of paths of Python files")
    found = []
    for path in paths:
        place = next((place for place in (Path(path), PROJECT / path) if place.is_file()), None)
        if place is None:
            raise InputError(
                f"plugins: there is no file {path!r} in the working directory {Path.cwd()} or in {PROJECT}; "
                "give the path of a Python file"
            )
        found.append(place.resolve())
    return found


def load_plugins(paths: Sequence[str], script: str | None = None) -> list[Path]:
    """Import Python files that add to the registries, each once per process.

    A file is imported as a module of its own, whatever its name. Snakemake does this before any job, so what a plugin
    imports at its top slows every start: import heavy libraries inside its functions.

    Parameters
    ----------
    paths : `plugins` of the config
    script : path of a job's script, optional; only the plugins that concern it are imported

    Returns
    -------
    list of Path, as of `find_plugins`, of all `paths`

    Raises
    ------
    InputError : the file, the line and what is wrong there
    """
    plugins = find_plugins(paths)
    for path in plugins:
        if script is not None:
            from triphase.core.digest import concerns

            if not concerns(path, script):
                continue
        name = f"triphase_plugin_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
        if name not in sys.modules:
            _load(name, path)
    return plugins


def _load(name: str, path: Path) -> None:
    loader = SourceFileLoader(name, str(path))
    specification = spec_from_loader(name, loader)
    assert specification
    sys.modules[name] = module = module_from_spec(specification)
    try:
        loader.exec_module(module)
        if not any(place.file == str(path) for registry in Registry.every for place in registry.places.values()):
            raise InputError(f"{path}: adds nothing to a registry; `add` or `register` a row for its function")
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        for registry in Registry.every:
            registry.withdraw(str(path))
        raise InputError(f"plugins: {_described(error, path)}") from error


def _described(error: BaseException, path: Path) -> str:
    """File, line and message of an exception that a plugin's import ended in."""
    if isinstance(error, RegistrationError) or str(error).startswith(str(path)):
        return str(error)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) and not lines else lines[-1] if lines else None
    kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
    return f"{path}{f', line {line}' if line else ''}: {kind}{one_line(error)}"
