"""What the integrity gate is told of a model: its checkpoints, its schedule and how its weights began."""

from triphase.checkpoints.integrity.schedule import schedule_of_recipe
from triphase.core.types import Section

# transformers' own initialisation of the architectures that the demo stage trains.
TRAINED_HERE = {"gains": 1, "biases": 0, "std": 0.02}


def series_entry(model: Section) -> Section:
    """Parameters of `check_integrity` for one entry of the resolved config.

    Returns
    -------
    dict with name, entries (name, step and revision of each checkpoint, and `missing` of those that the lock says to be
    so), schedule and initialisation (dict or None)
    """
    keys = ("name", "step", "revision", "missing")
    entries = [{key: entry[key] for key in keys if key in entry} for entry in model["checkpoints"]]
    if model.get("train"):
        known: Section = {"schedule": schedule_of_recipe(model["train"]), "initialisation": TRAINED_HERE}
    else:
        known = {key: model.get(key) for key in ("schedule", "initialisation")}
    return {"name": model["name"], "entries": entries, **known}
