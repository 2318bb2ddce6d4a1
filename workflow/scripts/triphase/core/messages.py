"""Wording of messages."""

from collections.abc import Iterable


def listed(names: Iterable[str], most: int = 3) -> str:
    """Names joined by commas; of many, the first ones and how many more there are."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
