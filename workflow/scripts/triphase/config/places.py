"""Where a value of the config stands: file and line, or the command line."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from triphase.core.errors import InputError

MERGE = "tag:yaml.org,2002:merge"
Place = tuple[str | int, ...]
Problems = list[tuple[Place, str]]


class Mistakes(InputError):
    """Several mistakes at once, each as the path of its key and a message that begins with it."""

    def __init__(self, problems: Problems):
        super().__init__("\n".join(message for _, message in problems))
        self.problems = problems


@dataclass(frozen=True)
class Sources:
    """Files that a config was merged from, later ones over earlier ones, and what the command line said over them.

    files : paths of YAML or JSON files; arguments : of `--config` or a profile's `config:`
    """

    files: Sequence[Path] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def place(self, path: Place) -> tuple[int, int, str]:
        """Where a key was last said, as (rank of its source, line, text).

        Parts of `path` are keys, and numbers or names of entries. Of a path that is only there in part (a key that is
        missing, a value that is a default) it is the place of that part; of one that no source has, the only file, if
        there is but one.
        """
        found = [(_depth(self.arguments, path), len(self.files), 0, "--config")]
        for rank, file in enumerate(self.files):
            depth, line = _line(_composed(file), path)
            found.append((depth, rank, line, f"{_short(file)}, line {line}"))
        depth, rank, line, text = max(found)
        only = str(_short(self.files[0])) if len(self.files) == 1 else ""
        return (rank, line, text) if depth else (len(self.files), 0, only)

    def repeated(self) -> Problems:
        """Keys that a mapping of one file has twice, of which YAML would silently take the last: path and message."""
        return [mistake for file in self.files for mistake in _repeated(_composed(file), ())]


def _composed(file: Path) -> Any:
    """The nodes of a file; None where it cannot be read so: a template, or what Snakemake has refused already."""
    import yaml

    try:
        text = Path(file).read_bytes().decode("utf-8")
        return yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None


def _short(file: Path) -> Path:
    """A path as the user would type it."""
    file = Path(file)
    return file.relative_to(Path.cwd()) if file.is_absolute() and file.is_relative_to(Path.cwd()) else file


def _depth(value: Any, path: Place) -> int:
    """How many parts of a path a value has."""
    for depth, part in enumerate(path):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and (entry := _entry(value, part)) is not None:
            value = entry
        else:
            return depth
    return len(path)


def _entry(values: list[Any], part: str | int) -> Any:
    if isinstance(part, int):
        return values[part] if part < len(values) else None
    return next((entry for entry in values if isinstance(entry, Mapping) and entry.get("name") == part), None)


def _line(node: Any, path: Place) -> tuple[int, int]:
    """How many parts of a path a YAML node has, and the line of the last of them, from 1."""
    depth, line = 0, 0
    for part in path:
        if node is None or (found := _child(node, part)) is None:
            break
        mark, node = found
        depth, line = depth + 1, mark.line + 1
    return depth, line


def _child(node: Any, part: str | int) -> Any:
    """Mark and node of one part below a node."""
    if node.id == "mapping":
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark, value
        for key, value in node.value:  # what an anchor brings along
            if key.tag == MERGE:
                for merged in value.value if value.id == "sequence" else [value]:
                    if found := _child(merged, part):
                        return found
    if node.id == "sequence":
        for number, entry in enumerate(node.value):
            name = _child(entry, "name") if entry.id == "mapping" else None
            if number == part or (name and name[1].value == part):
                return entry.start_mark, entry
    return None


def _repeated(node: Any, path: Place) -> Iterator[tuple[Place, str]]:
    if node is None or node.id == "scalar":
        return
    if node.id == "sequence":
        for number, entry in enumerate(node.value):
            name = _child(entry, "name") if entry.id == "mapping" else None
            yield from _repeated(entry, (*path, name[1].value if name else number))
        return
    first: dict[str, Any] = {}
    for key, value in node.value:
        if key.id != "scalar":
            continue
        place = (*path, key.value)
        if key.value in first and key.tag != MERGE:
            lines = f"{first[key.value].line + 1} and {key.start_mark.line + 1}"
            yield place, f"{'/'.join(map(str, place))}: the key stands twice, in lines {lines}; keep one of them"
        first.setdefault(key.value, key.start_mark)
        yield from _repeated(value, place)


def refuse(problems: Problems, sources: Sources) -> None:
    """InputError with one line for each of some mistakes, each with its place, in the order of the files."""
    if problems:
        placed = sorted((*sources.place(path), message) for path, message in problems)
        lines = list(dict.fromkeys(f"{text}: {message}" if text else message for *_, text, message in placed))
        raise InputError("\n".join([f"{len(lines)} mistakes", *lines] if len(lines) > 1 else lines))


class Collected:
    """Results of functions that may refuse, whose refusals are raised together."""

    def __init__(self, sources: Sources):
        self.sources = sources
        self.problems: Problems = []

    def value(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """What a function returns; None where it raises an InputError, whose message begins with the key."""
        try:
            return function(*arguments, **options)
        except Mistakes as error:
            self.problems += error.problems
        except InputError as error:
            self.problems.append((tuple(str(error).split(": ")[0].split("/")), str(error)))

    def refuse(self) -> None:
        """InputError with all that were refused."""
        refuse(self.problems, self.sources)
