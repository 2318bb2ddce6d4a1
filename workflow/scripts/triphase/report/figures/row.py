"""What a row of the table of figures says."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Named:
    """A function by its module and name, imported when it is called."""

    module: str
    name: str

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Import the function and call it."""
        return getattr(import_module(self.module), self.name)(*arguments, **keywords)


def always(config: dict) -> bool:
    """Every study has it."""
    return True


@dataclass(frozen=True)
class Figure:
    """One row of the table.

    Attributes
    ----------
    name : begins the name of its files: figures/{name}.png, or figures/{name}_{model}.png
    function : draws it
    inputs : names of RESULTS
    category, label : where the report lists it, and as what
    caption : reStructuredText, with `{model}` and with values of the config, such as `{phases[headline][roi]}`
    settings : paths of values of the config that the function is given, such as "dataset/rois"
    per_model : whether there is one for each model
    page : whether it is a page of HTML, and not a picture
    when : whether a study with this config has it
    """

    name: str
    function: Callable
    inputs: tuple[str, ...]
    category: str
    label: str
    caption: str
    settings: tuple[str, ...] = ()
    per_model: bool = True
    page: bool = False
    when: Callable[[dict], bool] = always

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Those of its files."""
        return ("html",) if self.page else ("png", "svg")

    @property
    def module(self) -> str:
        """Name of the module that draws it."""
        return self.function.module if isinstance(self.function, Named) else self.function.__module__

    @property
    def reference(self) -> str:
        """Its function as module:name."""
        return f"{self.module}:{self.function.name if isinstance(self.function, Named) else self.function.__name__}"

    @property
    def file(self) -> Path:
        """File of that module."""
        spec = find_spec(self.module)
        assert spec and spec.origin  # of a module that is a file
        return Path(spec.origin)
