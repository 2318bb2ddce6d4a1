"""NumPy and pandas, imported when something of theirs is first used.

For modules that add to a registry, which Snakemake imports at every start. A module that annotates with their types
needs `from __future__ import annotations`.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any


class LazyModule(ModuleType):
    """A module that is imported when an attribute of it is first asked for."""

    def __getattr__(self, name: str) -> Any:
        value = getattr(import_module(self.__name__), name)
        setattr(self, name, value)
        return value


__all__ = ["np", "pd"]

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
else:
    np, pd = LazyModule("numpy"), LazyModule("pandas")
