"""A content digest of a script's own library code, so that editing a module reruns its users and no others.

What is read of a file follows from its text, and is kept between Snakemake's starts: parsing the library takes longer
than the rest of a start.
"""

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from triphase.core.artefacts import read_json, write_json
from triphase.core.errors import InputError
from triphase.core.folders import LIBRARY

# Declarations whose values reach a job as its params: what matters of a change shows there.
DECLARED = (LIBRARY / "config" / "jobs.py",)
# In Snakemake's own folder, where it starts.
KEPT = Path(".snakemake/triphase/digests.json")


@dataclass(frozen=True)
class Source:
    """What a Python file's text says.

    Attributes
    ----------
    names : dotted names of the library that its import statements, inside functions too, name
    registries : the package ("" for none) that fills each registry that it defines
    code : digest of its syntax tree without docstrings
    """

    names: list[str]
    registries: list[str]
    code: str


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
    return any(_source(module).registries for module in _imports(plugin) & _closure(Path(script)))


@cache
def _closure(path: Path) -> frozenset[Path]:
    """Library files that a file imports, directly or through others."""
    seen, todo = set(), [path]
    while todo:
        module = todo.pop()
        # The library's own entries of a registry are imported when it is first read.
        packages = [LIBRARY.joinpath(*package.split(".")[1:]) for package in _source(module).registries if package]
        for file in _imports(module).union(*(package.glob("*.py") for package in packages)):
            if file not in seen and file not in DECLARED:
                seen.add(file)
                todo.append(file)
    return frozenset(seen)


@cache
def _imports(path: Path) -> frozenset[Path]:
    """Library files that a file's import statements name."""
    return frozenset[Path]().union(*map(_named, _source(path).names))


@cache
def _named(name: str) -> frozenset[Path]:
    """Library files that a dotted name stands for: a module and the packages on the way, since what they hold runs."""
    package, _, _ = name.rpartition(".")
    base = LIBRARY.joinpath(*name.split(".")[1:])
    own = {file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()}
    return frozenset(own | (_named(package) if package else set()))


@cache
def _code(path: Path) -> str:
    """Digest of a module's code and of the other files of a package, its templates."""
    beside = sorted(path.parent.iterdir()) if path.name == "__init__.py" else []
    files = [file.read_bytes() for file in beside if file.is_file() and file.suffix != ".py"]
    return hashlib.sha256(b"".join([_source(path).code.encode(), *files])).hexdigest()


@cache
def _source(path: Path) -> Source:
    return _library().get(path) or _read(path.read_bytes())


@cache
def _library() -> dict[Path, Source]:
    """What every file of the library and every script says; of files that are as they were when last read, as kept."""
    texts = {path: path.read_bytes() for path in sorted(LIBRARY.parent.rglob("*.py"))}
    # How a tree is written down differs between versions of Python; and this module may come to read more of it.
    reader = hashlib.sha256(sys.version.encode() + Path(__file__).read_bytes()).digest()
    keys = {path: hashlib.sha256(reader + text).hexdigest() for path, text in texts.items()}
    kept: dict[str, Source] = {}
    with suppress(OSError, ValueError, TypeError, AttributeError):
        kept = {key: Source(**fields) for key, fields in read_json(KEPT).items()}
    sources = {path: kept.get(keys[path]) or _read(text) for path, text in texts.items()}
    if not kept.keys() >= set(keys.values()):
        with suppress(OSError, InputError):
            write_json(KEPT, {keys[path]: asdict(source) for path, source in sources.items()})
    return sources


def _read(text: bytes) -> Source:
    tree = ast.parse(text)
    names = {name for node in _statements(tree) for name in _imported(node) if name.split(".")[0] == LIBRARY.name}
    return Source(sorted(names), _registries(tree), _code_of(tree))


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """A syntax tree's own node and its statements: nine in ten nodes are expressions, of no interest here."""
    yield node
    for block in ("body", "handlers", "orelse", "finalbody", "cases"):
        for statement in getattr(node, block, ()):
            yield from _statements(statement)


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        # `from triphase.demo import grammar` may name a module as well as something inside one.
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def _registries(tree: ast.Module) -> list[str]:
    values = [node.value for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    calls = [call for call in values if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Registry"]
    given = [{keyword.arg: keyword.value for keyword in call.keywords} for call in calls]
    return [ast.literal_eval(keywords["package"]) if "package" in keywords else "" for keywords in given]


def _code_of(tree: ast.Module) -> str:
    for node in _statements(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and body and _is_text(body[0]):
            node.body = body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
