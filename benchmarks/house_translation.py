"""What had another name before: keys of the config, measures, parts of files; and what may differ, with its cause."""

import re

import numpy as np
import pandas as pd
import xarray as xr
from house_compare import Allowed, Translation

# Keys of the old config and what became of them; None: a constant now, whose value is the old one.
MOVED = {
    "retrieve/jobs": "execution/transfers",
    "retrieve/retries": "execution/retries",
    "retrieve/keep_raw": "execution/keep_raw",
    "retrieve/disk_gb": "execution/disk_gb",
    "dataset/url": "dataset/overrides/url",
    "dataset/version": "dataset/overrides/version",
    "responses/detrend": None,
    "responses/standardize": None,
    "responses/confound_columns": None,  # null in all three studies
    "responses/ceiling/draws": None,
    "responses/ceiling/block_seconds": None,
    "activations/surprisal": None,
    "activations/batch_size": "execution/activation_batch",
    "activations/device": "execution/device",
    "encoding/gap_curve": None,
    "encoding/minimum_block": None,
    "encoding/solver": "execution/solver",
    "encoding/backend": None,
    "states/probes/folds": None,
    "states/probes/min_count": None,
    "states/probes/alphas": None,
    "states/probes/control_draws": None,
    "states/intrinsic_dimension/n": "states/words",
    "states/cka/n": None,  # the same number as the one before
    "states/cka/references": "states/references",
    "states/mechanism/sequences": None,
    "states/mechanism/prompts": None,
    "states/mechanism/unseen/path": "states/mechanism/unseen",
    "tasks/batch_size": "execution/task_batch",
    "phases/headline/measure": None,
    "phases/confidence": None,
    "phases/smallest_leg": None,
    "phases/significance": None,
    "phases/needed_power": None,
    "phases/max_breakpoints": None,
    "phases/shrinkage": None,
    "phases/calibration": "phases/simulations",
    "phases/power": None,  # the same number as the one before
    "phases/specification/replicates": None,
    "phases/specification/max_breakpoints": None,
}

SCALINGS = ("zscore", "center", "no_outliers", "pca")


def new_config(config):
    """An old config under the new keys, with every value."""
    new = {}
    for place, value in _values(config):
        place = MOVED.get(place, place)
        if place is None or (place.startswith("dataset/overrides/") and value is None):
            continue
        *sections, key = place.split("/")
        section = new
        for name in sections:
            section = section.setdefault(name, {})
        if value == {}:
            section.setdefault(key, {})
        else:
            section[key] = value
    for model in new["models"]:
        # Told by the last of `saves` and by the other keys.
        model["train"].pop("steps")
        model["train"]["corpus"].pop("kind")
    for task in new["tasks"]["evaluations"]:
        if task.pop("root", None):
            task["data"] = f"{{local_data}}/{task['data']}"
    return new


def measure_columns(old):
    """The columns that tell a measure now, by its name of before; those that tell nothing of it are left out."""
    fit = {"scaling": "zscore", "delays": "headline"}
    if old in ("r", "r_llm", "r_nuisance", "r_nuisance_alone", "cv_score", "significant", "significant_fwer"):
        return {"measure": old, **fit}
    if old == "r_normalised":
        return {"measure": "r", **fit, "normalised": True, "main": False}
    if old == "alignment_over_step0":
        return {"measure": "alignment", **fit, "reference": "step 0", "main": False}
    if match := re.fullmatch(r"(gain|alignment|kernel_top_share|kernel_effective_rank)(?:_(.+))?", old):
        name, kind = match.groups()
        new = {"measure": name, **fit, "main": not kind}
        if not name.startswith("kernel"):
            new["nuisance"] = "N2" if kind == "over_lexical" else "N1"
        return new | ({"scaling": kind} if kind in SCALINGS else {})
    if match := re.fullmatch(r"gride/(.+)", old):
        return {"measure": "gride", "setting": float(match[1])}
    if match := re.fullmatch(r"(cka|r_change)_(first|previous|last)", old):
        return {"measure": match[1], "reference": match[2]}
    if match := re.fullmatch(r"probe_learning/(.+)/([^/]+)", old):
        return {"measure": "probe_learning", "target": match[1], "setting": float(match[2])}
    if match := re.fullmatch(r"([a-z_]+)/(.+)", old):
        return {"measure": match[1], "target": match[2]}
    return {"measure": old}


def rebuilt(name, content):
    """What a file of before holds, in the form of now."""
    if isinstance(content, pd.DataFrame):
        attributes = _kernels(content.attrs)
        if "measure" in content:
            content = content.rename(columns={"reference": "reference_checkpoint"}).reset_index(drop=True)
            columns = pd.DataFrame([measure_columns(old) for old in content.pop("measure")], dtype=object)
            content = content.join(columns.where(columns.notna(), None))
        content.attrs = attributes
    elif isinstance(content, xr.Dataset):
        attributes = _kernels(content.attrs)
        content = _dataset(content)
        content.attrs = attributes
    elif name == "phases.json":
        return {model: _phases(entry) for model, entry in content.items()}
    elif name.startswith("phases/"):
        return _phases(content)
    return content


def _dataset(data):
    """Arrays of before in the form of now: what varies an analysis is told by coordinates."""
    if "measure" not in data.variables:
        return data
    told = [measure_columns(str(old)) for old in data["measure"].values]
    if data["measure"].dims == ("measure",):
        # A fit: r, then the gains.
        gains = [str(old) for old in data["measure"].values[1:]]
        variants = {
            key: ("analysis", np.array([columns[key] for columns in told[1:]], dtype=object))
            for key in ("scaling", "delays", "nuisance")
        }
        gain = ("analysis", *data["gain"].dims), np.stack([data[old].values for old in gains])
        boot = data["boot"].rename(measure="analysis").drop_vars("analysis")
        rest = data.drop_vars(["measure", "boot", *gains])
        return rest.assign(gain=gain, boot_r=boot[:, :, 0], boot_gain=boot[:, :, 1:]).assign_coords(variants)
    rows = data["measure"].dims
    keys = ("measure", "target", "reference", "scaling", "delays", "nuisance")
    columns = {key: (rows, np.array([columns.get(key, "") for columns in told], dtype=object)) for key in keys}
    main = (rows, np.array([columns.get("main", True) for columns in told]))
    return data.assign_coords(**columns, main=main)


def _kernels(attributes):
    """Attributes in which the kernels of all scalings are a list."""
    new = {key: _kernels(value) if isinstance(value, dict) else value for key, value in attributes.items()}
    if "top_share" not in new:
        return new
    suffixes = [key.removeprefix("top_share") for key in new if key.startswith("top_share")]
    kernels = [
        {
            "scaling": suffix.lstrip("_") or "zscore",
            "delays": "headline",
            "top_share": new.pop(f"top_share{suffix}"),
            "effective_rank": new.pop(f"effective_rank{suffix}"),
        }
        for suffix in suffixes
    ]
    return new | {"kernels": kernels}


def _phases(entry):
    """A model's entry of phases.json: analyses are a list, measures of tasks and probes have their targets apart."""
    labels = {"over_lexical": "over N2", "over_step0": "over step 0"}
    sensitivity = []
    for old, values in entry["sensitivity"].items():
        columns = {"nuisance": None, "reference": None, "normalised": False, **measure_columns(old)}
        kind = old.removeprefix("alignment_")
        told = {key: columns[key] for key in ("scaling", "delays", "nuisance", "reference", "normalised")}
        sensitivity.append({"analysis": labels.get(kind, kind), **told, **values})
    for part in [*entry["behaviour"].values(), *entry["order"]["perspectives"].values()]:
        if "measures" in part:
            told = [measure_columns(old) for old in part.pop("measures")]
            targets = [columns["target"] for columns in told if "target" in columns]
            part |= {"measure": told[0]["measure"], "targets": targets or None}
    return entry | {"sensitivity": sensitivity}


def _values(section, place=""):
    """Paths and values of a config; lists and empty mappings are values."""
    for key, value in section.items():
        if isinstance(value, dict) and value:
            yield from _values(value, f"{place}{key}/")
        else:
            yield f"{place}{key}", value


TRANSLATION = Translation(
    rebuilt=rebuilt,
    skipped=(
        # The listeners of the demo are simulated anew: another DataLad data set, with dates of its own.
        r"dataset_commit$",
        r"^(sources/|stimuli/words|demo/dataset|responses/).*\b(commit|url|clone|path)$",
        r"@(.*\.)?versions\b",
        # In no order.
        r"\.zarr\.zip::@coordinates$",
    ),
    exceptions=(
        Allowed(r"^demo/models/.*::train\.(steps|corpus\.kind)$", "told by the other keys of `train`"),
        Allowed(r"@cleaning\.(detrend|standardize|confound_columns)$", "always done; columns are said by `confounds`"),
        Allowed(r"(settings|judgement)\.(calibration|power)$", "one number now, `simulations`"),
        Allowed(r"(declared_|@)sha256$", "digest of what was declared, which has other keys"),
    ),
)
