"""Which tasks a study has, which files they read, and what is missing, before anything starts.

A task is a harness YAML below one of the config's `include_path` folders (paths in it are relative to the working
directory; a config entry may replace its file by one below `local_data`), or one of the harness's own by its name. Data
of the latter are fetched once, by `snakemake fetch_tasks`, and read from `HUB` ever after.

Snakemake imports this at every start, so nothing heavy is imported here.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from triphase.config.groups import HUB as HUB
from triphase.core.artefacts import read_json
from triphase.core.errors import InputError, one_line
from triphase.core.folders import placed
from triphase.core.types import Entries, Section
from triphase.sources.local_data import below_local_data, whole_path
from triphase.tasks.adherence import check_variants

# Where YAMLs of the harness name a task, a group or a tag: on the line, or in the list below it.
NAMED = re.compile(r'^"?(?:task|group|tag)"?:((?:[^\n]*)(?:\n *- [^\n:]*$)*)', re.M)
NAME = re.compile(r"[\w.+-]{2,}")
# Of a task that names no metrics, by output_type.
DEFAULT_METRICS = {"multiple_choice": ["acc", "acc_norm"], "generate_until": ["exact_match"], "loglikelihood": ["acc"]}


def plan(
    evaluations: Entries,
    adherence: Entries,
    include_path: Sequence[str | Path],
    local_data: str | Path | None,
    hub: Path = HUB,
) -> Entries:
    """Find the YAML and the data files of every task that the config names.

    Parameters
    ----------
    evaluations : list of dict
        `name`, `task` (of a YAML, or the harness's own), optional `metric` (default acc), `shots` (default: the YAML's
        own number), `limit` (first so many items), `data` (a path; "{local_data}/…" lies below that folder).
    adherence : list of dict
        `name`, `variants` (each `name`, `task`, `labels`, optional `data`), optional `shots`, `limit`.
    include_path : list of path
    local_data : path or None
    hub : path
        Folder of fetched data.

    Returns
    -------
    list of dict: id (unique), name, kind ("accuracy" or "adherence"), variant, task, yaml (path; null for one of the
    harness's own), data (split to list of path), metric, labels, shots, limit

    Raises
    ------
    InputError
        A YAML names no data or computes another metric, label sets overlap, a name occurs twice.
    """
    known = LocalTasks(include_path)
    entries = [("accuracy", entry["name"], "", entry, entry) for entry in evaluations]
    for entry in adherence:
        check_variants(entry)
        entries += [("adherence", entry["name"], item["name"], item, entry) for item in entry["variants"]]
    jobs = []
    for kind, name, variant, entry, whole in entries:
        job = {
            "id": f"{name}.{variant}" if variant else name,
            "name": name,
            "kind": kind,
            "variant": variant,
            "task": entry["task"],
            "metric": entry.get("metric") or "acc",
            "labels": entry.get("labels") or [],
            "shots": whole.get("shots", None if kind == "accuracy" else 0),
            "limit": whole.get("limit"),
        }
        if local := known.find(entry["task"]):
            yaml, content = local
            _check_metric(job, yaml, content)
            job |= {"yaml": str(yaml), "data": _data_files(entry, yaml, content, local_data)}
        else:
            job |= {"yaml": None, "data": _fetched(hub, entry["task"], job["shots"])}
        jobs.append(job)
    names = [job["id"] for job in jobs]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            f"tasks: the names {repeated} occur more than once; every evaluation and variant needs its own"
        )
    return jobs


def missing_data(jobs: Entries) -> list[str]:
    """Messages, one for each data file of a local task that is not there."""
    return [
        f"tasks: task {job['id']!r} ({job['yaml']}) needs {path}, which is not there; put the file there, "
        "or change the entry's `data`, or `local_data`"
        for job in jobs
        if job["yaml"]
        for path in _files(job)
        if not Path(path).is_file()
    ]


def hub_tasks(jobs: Entries) -> Entries:
    """Tasks of the harness's own: list of dict with task and shots (list; null: the task's own number)."""
    found: dict[str, list[int | None]] = {}
    for job in jobs:
        if not job["yaml"]:
            found.setdefault(job["task"], []).append(job["shots"])
    return [{"task": task, "shots": shots} for task, shots in found.items()]


def unfetched(jobs: Entries, include_path: Sequence[str | Path]) -> str:
    """One message for all tasks of the harness's own whose data are not here; empty when none is missing."""
    lost = list(dict.fromkeys(job["task"] for job in jobs if not job["yaml"] and not job["data"]))
    if not lost:
        return ""
    local = LocalTasks(include_path)
    parts, own = [], _harness_names()
    for task in [task for task in lost if own and task not in own]:
        near = get_close_matches(task, [*local.names, *own], 3)
        parts.append(
            f"tasks: there is no task {task!r}, neither below {_folders(include_path)} nor in the harness"
            f"{'; near: ' + ', '.join(near) if near else ''}"
        )
    if there := [task for task in lost if not own or task in own]:
        parts.append(
            f"tasks: data of {', '.join(map(repr, there))} are not here. Where there is a network, `snakemake "
            f"fetch_tasks` (with the study's --configfile) brings the data of the harness's own tasks to {HUB}; they "
            "are then read from there; of a group or tag, those of all its members"
        )
    parts.append(
        f"Local tasks, which need no network, are the YAMLs below {_folders(include_path)}: "
        f"{', '.join(sorted(local.names)) or 'none'}"
    )
    parts += [f"Of these {path} cannot be read: {reason}" for path, reason in local.broken.items()]
    return ". ".join(parts)


def task_sources(jobs: Entries) -> list[str]:
    """All YAML and data files that the jobs of `plan` read, sorted."""
    return sorted({path for job in jobs for path in [*([job["yaml"]] if job["yaml"] else []), *_files(job)]})


def _files(job):
    return [path for files in job["data"].values() for path in files]


class LocalTasks:
    """Task YAMLs below folders, by the name of their task.

    A file that cannot be read is no task: what is wrong with it is kept, and told to who asks for a task that may be
    in it. What is included is read only for a task that is asked for.

    Attributes
    ----------
    names : dict of task to the files that define it
    broken : dict of file to the reason why it cannot be read
    """

    def __init__(self, include_path: Sequence[str | Path]) -> None:
        self.folders = [placed(folder) for folder in include_path]
        self.names: dict[str, list[Path]] = {}
        self.broken: dict[Path, str] = {}
        files = {path.resolve(): path for folder in self.folders for path in sorted(folder.rglob("*.yaml"))}
        for path in files.values():
            try:
                content = _read_yaml(path)
                # Of a file that names no task itself, what it includes may do so.
                name = content["task"] if "task" in content or "include" not in content else _whole(path)["task"]
            except InputError as error:
                self.broken[path] = str(error)
            except KeyError:
                continue
            else:
                if isinstance(name, str):
                    self.names.setdefault(name, []).append(path)

    def find(self, task: str) -> tuple[Path, Section] | None:
        """File and content of a task; None where no file has it.

        Raises
        ------
        InputError
            Two files have it; its file, or one that it includes, cannot be read; a folder is not there.
        """
        if task in self.names:
            if len(self.names[task]) > 1:
                raise InputError(
                    f"tasks: {' and '.join(map(str, self.names[task]))} are both named {task!r}; give one of them "
                    "another name in its `task`"
                )
            return self.names[task][0], _whole(self.names[task][0])
        for path, reason in self.broken.items():
            if path.stem == task:
                raise InputError(f"tasks: {task!r}: {path} cannot be read: {reason}; mend it, or give another task")
        if absent := [folder for folder in self.folders if not folder.is_dir()]:
            raise InputError(f"tasks/include_path: there is no folder {absent[0]}, where {task!r} is looked for")
        return None


def _folders(include_path):
    return ", ".join(map(str, include_path))


def _whole(path, above=()):
    """A task's YAML with what it includes."""
    content = _read_yaml(path)
    included = content.pop("include", [])
    base = {}
    if not isinstance(included, str | list):
        raise InputError(f"{path}: include must be a path or a list of paths; here {included!r}")
    for name in [included] if isinstance(included, str) else included:
        other = (path.parent / str(name)).resolve()
        if other in (*above, path.resolve()):
            raise InputError(f"{path} includes {name}, which includes it again; take one of the includes out")
        if not other.is_file():
            raise InputError(f"{path} includes {name}, which is not there; correct its path or put it there")
        base.update(_whole(other, (*above, path.resolve())))
    return base | content


def _read_yaml(path):
    """One harness YAML as a dict; `!function` tags stay text, as nothing is called here."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: node.value)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 ({error.reason} at byte {error.start})") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not YAML: {one_line(error)}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{path} holds a {type(content).__name__}, a task is a mapping of keys")
    return content


@cache
def _harness_names():
    """Names of tasks, groups and tags of the harness, by a quick look at its files; none where it is not installed."""
    spec = find_spec("lm_eval")
    names: set[str] = set()
    for folder in (spec and spec.submodule_search_locations) or []:
        for path in Path(folder, "tasks").rglob("*.y*ml"):
            text = path.read_bytes().decode(errors="replace")
            for found in NAMED.finditer(text):
                names.update(NAME.findall(found.group(1)))
    return names


def _check_metric(job, yaml, content):
    entries = content.get("metric_list") or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and "metric" in entry for entry in entries):
        raise InputError(f"tasks: {yaml}: metric_list must be a list like [{{metric: acc}}]; here {entries!r}")
    listed = [entry["metric"] for entry in entries]
    metrics = listed or DEFAULT_METRICS.get(content.get("output_type"), [])
    # The normalised accuracy is made of the same likelihoods as the plain one.
    metrics = [*metrics, "acc_norm"] if "acc" in metrics and "acc_norm" not in metrics else metrics
    if job["kind"] == "accuracy" and job["metric"] not in metrics:
        raise InputError(
            f"tasks: metric {job['metric']!r} of {job['name']!r} is not computed by task {job['task']!r} ({yaml}); "
            f"it computes: {', '.join(map(str, metrics)) or 'none'}; give the entry one of these as `metric`"
        )


def _data_files(entry, yaml, content, local_data):
    split = content.get("test_split") or content.get("validation_split") or "test"
    kwargs = content.get("dataset_kwargs") or {}
    if not isinstance(split, str) or not isinstance(kwargs, dict):
        raise InputError(f"tasks: {yaml}: test_split must be text and dataset_kwargs a mapping of keys")
    if entry.get("data"):
        if below_local_data(entry["data"]) and not local_data:
            raise InputError(
                f"tasks: {entry['name']!r} reads {entry['data']!r} from local_data, which is not set; "
                "set the config key local_data to the folder that holds it"
            )
        return {split: [whole_path(entry["data"], local_data)]}
    files = kwargs.get("data_files")
    if not files:
        raise InputError(
            f"tasks: task {entry['task']!r} names no data; give the entry `data`, "
            "or the YAML dataset_kwargs: data_files"
        )
    files = files if isinstance(files, dict) else {split: files}
    listed = {name: [paths] if isinstance(paths, str) else paths for name, paths in files.items()}
    paths_of = [path for paths in listed.values() for path in (paths if isinstance(paths, list) else [paths])]
    if not all(isinstance(path, str) and path for path in paths_of):
        raise InputError(
            f"tasks: {yaml}: data_files must be paths, or lists of paths by split, like {{test: items.jsonl}}; here "
            f"{files!r}"
        )
    return {name: [str(placed(path)) for path in paths] for name, paths in listed.items()}


def _fetched(hub, task, shots):
    """Files of one of the harness's own tasks: `manifest` and each split; empty where not all were fetched."""
    path = Path(hub) / task / "manifest.json"
    if not path.is_file():
        return {}
    manifest = read_json(path)
    needed = {manifest["split"]}
    if manifest["shots"] if shots is None else shots:
        needed.add(manifest["shots_split"])
    files = {split: [str(path.parent / entry["file"])] for split, entry in manifest["splits"].items()}
    if not needed <= set(files) or not all(Path(name).is_file() for (name,) in files.values()):
        return {}
    return {"manifest": [str(path)], **files}
