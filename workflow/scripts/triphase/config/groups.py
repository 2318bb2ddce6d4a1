"""Groups and tags of the harness's tasks, each of which stands for its members once their names are known.

`fetch_tasks` writes them beside the members' data; nothing here reads the harness.
"""

from pathlib import Path

from triphase.core.artefacts import read_json
from triphase.core.errors import InputError
from triphase.core.types import Entries, Section

# Folder of fetched data, a folder for each task.
HUB = Path("resources/hub_tasks")
GROUP = "group.json"


def members_of(task: str, hub: Path = HUB) -> list[str]:
    """Tasks that a fetched group or tag of the harness has; none where it is a task, or was not fetched."""
    path = Path(hub) / task / GROUP
    return list(read_json(path)["members"]) if path.is_file() else []


def with_members(config: Section, hub: Path = HUB) -> Section:
    """A config whose evaluations of groups are evaluations of each member, named `<name>-<member>`.

    The headline's tasks follow. Before the group was fetched it stays as it is.

    Raises
    ------
    InputError : a variant of an adherence entry is a group
    """
    tasks, evaluations, made = config["tasks"], [], {}
    for entry in tasks["evaluations"]:
        members = members_of(entry["task"], hub)
        own = [entry | {"name": f"{entry['name']}-{member}", "task": member} for member in members] or [entry]
        made[entry["name"]] = [one["name"] for one in own]
        evaluations += own
    _check_variants(tasks["adherence"], hub)
    headline = config["phases"]["headline"]
    named = [name for task in headline["tasks"] for name in made.get(task, [task])]
    phases = config["phases"] | {"headline": headline | {"tasks": named}}
    return config | {"tasks": tasks | {"evaluations": evaluations}, "phases": phases}


def _check_variants(adherence: Entries, hub: Path) -> None:
    for entry in adherence:
        for variant in entry["variants"]:
            if members := members_of(variant["task"], hub):
                raise InputError(
                    f"tasks.adherence {entry['name']!r}: {variant['task']!r} of variant {variant['name']!r} is a "
                    f"group; a variant is one task: {', '.join(members)}"
                )
