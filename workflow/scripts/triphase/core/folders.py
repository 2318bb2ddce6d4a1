"""Where the library and the project that it belongs to lie."""

from pathlib import Path

LIBRARY = Path(__file__).parents[1]
PROJECT = LIBRARY.parents[2]


def placed(path: str | Path) -> Path:
    """A path of the config: a relative one counts from the working directory, then from the project."""
    return Path(path) if Path(path).exists() or not (PROJECT / path).exists() else PROJECT / path
