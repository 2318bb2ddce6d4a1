"""Paths of the config that lie in the user's own folder: "{local_data}/texts/new.txt"."""

LOCAL = "{local_data}/"


def below_local_data(path: str | None) -> str | None:
    """What a path names in the user's own folder; None where it names nothing there."""
    return path.removeprefix(LOCAL) if path and path.startswith(LOCAL) else None


def whole_path(path: str, folder: str | None) -> str:
    """A path with the user's own folder put in."""
    return f"{folder}/{path.removeprefix(LOCAL)}" if path.startswith(LOCAL) else path
