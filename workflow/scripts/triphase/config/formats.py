"""What a reader of responses and a format of transcripts both declare, for checks of the registry of data sets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, eq=False)
class Format:
    """How files of one kind are read.

    Attributes
    ----------
    name : str, as the registry of data sets says it
    function : what reads them; see the subclass
    suffixes : ends of the names of such files, in any case; none: any
    needs : type of each key that an entry of the registry must have to be read so
    accepts : type of each other key that only such entries may have
    check : function of an entry whose keys are right: what else is wrong with it, or None

    A type is written as text, in Python's notation and with the names of `triphase.config.schema.registries`, such as
    "Text", "Names", "Literal[0, 1]" or "Positive | None".
    """

    name: str
    function: Callable[..., Any]
    suffixes: tuple[str, ...] = ()
    needs: Mapping[str, str] = field(default_factory=dict)
    accepts: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[Mapping[str, Any]], str | None] = lambda entry: None

    def keys(self) -> dict[str, str]:
        """The type of every key of its own."""
        return {**self.needs, **self.accepts}
