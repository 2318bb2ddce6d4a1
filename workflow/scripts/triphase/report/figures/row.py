"""What a row of the table of figures says."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path


def named(module: str, name: str) -> Callable:
    """A function by its module and name, imported when it is called."""

    def call(*arguments, **keywords):
        return getattr(import_module(module), name)(*arguments, **keywords)

    call.__module__, call.__name__, call.__qualname__ = module, name, name
    return call


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
        return ("html",) if self.page else ("png", "svg", "pdf")

    @property
    def reference(self) -> str:
        """Its function as module:name."""
        return f"{self.function.__module__}:{self.function.__qualname__}"

    @property
    def file(self) -> Path:
        """File of the function's module."""
        spec = find_spec(self.function.__module__)
        assert spec and spec.origin  # of a module that is a file
        return Path(spec.origin)
