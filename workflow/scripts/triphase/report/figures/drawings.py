"""The figures of one study: the rows of the table that it has, for all models or for the whole."""

from dataclasses import dataclass
from difflib import get_close_matches
from functools import reduce
from typing import Any

from triphase.core.errors import InputError
from triphase.report.figures.row import Figure
from triphase.report.figures.table import FIGURES, RESULTS


@dataclass(frozen=True)
class Drawing:
    """A figure of one study, or of one of its models.

    Attributes
    ----------
    figure : its row
    inputs : paths by the names of its inputs
    arguments : what its function is given beside them
    caption : its text
    labels : how the report lists it
    """

    figure: Figure
    inputs: dict[str, str | list[str]]
    arguments: dict[str, Any]
    caption: str
    labels: dict[str, str]


def drawings(config: dict) -> dict[str, Drawing]:
    """All figures that a study has, by the name of their files without its suffix.

    Parameters
    ----------
    config : the resolved config

    Raises
    ------
    InputError : a row that names what there is not, with its file and line
    """
    drawn: dict[str, Drawing] = {}
    for figure in FIGURES.values():
        if not figure.when(config):
            continue
        for model in [model["name"] for model in config["models"]] if figure.per_model else [None]:
            name = f"{figure.name}_{model}" if model else figure.name
            if name in drawn:
                raise _error(figure, f"would be drawn as {name}, as is the figure {drawn[name].figure.name!r}")
            drawn[name] = _drawing(figure, {"model": model} if model else {}, config)
    return drawn


def files_of(drawn: dict[str, Drawing]) -> list[list[str]]:
    """Of each figure: its file as a path within the results, how it is listed, and its category."""
    return [
        [f"figures/{name}.{each.figure.suffixes[0]}", ", ".join(each.labels.values()), each.figure.category]
        for name, each in drawn.items()
    ]


def _drawing(figure, given, config):
    if not figure.function.__qualname__.isidentifier():
        raise _error(figure, "has a function that its job does not find; define it at the top level of its file")
    arguments, inputs = {}, {name: _path(figure, name, given, config) for name in figure.inputs}
    for path in figure.settings:
        try:
            arguments[path.split("/")[-1]] = reduce(lambda section, key: section[key], path.split("/"), config)
        except (LookupError, TypeError):
            raise _error(figure, f"has the setting {path!r}, which is not in the config") from None
    try:
        caption = " ".join(figure.caption.format_map({**config, **given}).split())
    except (LookupError, TypeError, ValueError) as error:
        raise _error(figure, f"has a caption that cannot be filled in: {type(error).__name__} {error}") from None
    # Where others of its category are of one model each, it is of all.
    of_models = any(other.per_model for other in FIGURES.values() if other.category == figure.category)
    labels = {"figure": figure.label} | ({"model": given.get("model", "all")} if of_models else {})
    return Drawing(figure, inputs, arguments | given, caption, labels)


def _path(figure, name, given, config):
    if name not in RESULTS:
        near = get_close_matches(name, RESULTS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise _error(figure, f"reads {name!r}; {hint}there are {', '.join(RESULTS)}")
    path = f"results/{config['study']}/{RESULTS[name]}"
    if "{subject}" in path:
        return [path.format(subject=subject["name"]) for subject in config["dataset"]["subjects"]]
    if "{every_model}" in path:
        return [path.format(every_model=model["name"]) for model in config["models"]]
    if "{model}" in path and not given:
        raise _error(figure, f"reads {name!r}, which there is for each model, and is itself one of the whole study")
    return path.format(**given)


def _error(figure, reason):
    return InputError(f"{FIGURES.places[figure.name]}: the figure {figure.name!r} {reason}")
