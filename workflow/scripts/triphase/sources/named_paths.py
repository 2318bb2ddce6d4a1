"""Every path that a study's config names is there: said before any job, of a finished study too.

Snakemake imports this at every start, so nothing heavy is imported here.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from triphase.config.places import Problems, Sources, refuse
from triphase.core.folders import placed
from triphase.core.types import Section
from triphase.sources.local_data import below_local_data, reading_paths

# A URL, or git's `host:path`; anything else that a data set is cloned from is a folder.
REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|[^/]+@[^/]+:|[A-Za-z0-9.-]{2,}:(?!/)|///")


def check_named_paths(config: Section, sources: Sources) -> None:
    """InputError with a line for each path of a resolved config where there is nothing: place, key and what to do.

    Files of the user's own folder, task data, plugins and registries are looked for where they are read.
    """
    trouble: Problems = []
    for key, path, what, otherwise in _named(config):
        place = placed(path)
        found = {"folder": place.is_dir, "repository": place.exists, "file": place.is_file}[what]()  # or a git bundle
        if not found:
            where = "" if place.is_absolute() else f" in {Path.cwd()}"
            trouble.append(
                (tuple(key.split("/")), f"{key}: there is no {what} {path!r}{where}; put it there, or {otherwise}")
            )
    refuse(trouble, sources)


def _named(config: Section) -> Iterator[tuple[str, str, str, str]]:
    """Key, path, what must be there, and what to do else."""
    if config["local_data"]:
        yield (
            "local_data",
            config["local_data"],
            "folder",
            "name your folder here or in TRIPHASE_TEST_DATA",
        )
    for model in config["models"]:
        if model.get("cache_dir"):
            otherwise = "leave the key out to use your own Hugging Face cache and downloads"
            yield f"models/{model['name']}/cache_dir", model["cache_dir"], "folder", otherwise
    for folder in config["tasks"]["include_path"]:
        yield "tasks/include_path", folder, "folder", "take it out of the list; `resources/tasks` is what ships"
    unseen = (config["states"]["mechanism"] or {}).get("unseen")
    if unseen and not below_local_data(unseen):
        yield "states/mechanism/unseen", unseen, "file", "set null: surprisal is then compared with no other text"
    for path in reading_paths(config["states"]["reading"]):
        if not below_local_data(path):
            otherwise = "set states/reading to null: psychometric power is then not measured"
            yield "states/reading", path, "file", otherwise
    vectors = (config["encoding"]["static"] or {}).get("vectors")
    if vectors and not below_local_data(vectors):
        yield "encoding/static/vectors", vectors, "file", "set null: the model's own layer 0"
    url = config["dataset"]["url"]
    if url and not config["dataset"]["simulate"] and not REMOTE.match(url):
        yield "dataset/overrides/url", url.removeprefix("file://"), "repository", "give the data set's address"
