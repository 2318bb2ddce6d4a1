"""What the typed sections of the config are made of: keys that explain themselves, and common types."""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic_core import core_schema

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
# Names become parts of file names, two of them of one, and a file system takes 255 bytes.
LONGEST_NAME = 100
OURS = "[ours]"
MISSING: Any = ...


class Section(BaseModel):
    """A section of the config: only its keys are allowed, and values are taken as written (10.0 is no integer)."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=())


class Entry(Section):
    """An entry of a list, such as a model. A key that it does not give stays away, where a section's would be null."""

    @model_serializer(mode="wrap")
    def _given(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in serialize(self).items() if value is not None}


def key(
    default: Any, meaning: str, why: str = "", *, unit: str = "", example: Any = None, mark: str = "", **bounds: Any
) -> Any:
    """Describe a key of a section; see `triphase.config.generate` for what is made of it.

    Parameters
    ----------
    default : value; MISSING where a study has to give the key
    meaning : what the key says, in a sentence or a few
    why : reason of the default
    unit : of the values
    example : a value, where the default shows none
    mark : OURS, or a citation: where the choice comes from
    bounds : as of `pydantic.Field`, and its `alias`
    """
    facts = {"why": why, "unit": unit, "mark": mark}
    return Field(
        default,
        description=meaning,
        examples=None if example is None else [example],
        json_schema_extra={name: text for name, text in facts.items() if text},
        **bounds,
    )


def bounded(least: float, most: float, reason: str) -> Any:
    """Bounds of a number, both included, and the reason of the upper one, which messages give."""
    return Field(ge=least, le=most, json_schema_extra={"bound": reason})


def section(kind: type[Section]) -> Any:
    """A section of the config that a study need not mention."""
    return Field(default_factory=kind)


class Unique:
    """Marks a list whose entries differ."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Check after the list itself."""
        return core_schema.no_info_after_validator_function(_differ, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The same for editors."""
        return handler(schema) | {"uniqueItems": True}


def _differ(values: list[Any]) -> list[Any]:
    if twice := [value for place, value in enumerate(values) if value in values[:place]]:
        raise ValueError(f"must not repeat an entry: {twice[0]!r}")
    return values


def _no_parent(revision: str) -> str:
    if ".." in revision:
        raise ValueError("must not hold '..'")
    return revision


Text = Annotated[str, Field(min_length=1)]
Name = Annotated[
    str, Field(pattern=NAME, max_length=LONGEST_NAME, title=f"name (letters, digits, . _ -, at most {LONGEST_NAME})")
]
Repository = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$",
        title="repository name (organisation/name)",
    ),
]
Revision = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._/+-]*$",
        title="branch, tag or commit (letters, digits, and . _ / + - after the first, but not ..)",
    ),
    AfterValidator(_no_parent),
]
Commit = Annotated[str, Field(pattern="^[0-9a-f]{40}$", title="commit (40 digits of 0-9 and a-f)")]
Device = Annotated[
    str,
    Field(pattern=r"^(auto|cpu|mps|(cuda|xpu)(:\d+)?)$", title="device (auto, cpu, mps, cuda, cuda:0, xpu, xpu:0, …)"),
]
Language = Annotated[str, Field(pattern="^[a-z]{2}$", title="language (two letters)")]
Whole = Annotated[int, bounded(0, 2**53, "larger ones are not exact in JSON")]
Count = Annotated[int, bounded(1, 2**53, "larger ones are not exact in JSON")]
Seed = Annotated[int, bounded(0, 2**32 - 1, "what random generators take")]
Positive = Annotated[float, Field(gt=0, le=1e18)]
NotNegative = Annotated[float, Field(ge=0, le=1e18)]
Share = Annotated[float, Field(ge=0, le=1)]
InnerShare = Annotated[float, Field(gt=0, lt=1)]
Names = Annotated[list[Name], Unique()]
SomeNames = Annotated[Names, Field(min_length=1)]
Texts = Annotated[list[Text], Unique()]
