"""Registries that users can add to without changing the library: entries by name, each described by one dataclass."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, ClassVar, Generic, NamedTuple, NoReturn, TypeVar

from triphase.core.errors import InputError
from triphase.core.folders import LIBRARY

Entry = TypeVar("Entry")
Function = TypeVar("Function", bound=Callable[..., Any])


class Place(NamedTuple):
    """The file and line that added an entry."""

    file: str
    line: int

    def __str__(self) -> str:
        path = Path(self.file)
        inside = path.is_relative_to(LIBRARY)
        return f"{path.relative_to(LIBRARY.parent) if inside else path}, line {self.line}"


class RegistrationError(InputError):
    """An entry that cannot be added; the message begins with the file and line that tried to."""


class Registry(Mapping[str, Entry], Generic[Entry]):
    """Entries by name, in the order in which they were added.

    Parameters
    ----------
    kind : str, what messages call an entry
    entry : a dataclass with `name` and `function`; a field without a default must be given and not be empty, and so
        must the function of an entry from outside the library
    package : str, optional
        Package whose modules add the library's own entries. They are imported when the registry is first read, which
        Snakemake does at every start: such a module must be cheap to import.
    described_in : str, optional
        Module that adds descriptions of the library's own entries, whose functions it does not hold. It is imported
        likewise, but is no part of the code that jobs rerun for.
    """

    every: ClassVar[list["Registry[Any]"]] = []

    def __init__(
        self, kind: str, entry: Callable[..., Entry], package: str | None = None, described_in: str | None = None
    ):
        self.kind, self.entry, self.package, self.described_in = kind, entry, package, described_in
        self.places: dict[str, Place] = {}
        self._entries: dict[str, Entry] = {}
        self.every.append(self)

    def add(self, **values: Any) -> Entry:
        """Add one entry from the values of its fields and return it.

        Raises
        ------
        RegistrationError : a field that is missing, empty or unknown, or a name that is taken
        """
        return self._add(values, _caller())

    def register(self, **values: Any) -> Callable[[Function], Function]:
        """Decorator that adds the function or class below it as the `function` of an entry with these other fields."""
        place = _caller()

        def decorate(function: Function) -> Function:
            self._add({**values, "function": function}, place)
            return function

        return decorate

    def find(self, name: str, where: str) -> Entry:
        """The entry of this name; InputError, beginning with `where`, that names the others when there is none."""
        if name not in self:
            near = get_close_matches(str(name), self, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{where}: there is no {self.kind} {name!r}; there are {', '.join(sorted(self))}{hint}")
        return self[name]

    def fill(self) -> None:
        """Import the modules that add the library's own entries, once."""
        package, described_in, self.package, self.described_in = self.package, self.described_in, None, None
        if described_in:
            import_module(described_in)
        if package:
            for module in iter_modules(import_module(package).__path__):
                import_module(f"{package}.{module.name}")

    def withdraw(self, file: str) -> None:
        """Take out the entries that a file has added."""
        for name in [name for name, place in self.places.items() if place.file == file]:
            del self.places[name], self._entries[name]

    def __getitem__(self, name: str) -> Entry:
        self.fill()
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        self.fill()
        return iter(self._entries)

    def __len__(self) -> int:
        self.fill()
        return len(self._entries)

    def _add(self, values: dict[str, Any], place: Place) -> Entry:
        def refuse(reason: str) -> NoReturn:
            raise RegistrationError(f"{place}: the {self.kind} {values.get('name') or 'without a name'!r} {reason}")

        known = {field.name: field for field in fields(self.entry)}  # type: ignore[arg-type]
        if unknown := sorted(set(values) - set(known)):
            refuse(f"has no field {', '.join(map(repr, unknown))}; its fields are {', '.join(known)}")
        needed = [name for name, field in known.items() if field.default is field.default_factory is MISSING]
        if not Path(place.file).is_relative_to(LIBRARY) and "function" not in needed:
            needed.append("function")  # the library may describe apart what it does, a user's entry is whole
        if lacking := [f"its {name}" for name in needed if values.get(name) in (None, "")]:
            refuse(f"lacks {' and '.join(lacking)}")
        if values.get("function") is not None and not callable(values["function"]):
            refuse(f"has {values.get('function')!r} as its function, which cannot be called")
        name = values["name"]
        if not Path(place.file).is_relative_to(LIBRARY):
            self.fill()  # so that of two entries of a name it is the user's that is refused
        if name in self._entries:
            refuse(f"has the name of the one at {self.places[name]}; give one of them another name")
        entry = self._entries[name] = self.entry(**values)
        self.places[name] = place
        return entry


def _caller() -> Place:
    frame = sys._getframe(2)
    return Place(frame.f_code.co_filename, frame.f_lineno)
