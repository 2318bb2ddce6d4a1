"""Files of the config as Snakemake reads them: of one that cannot be read it is said which, where and why.

Snakemake imports this at every start, so nothing heavy is imported here.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from triphase.config.places import short_path
from triphase.core.errors import InputError, one_line

# Levels and values of a config: far beyond any study, and what everything that reads it can bear.
DEEPEST, MOST = 60, 1_000_000
Loader = Callable[[str | Path], dict[str, Any]]


def told_by_name(load: Loader) -> Loader:
    """A reader of config files that says which file is wrong, in which line, and what would be right.

    Parameters
    ----------
    load : Snakemake's reader, whose messages name no file
    """

    def load_config(path: str | Path) -> dict[str, Any]:
        try:
            config = load(path)
        except Exception as error:  # a template raises what it likes
            raise InputError(f"{short_path(path)}{_reason(Path(path), error)}") from None
        check_extent(config, str(short_path(path)))
        return config

    return load_config


def check_extent(config: Mapping[str, Any], where: str) -> None:
    """InputError where a config holds itself, or anchors or brackets make it larger than anything can read.

    Parameters
    ----------
    where : file, or what else the message begins with
    """
    known: dict[int, tuple[int, int]] = {}

    def extent(node: Any, within: tuple[int, ...]) -> tuple[int, int]:
        """Values and levels of a node; each is counted as often as it stands there, but looked at once."""
        if not isinstance(node, Mapping | list):
            return 1, 0
        if id(node) in within:
            raise InputError(f"{where}: a value holds itself, by an anchor like `a: &x [*x]`; take the anchor out")
        if id(node) not in known and len(within) <= DEEPEST:
            entries = node.values() if isinstance(node, Mapping) else node
            inner = [extent(entry, (*within, id(node))) for entry in entries]
            known[id(node)] = 1 + sum(size for size, _ in inner), 1 + max((levels for _, levels in inner), default=0)
        return known.get(id(node), (1, DEEPEST))

    size, levels = extent(config, ())
    if size > MOST or levels > DEEPEST:
        raise InputError(
            f"{where}: {size} values in {levels} levels; at most {MOST} in {DEEPEST} are read: is there an anchor of "
            "anchors, or a bracket that is never closed?"
        )


def _reason(path: Path, error: Exception) -> str:
    """What stands behind the name of a file that could not be read."""
    import yaml

    try:
        raw = path.read_bytes()
    except OSError as reason:
        return f": cannot be read ({reason.strerror}); --configfile takes paths of YAML files"
    try:
        content = yaml.safe_load(raw.decode("utf-8"))
    except UnicodeDecodeError as reason:
        line = raw[: reason.start].count(b"\n") + 1
        return f", line {line}: the byte 0x{raw[reason.start]:02x} is no UTF-8; save the file as UTF-8"
    except yaml.MarkedYAMLError as reason:
        mark = reason.problem_mark or reason.context_mark
        tab = "; indent with spaces, not tabs" if "\\t" in str(reason.problem) else ""
        return (
            f"{f', line {mark.line + 1}' if mark else ''}: not YAML ({one_line(reason.problem)}){tab}; put text with "
            "signs like : # [ { & * ! in quotes, and indent what belongs together alike"
        )
    except RecursionError:
        return f": more than {DEEPEST} levels; is there a bracket that is never closed?"
    except Exception as reason:
        return f": not YAML ({one_line(reason)}); remove that sign or value"
    if not isinstance(content, dict):
        held = "nothing" if content is None else f"one {type(content).__name__}"
        return f": it holds {held}, and must hold keys with values, like `study: mine`"
    return (
        f": as a template (__use_yte__) it fails: {type(error).__name__}: {one_line(error)}; mend it, or leave it out"
    )
