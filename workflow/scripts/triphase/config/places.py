"""Where a value of the config stands: file and line, or the command line."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from triphase.core.errors import InputError

MERGE = "tag:yaml.org,2002:merge"
READ_AS = {
    "tag:yaml.org,2002:bool": "true or false",
    "tag:yaml.org,2002:timestamp": "a date",
    "tag:yaml.org,2002:null": "null",
}
BASE_60, BASE_8 = re.compile(r"[-+]?\d[\d_]*(:[0-5]?\d)+(\.[\d_]*)?"), re.compile(r"[-+]?0[0-7_]+")
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
            found.append((depth, rank, line, f"{short_path(file)}, line {line}"))
        depth, rank, line, text = max(found)
        only = str(short_path(self.files[0])) if len(self.files) == 1 else ""
        return (rank, line, text) if depth else (len(self.files), 0, only)

    def surprises(self) -> Problems:
        """What YAML would silently take for something else than it looks like: path and message.

        Keys that a mapping of one file has twice, of which the last would count; numbers in base 60 (3:20) or 8 (010).
        """
        nodes = [_composed(file) for file in self.files]
        return [mistake for node in nodes for mistake in (*_repeated(node, ()), *_other_bases(node, ()))]

    def read_as(self, path: Place) -> str:
        """A remark where the text of a value looks like one thing and was read as another: no, 2024-01-01."""
        rank, *_ = self.place(path)
        node = _node(_composed(self.files[rank]), path) if rank < len(self.files) else None
        if node is None or node.id != "scalar" or node.style:
            return ""
        kind = READ_AS.get(node.tag)
        if kind is None or node.value.lower() in ("true", "false", "null"):
            return ""
        return f" (YAML reads {node.value or 'nothing'} as {kind}; put text in quotes)"


def _composed(file: Path) -> Any:
    """The nodes of a file; None where it cannot be read so: a template, or what Snakemake has refused already."""
    import yaml

    try:
        text = Path(file).read_bytes().decode("utf-8")
        return yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None


def short_path(file: str | Path) -> Path:
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


def _node(node: Any, path: Place) -> Any:
    """The YAML node of a path; None where there is none."""
    for part in path:
        if node is None or (found := _child(node, part)) is None:
            return None
        _, node = found
    return node


def _other_bases(node: Any, path: Place) -> Iterator[tuple[Place, str]]:
    """Plain numbers of a YAML node that are in another base than they look like."""
    if node is None:
        return
    if node.id == "scalar":
        for pattern, why in ((BASE_60, "colons for base 60"), (BASE_8, "a leading 0 for base 8")):
            if not node.style and node.tag.endswith((":int", ":float")) and pattern.fullmatch(node.value):
                import yaml

                value = yaml.safe_load(node.value)
                where = "/".join(map(str, path))
                yield (
                    path,
                    f"{where}: {node.value} is read as {value} (YAML takes {why}); write {value}, or put it in quotes",
                )
    elif node.id == "sequence":
        for number, entry in enumerate(node.value):
            yield from _other_bases(entry, (*path, number))
    else:
        for key, value in node.value:
            yield from _other_bases(value, (*path, key.value) if key.id == "scalar" else path)


def _child(node: Any, part: str | int) -> Any:
    """Mark and node of one part below a node."""
    if node.id == "mapping":
        for key, value in node.value:
            if key.value == str(part) or (not isinstance(part, str) and _read(key) == part):
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


def _read(key: Any) -> Any:
    """What a plain key that is no text is read as: on as true."""
    import yaml

    return yaml.safe_load(key.value) if key.id == "scalar" and not key.tag.endswith(":str") else None


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
        placed = sorted((*sources.place(path), message + sources.read_as(path)) for path, message in problems)
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
