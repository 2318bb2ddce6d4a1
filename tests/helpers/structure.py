"""What the library and the rules are made of, read from their files: imports, arguments, lines."""

import ast
import re
from pathlib import Path

from project import ROOT

LIBRARY_ROOT = ROOT / "workflow/scripts/triphase"
# A package imports those above it, and itself.
ORDER = [
    "core",
    "config",
    "stats",
    "sources",
    "stimuli",
    "responses",
    "checkpoints",
    "activations",
    "encoding",
    "states",
    "tasks",
    "table",
    "phases",
    "planning",
    "report",
    "demo",
    "synthesis",
    "api",
    "command",
]
SCRIPTS = sorted((ROOT / "workflow/scripts").glob("*.py"))
LIBRARY = sorted(LIBRARY_ROOT.rglob("*.py"))
RULES = sorted((ROOT / "workflow/rules").glob("*.smk"))
MOST_ARGUMENTS = 7


def modules():
    """Every module of the library by its dotted name, a package's `__init__` by the package's."""
    named = {}
    for path in LIBRARY:
        parts = path.relative_to(LIBRARY_ROOT.parent).with_suffix("").parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


def imported_modules(path, named):
    """Names of the library's modules that a module imports, anywhere in it; `named` are all."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & set(named) or {node.module}
    return {name for name in found if name in named}


def against_order(path):
    """Packages that a module of the library imports although they are not above its own."""
    package = path.relative_to(LIBRARY_ROOT).parts[0]
    if package == "__init__.py":
        return set()
    above = ORDER[: ORDER.index(package) + 1]
    imported = {name.split(".")[1] for name in imported_modules(path, modules()) if "." in name}
    return imported - set(above)


def imports():
    """The library's modules that each of them imports."""
    named = modules()
    return {name: imported_modules(path, named) - {name} for name, path in named.items()}


def in_circles(graph):
    """Modules that lie in a circle of imports, or between two; `graph`: the modules that each imports."""
    while True:
        imported = set().union(*graph.values())
        # What imports nothing that is left, or is imported by nothing, is in no circle.
        out = {name for name, others in graph.items() if not others or name not in imported}
        if not out:
            return sorted(graph)
        graph = {name: others - out for name, others in graph.items() if name not in out}


def functions(path):
    """Names of a module's functions and methods, each with its number of arguments; `self` and `cls` do not count."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            yield node.name, sum(argument.arg not in ("self", "cls") for argument in arguments)


def unannotated(path):
    """Names of a module's public functions and methods that lack the type of an argument or of what they return."""
    return [name for node, name in _public(ast.parse(path.read_text()).body) if _lacks_type(node)]


def _public(body, prefix=""):
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public(node.body, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef) and (node.name == "__init__" or not node.name.startswith("_")):
            yield node, prefix + node.name


def _lacks_type(function):
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, [given.vararg, given.kwarg])]
    typed = all(argument.annotation or argument.arg in ("self", "cls") for argument in named)
    return not typed or (function.returns is None and function.name != "__init__")


def skipped_formats(path):
    """Lines of a Python file where formatting is skipped for another thing than a matrix of numbers."""
    text = path.read_text()
    marked = {number for number, line in enumerate(text.splitlines(), 1) if line.rstrip().endswith("# fmt: skip")}
    statements = (
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt) and not hasattr(node, "body")
    )
    matrices = {node.end_lineno for node in statements if any(map(_is_matrix, ast.walk(node)))}
    return sorted(marked - matrices)


def _is_matrix(node):
    return isinstance(node, ast.List | ast.Tuple) and len(node.elts) > 1 and all(map(_is_row, node.elts))


def _is_row(node):
    return isinstance(node, ast.List | ast.Tuple) and all(
        isinstance(leaf, ast.UnaryOp | ast.USub | ast.Load)
        or (isinstance(leaf, ast.Constant) and isinstance(leaf.value, int | float))
        for element in node.elts
        for leaf in ast.walk(element)
    )


def lines(paths):
    """Number of lines of files, as `wc -l` counts them."""
    return sum(Path(path).read_bytes().count(b"\n") for path in paths)


def rules():
    """Names and bodies of all rules of the rule files."""
    for path in RULES:
        for _, name, body in re.findall(r"^( *)rule (\w+):\n((?:\1 {4}.*\n|\n)+)", path.read_text(), flags=re.M):
            yield name, body
