"""A content digest of a script's own library code, so that editing a module reruns its users and no others."""

import ast
import hashlib
from functools import cache
from pathlib import Path

LIBRARY = Path(__file__).parents[1]
# Declarations whose values reach a job as its params: what matters of a change shows there.
DECLARED = (LIBRARY / "config" / "jobs.py",)


def script_digest(script):
    """Digest of every library module that `script` imports, directly or through other modules.

    Comments, docstrings and layout do not count: the digest is over the syntax trees. Imports inside functions count.

    Parameters
    ----------
    script : path of a Python file

    Returns
    -------
    str of 16 hex digits
    """
    seen, todo = set(), [Path(script)]
    while todo:
        for module in _imports(todo.pop()):
            if module not in seen and module not in DECLARED:
                seen.add(module)
                todo.append(module)
    lines = (f"{module.relative_to(LIBRARY)} {_code(module)}" for module in sorted(seen))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@cache
def _tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def _statements(node):
    """A syntax tree's own node and its statements: nine in ten nodes are expressions, of no interest here."""
    yield node
    for block in ("body", "handlers", "orelse", "finalbody", "cases"):
        for statement in getattr(node, block, ()):
            yield from _statements(statement)


@cache
def _imports(path):
    """Library files that a file's import statements name."""
    found = set()
    for node in _statements(_tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
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
def _code(path):
    """Digest of the syntax tree of a module, without docstrings."""
    tree = _tree(path)
    for node in _statements(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and body and _is_text(body[0]):
            node.body = body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_text(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
