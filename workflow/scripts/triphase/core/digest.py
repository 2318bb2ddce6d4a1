"""A content digest of a script's own library code, so that editing a module reruns its users and no others."""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from triphase.core.folders import LIBRARY

# Declarations whose values reach a job as its params: what matters of a change shows there.
DECLARED = (LIBRARY / "config" / "jobs.py",)


def script_digest(script: str | Path, plugins: Iterable[Path] = (), also: Path | None = None) -> str:
    """Digest of every library module that `script` imports, directly or through other modules, and of its plugins.

    Comments, docstrings and layout do not count: the digest is over the syntax trees. Imports inside functions count.

    Parameters
    ----------
    script : path of a Python file
    plugins : paths of the study's plugins, of which those that do not concern the script count for nothing
    also : path of a module, or of a plugin, that the script is told to run and does not itself import

    Returns
    -------
    str of 16 hex digits
    """
    files = [Path(script), *filter(None, [also])]
    mine = [plugin for plugin in plugins if plugin == also or any(concerns(plugin, file) for file in files)]
    modules = frozenset().union(*map(_closure, [*files, *mine])) | set(files[1:]) - set(mine)
    lines = [f"{module.relative_to(LIBRARY)} {_code(module)}" for module in sorted(modules)]
    lines += [f"plugin {plugin.name} {_code(plugin)}" for plugin in mine]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def concerns(plugin: Path, script: str | Path) -> bool:
    """Whether a script uses a registry that a plugin adds to: one whose module both import, the plugin directly."""
    return any(_registries(module) for module in _imports(plugin) & _closure(Path(script)))


@cache
def _closure(path: Path) -> frozenset[Path]:
    """Library files that a file imports, directly or through others."""
    seen, todo = set(), [path]
    while todo:
        module = todo.pop()
        # The library's own entries of a registry are imported when it is first read.
        packages = [LIBRARY.joinpath(*package.split(".")[1:]) for package in _registries(module) if package]
        for file in _imports(module).union(*(package.glob("*.py") for package in packages)):
            if file not in seen and file not in DECLARED:
                seen.add(file)
                todo.append(file)
    return frozenset(seen)


@cache
def _registries(path: Path) -> list[str]:
    """The package ("" for none) that fills each registry that a module defines."""
    values = [node.value for node in _tree(path).body if isinstance(node, ast.Assign | ast.AnnAssign)]
    calls = [call for call in values if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Registry"]
    given = [{keyword.arg: keyword.value for keyword in call.keywords} for call in calls]
    return [ast.literal_eval(keywords["package"]) if "package" in keywords else "" for keywords in given]


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """A syntax tree's own node and its statements: nine in ten nodes are expressions, of no interest here."""
    yield node
    for block in ("body", "handlers", "orelse", "finalbody", "cases"):
        for statement in getattr(node, block, ()):
            yield from _statements(statement)


@cache
def _imports(path: Path) -> frozenset[Path]:
    """Library files that a file's import statements name."""
    found: set[Path] = set()
    for node in _statements(_tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from triphase.demo import grammar` may name a module as well as something inside one.
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == LIBRARY.name:
                # What the packages on the way hold runs as well.
                for depth in range(1, len(parts) + 1):
                    base = LIBRARY.joinpath(*parts[1:depth])
                    found.update(file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file())
    return frozenset(found)


@cache
def _code(path: Path) -> str:
    """Digest of the syntax tree of a module, without docstrings, and of the other files of a package, its templates."""
    tree = _tree(path)
    for node in _statements(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and body and _is_text(body[0]):
            node.body = body[1:]
    beside = sorted(path.parent.iterdir()) if path.name == "__init__.py" else []
    files = [file.read_bytes() for file in beside if file.is_file() and file.suffix != ".py"]
    return hashlib.sha256(b"".join([ast.dump(tree).encode(), *files])).hexdigest()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
