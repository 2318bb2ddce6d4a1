"""A study as its rules see it: models and checkpoints in order, what is compared, which of the user's files are read.

Snakemake imports this at every start, so nothing heavy is imported here.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from triphase.config.files import check_extent
from triphase.config.jobs import settings_values
from triphase.config.lockfile import apply_lock, missing_lines, read_lock
from triphase.config.merging import merged
from triphase.config.modality import modality_of
from triphase.config.places import Sources
from triphase.config.resolve import in_order, resolve_config
from triphase.config.rules import absent_concepts, shortages, tasks_without_group, tokens_seen
from triphase.config.selection import shared_lines, thin_lines
from triphase.core.digest import script_digest
from triphase.core.folders import placed
from triphase.core.plugins import find_plugins, load_plugins
from triphase.core.types import Entries, Section
from triphase.sources.local_data import below_local_data, check_readings, reading_paths
from triphase.sources.manifest import (
    check_local,
    existing_files,
    own_folders,
    paths_of,
    stimulus_files,
    study_files,
    subject_files,
)
from triphase.sources.named_paths import check_named_paths
from triphase.stimuli.frequency import FEATURE, check_language
from triphase.stimuli.vectors import layout
from triphase.tasks import plan

# A function of a job's wildcards.
JobValue = Callable[[Any], Any]


# Of files that were not read; more stand in the data report.
MOST_UNREAD = 5


def job_settings(
    project: str, config: Section, plugins: list[Path], rule: str, calls: JobValue | None, given: Section
) -> JobValue:
    """Param function of a rule, see `Study.settings`."""
    script = Path(project, "workflow/scripts", f"{rule}.py")
    fixed = settings_values(rule, config, **given)
    changing = {name: value for name, value in given.items() if callable(value)}
    if calls:
        changing["code"] = lambda wildcards: script_digest(script, plugins, calls(wildcards))
    else:
        fixed["code"] = script_digest(script, plugins)
    return lambda wildcards: fixed | {name: value(wildcards) for name, value in changing.items()}


@dataclass(frozen=True)
class Study:
    """A resolved config with its lock applied.

    Attributes
    ----------
    project : the folder of the Snakefile
    config : dict, as `triphase.config.resolve.resolve_config` returns it
    models : dict of name to model, with the commits of the lock
    lock_is_named : whether the config names its lock
    """

    project: str
    config: Section
    models: dict[str, Section]
    lock_is_named: bool = False

    @classmethod
    def load(cls, config: Section, project: str, sources: Sources) -> "Study":
        """The study of a config as Snakemake has merged it from its sources, pinned by its lock.

        Raises
        ------
        InputError : a plugin, the config, the lock or the user's own folder is not what it should be
        """
        check_extent(config, "config")
        config = merged(config, sources.arguments)
        lock_is_named = bool(config.get("lock"))
        load_plugins(config.get("plugins", []))  # first, because what they add may be named in the config
        own = config.get("local_data") or os.environ.get("TRIPHASE_TEST_DATA") or None
        config = in_order(resolve_config({**config, "local_data": own}, project, sources))
        models = apply_lock(config["models"], read_lock(config["lock"]), config["integrity"])
        check_named_paths(config, sources)
        if FEATURE in config["encoding"]["nuisance"]:
            check_language(config["dataset"]["words"]["language"])
        for root, folder in own_folders(config["dataset"], own).items():
            check_local(study_files(config, root), folder, config["dataset"].get("local_data_hint"), root)
        study = cls(project, config, {model["name"]: model for model in models}, lock_is_named)
        for path in study.static_vectors():
            layout(path)
        check_readings(study.reading_files())
        assert study.task_jobs is not None  # what is wrong with a task is said before any job
        return study

    @property
    def named_lock_missing(self) -> str:
        """A message where the config names a lock that is not there; empty where it does not, or it is."""
        path = self.config["lock"]
        if self.lock_is_named and not Path(path).is_file():
            remedy = "make it with `snakemake lock_checkpoints`, or leave the key out to pin nothing"
            return f"lock: there is no file {path!r}; {remedy}"
        return ""

    @cached_property
    def plugins(self) -> list[Path]:
        """Paths of the user's own Python files that add to the registries."""
        return find_plugins(self.config["plugins"])

    def settings(self, rule: str, calls: JobValue | None = None, **given: Any) -> JobValue:
        """Param function: what a rule's jobs are told (`triphase.config.jobs`), and a digest of the code that they run.

        It is a function even where no wildcard counts: in a plain value Snakemake fills in what stands in braces.

        Parameters
        ----------
        rule : its name
        calls : the file with the function that a job is told to call
        given : what the config does not say, as values or as functions of the wildcards
            `asked`, the time, makes a rule run whenever it is asked for.
        """
        return job_settings(self.project, self.config, self.plugins, rule, calls, given)

    # ---- the data set

    @cached_property
    def subjects(self) -> dict[str, Section]:
        """Subjects by name."""
        return {subject["name"]: subject for subject in self.config["dataset"]["subjects"]}

    @property
    def source(self) -> Section:
        """The source of the responses."""
        return self.config["dataset"]["source"]

    @property
    def hears_sound(self) -> bool:
        """Whether the sound's envelope is a nuisance feature: only then is the sound fetched."""
        return "envelope" in self.config["encoding"]["nuisance"]

    @property
    def audio(self) -> Section | None:
        """The sound of the stimuli, where it is used."""
        return self.config["dataset"]["audio"] if self.hears_sound else None

    @property
    def stimulus_roots(self) -> list[str]:
        """Where what the study reads of its stimuli lies: in the data set, or in the user's own folder."""
        return [entry["root"] for entry in (self.config["dataset"]["words"], self.audio) if entry]

    @property
    def common_space(self) -> bool | None:
        """Whether listeners can be compared voxel by voxel; None where they cannot be compared at all."""
        return None if modality_of(self.source).by_word else self.source["space"] != "native"

    @property
    def response_roots(self) -> list[str]:
        """Where what the study reads of a subject lies."""
        return [entry["root"] for entry in (self.source, self.config["dataset"]["events"]) if entry]

    @property
    def atlas(self) -> Section | None:
        """The atlas that is fetched; None where regions are the source's own or spheres around coordinates."""
        atlas = self.config["dataset"]["atlas"]
        return atlas if atlas and atlas.get("kind") == "image" else None

    def local_data_if(self, *roots: str) -> str | None:
        """The user's own folder for files that lie there; None for others, which must not rerun when it changes."""
        return self.config["local_data"] if "local_data" in roots else None

    def _own_files(self, root, paths):
        """Files of the user's own folders as inputs, so that replacing one reruns what read it."""
        return existing_files(paths, own_folders(self.config["dataset"], self.config["local_data"]).get(root))

    def own_stimuli(self) -> list[str]:
        """The transcripts and sounds that lie in the user's own folder."""
        sets = stimulus_files(self.config["dataset"]["words"], self.audio, self.config["dataset"]["runs"])
        return [path for root, files in sets for path in self._own_files(root, paths_of(files))]

    def own_responses(self, subject: str) -> list[str]:
        """What lies in the user's own folder of one subject's responses."""
        dataset = self.config["dataset"]
        sets = subject_files(self.source, dataset["events"], self.subjects[subject], dataset["runs"])
        return [path for root, files in sets for path in self._own_files(root, paths_of(files))]

    def unseen_text(self) -> list[str]:
        """Path of the text that surprisal of the stimulus is compared with, in a list that is empty without one."""
        return self._named_file((self.config["states"]["mechanism"] or {}).get("unseen"))

    def static_vectors(self) -> list[str]:
        """Path of the file of the static band's vectors, in a list that is empty where it has none."""
        return self._named_file((self.config["encoding"]["static"] or {}).get("vectors"))

    def _named_file(self, path):
        """A file that the config names as an input; one of the user's own folder is told where it is checked."""
        if below := below_local_data(path):
            return self._own_files("local_data", [below])
        return [str(placed(path))] if path else []

    def reading_files(self) -> list[str]:
        """Files of reading times: the stories, the times, and the counts of words where the config names some."""
        reading, files = self.config["states"]["reading"], list[str]()
        for path in reading_paths(reading):
            below = below_local_data(path)
            files += self._own_files("local_data", [below]) if below else [str(placed(path))]
        return files

    @cached_property
    def task_jobs(self) -> Entries:
        """The tasks of the study, as `triphase.tasks.plan.plan` returns them; InputError as there."""
        tasks = self.config["tasks"]
        return plan.plan(tasks["evaluations"], tasks["adherence"], tasks["include_path"], self.config["local_data"])

    # ---- models and checkpoints

    def text_corpus(self, model: str) -> list[str]:
        """Path of the user's text that a model is trained on, in a list that is empty for other models."""
        corpus = (self.models[model].get("train") or {}).get("corpus") or {}
        return self._own_files("local_data", [corpus["path"]]) if "path" in corpus else []

    @cached_property
    def checkpoints(self) -> dict[str, dict[str, Section]]:
        """Checkpoints by model and name. One that the lock says to be missing has no jobs, and is not among them."""
        return {
            name: {entry["name"]: entry for entry in model["checkpoints"] if "missing" not in entry}
            for name, model in self.models.items()
        }

    @cached_property
    def series(self) -> Entries:
        """Every checkpoint in the order of the config: model, checkpoint, step, tokens, layers."""
        return [
            {
                "model": model,
                "checkpoint": checkpoint,
                "step": entry["step"],
                "tokens": tokens_seen(self.models[model], entry),
                "layers": self.models[model]["layers"],
            }
            for model, entries in self.checkpoints.items()
            for checkpoint, entry in entries.items()
        ]

    def entry(self, model: str, checkpoint: str) -> Section:
        """The entry of `series` of one checkpoint."""
        return next(e for e in self.series if (e["model"], e["checkpoint"]) == (model, checkpoint))

    @cached_property
    def last(self) -> dict[str, str]:
        """The last checkpoint of every model."""
        return {name: list(entries)[-1] for name, entries in self.checkpoints.items()}

    @cached_property
    def turns(self) -> dict[tuple[str, str], int]:
        """Priority of a checkpoint's jobs: all of one before those of the next, so that its weights serve in one go."""
        keys = [(entry["model"], entry["checkpoint"]) for entry in self.series]
        return {key: len(keys) - place for place, key in enumerate(keys)}

    def reference_roles(self, model: str, checkpoint: str) -> dict[str, list[str]]:
        """Checkpoints that one is compared with, each with what it is to it: first, previous, last in the series."""
        names = list(self.checkpoints[model])
        at = names.index(checkpoint)
        places = {"first": 0, "previous": at - 1, "last": len(names) - 1}
        roles: dict[str, list[str]] = {}
        for role in self.config["states"]["references"]:
            if places[role] >= 0 and places[role] != at:
                roles.setdefault(names[places[role]], []).append(role)
        return roles

    @cached_property
    def pairs(self) -> list[dict[str, str]]:
        """Every comparison of two checkpoints: model, checkpoint, reference.

        A comparison sees two of a series, so it joins at the trajectories and not in a checkpoint's own file.
        """
        return [
            {"model": entry["model"], "checkpoint": entry["checkpoint"], "reference": reference}
            for entry in self.series
            for reference in self.reference_roles(entry["model"], entry["checkpoint"])
        ]

    def paths(self, pattern: str) -> list[str]:
        """A path for every checkpoint; `pattern` has {model} and {checkpoint}."""
        return [pattern.format(**entry) for entry in self.series]

    def layer_paths(self, pattern: str, model: str | None = None, checkpoint: str | None = None) -> list[str]:
        """A path for every layer of every checkpoint, of those of one model, or of one checkpoint."""
        return [
            pattern.format(model=entry["model"], checkpoint=entry["checkpoint"], layer=layer)
            for entry in self.series
            if model in (None, entry["model"]) and checkpoint in (None, entry["checkpoint"])
            for layer in entry["layers"]
        ]

    def fitted(self, model: str) -> list[tuple[str, int]]:
        """Checkpoint and layer of every fit of a model, in the order of its `layer_paths`."""
        series = [entry for entry in self.series if entry["model"] == model]
        return [(entry["checkpoint"], layer) for entry in series for layer in entry["layers"]]

    def folder_files(self, model: str, checkpoint: str) -> list[str]:
        """Files of a checkpoint's own folder as inputs; none where it comes from a repository."""
        folder = self.checkpoints[model][checkpoint].get("folder")
        return sorted(str(path) for path in Path(folder).iterdir() if path.is_file()) if folder else []

    def checkpoint_source(self, model: str, checkpoint: str) -> Section:
        """Where a checkpoint comes from: the fields of `triphase.config.jobs.FetchCheckpoint`."""
        about, entry = self.models[model], self.checkpoints[model][checkpoint]
        return {
            "repository": entry.get("repository", about["repository"]),
            "revision": entry.get("revision"),
            "commit": entry.get("commit"),
            "tokenizer_commit": entry.get("tokenizer_commit"),
            # A model that is trained here lies in the study's own repository alone.
            "cache_dir": f"results/{self.config['study']}/demo/hub" if about.get("train") else about.get("cache_dir"),
            "folder": entry.get("folder"),
            "trust_remote_code": about.get("trust_remote_code", False),
        }

    def runs_by_seed(self) -> dict[str, Section]:
        """Group, seed, share of the language of every model, and of which it is a control.

        Runs that differ in their seed alone are one group; a control is one by itself.
        """
        return {
            name: {
                "group": name
                if model.get("seed") is None or model.get("control_of")
                else f"{model['family']}-{model['size']}",
                "control_of": model.get("control_of"),
                "seed": model.get("seed"),
                "language_share": model.get("language_share"),
            }
            for name, model in self.models.items()
        }

    def gaps(self) -> list[str]:
        """Where checkpoints are missing, and where the grid of a model is thin: a curve is blind there."""
        return missing_lines(self.models.values()) + thin_lines(self.models.values())

    def remarks(self) -> list[str]:
        """What the user should know before the first job: what is unverified, missing or too little for a verdict."""
        models, config = self.models.values(), self.config
        unverified = [f"dataset/{line}" for line in config["dataset"]["unverified"]]
        dataset = config["dataset"]
        unread = [f"local_data: not read: {name}" for name in dataset["unread"][:MOST_UNREAD]]
        more = len(dataset["unread"]) - MOST_UNREAD
        unread += [f"local_data: and {more} more that were not read; the data report names them"] if more > 0 else []
        lines = dataset["found"] + unread + unverified
        lines += self.gaps() + shared_lines(models)
        return lines + absent_concepts(config) + tasks_without_group(config) + shortages(config)
