"""What a study will cost: jobs, hours of cores and GPUs, devices of a large model, bytes to come and on the disk.

Sizes are known before anything is there: of weights by the lock or the registry, of jobs by a dry run. Seconds are
rules of thumb, told in `ASSUMED`, until a study on this machine has records of its jobs (`plan_records`).
"""

import math

from triphase.activations.tokens import least_context
from triphase.checkpoints.snapshots import weight_files
from triphase.core.formats import DTYPE_BYTES
from triphase.core.types import Entries, Section
from triphase.core.units import in_units
from triphase.planning.records import MODEL_RULES
from triphase.states.mechanism.inputs import SEQUENCES

# Floating-point operations per second of one device in a forward pass, and of one core.
GPU_RATE, GPU_RATE_FLOAT32, CORE_RATE = 1e14, 1.5e13, 3e10
# From so many parameters on, a GPU is taken to be there even where this machine has none.
LARGE = 1e9
GPU_MEMORY = 80e9
# A forward pass holds its weights and a fifth on top: activations of a batch, logits, workspace.
HELD = 1.2
READ_RATE, DOWNLOAD_RATE = 1e9, 10e6
SHARD = 5e9
# Seconds of jobs that run no checkpoint, and of the start of those that do.
JOB_SECONDS, FIT_SECONDS, START_SECONDS = 10, 60, 10
READING_WORDS = 10_000  # of stories whose reading times are predicted, about those of Natural Stories
TOKENS_PER_WORD, WORDS_PER_MINUTE, RUN_MINUTES = 1.4, 150, 10
ITEMS, TOKENS_PER_ITEM = 1000, 200
FIT_BYTES = 5e6
ASSUMED = (
    "rules of thumb: 1e14 FLOP/s of a GPU (1.5e13 in float32), 3e10 of a core, 2 FLOP per parameter and token, "
    "1.4 tokens per word, weights read at 1 GB/s and downloaded at 10 MB/s, 60 s per fit, 10 s per other job"
)


def weights_of(model: Section, locked: Section | None = None) -> Section | None:
    """Size of one checkpoint of a model: dict with bytes, files, parameters; None where nobody knows yet.

    Parameters
    ----------
    model : dict of the resolved config
    locked : dict, optional
        The model's part of the lock: the bytes of the first checkpoint that it has stand for all.
    """
    per_number = DTYPE_BYTES[model.get("dtype") or "float16"]
    for entry in (locked or {"checkpoints": {}})["checkpoints"].values():
        sizes = {file["name"]: file["bytes"] for file in entry.get("files", [])}
        if names := weight_files(sizes):
            total = sum(sizes[name] for name in names)
            return {"bytes": total, "files": len(names), "parameters": total / per_number}
    if recipe := model.get("train"):
        numbers = 12 * recipe["layers"] * recipe["width"] ** 2
        numbers += 2 * recipe["tokenizer"].get("vocabulary", 256) * recipe["width"]
        return {"bytes": 4 * numbers, "files": 1, "parameters": numbers}
    if size := model.get("bytes"):
        return {"bytes": size, "files": math.ceil(size / SHARD), "parameters": size / per_number}
    return None


def words_heard(n_words: int | None, runs: Entries, simulate: Section | None, tr: float) -> int:
    """Words of all stimuli: those counted, else 150 a minute of what is simulated, or of ten minutes a stimulus."""
    if n_words is not None:
        return n_words
    n_stimuli = len({run["stimulus"] for run in runs})
    minutes = simulate["volumes"] * tr / 60 if simulate else RUN_MINUTES
    return WORDS_PER_MINUTE * minutes * n_stimuli


def tokens_of(
    words: int, context: Section, task_jobs: Entries, mechanism_length: int, reading: bool = False
) -> dict[str, float]:
    """Tokens that one checkpoint is run on, by rule: dict. A window of max + 1 tokens serves max - min + 1 of them."""
    text = TOKENS_PER_WORD * words
    longest = context["max"] + 1
    overlap = longest / (longest - least_context(context))
    tokens = {
        "extract_activations": text * overlap,
        "evaluate_tasks": TOKENS_PER_ITEM * sum(job.get("limit") or ITEMS for job in task_jobs),
    }
    if mechanism_length:
        tokens["measure_mechanism"] = text + 2 * SEQUENCES * mechanism_length
    if reading:
        tokens["measure_reading"] = TOKENS_PER_WORD * READING_WORDS * overlap
    return tokens


def devices_for(parameters: float, dtype: str, memory: float) -> int:
    """GPUs that hold a model: int."""
    return math.ceil(HELD * DTYPE_BYTES[dtype] * parameters / memory)


def thumb_seconds(rule: str, size: Section | None, tokens: dict[str, float], dtype: str, on_gpu: bool) -> float:
    """Seconds of one job by rules of thumb; `size` and `tokens` of its checkpoint where it runs one.

    Several devices hold a large model one part each and take turns: they are no faster than one.
    """
    if rule == "fit_encoding":
        return FIT_SECONDS
    if rule not in MODEL_RULES or size is None:
        return JOB_SECONDS
    half = DTYPE_BYTES["float32" if rule == "evaluate_tasks" else dtype] < 4
    rate = (GPU_RATE if half else GPU_RATE_FLOAT32) if on_gpu else CORE_RATE
    return START_SECONDS + size["bytes"] / READ_RATE + 2 * size["parameters"] * tokens[rule] / rate


def model_rows(
    models: Entries,
    lock: Section | None,
    tokens: dict[str, float],
    dtype: str,
    *,
    memory: float | None,
    has_gpu: bool,
) -> Entries:
    """One row per model: size, devices and seconds by rule of each of its checkpoints; list of dict.

    Parameters
    ----------
    models : list of dict, of the resolved config
    lock : dict or None, from `locks.read_lock`
    tokens : dict, from `tokens_of`
    dtype : str, `activations/dtype`; tasks are always in float32
    memory : float or None, bytes of one GPU of this machine, if it has any
    has_gpu : bool
    """
    memory = memory or GPU_MEMORY
    rows = []
    for model in models:
        size = weights_of(model, (lock or {"models": {}})["models"].get(model["name"]))
        on_gpu = has_gpu or bool(size and size["parameters"] >= LARGE)
        kinds = {rule: "float32" if rule == "evaluate_tasks" else dtype for rule in tokens}
        rows.append(
            {
                "model": model["name"],
                "checkpoints": sum("missing" not in entry for entry in model["checkpoints"]),
                "layers": len(model["layers"]),
                "fetched": not (model.get("train") or model.get("cache_dir") or model.get("local_folder")),
                "size": size,
                "gpus": {
                    rule: devices_for(size["parameters"], kind, memory) if size and on_gpu else 0
                    for rule, kind in kinds.items()
                },
                "seconds": {rule: thumb_seconds(rule, size, tokens, dtype, on_gpu) for rule in tokens},
            }
        )
    return rows


def rule_rows(
    jobs: dict[str, int],
    left: dict[str, int],
    models: Entries,
    records: dict[str, float],
    others: dict[str, float],
) -> Entries:
    """One row per rule: jobs, those left, planned and measured seconds per job, where the plan has them from.

    Parameters
    ----------
    jobs, left : dict of rule to number of jobs, of the whole study and still to run
    models : list of dict, from `model_rows`
    records : dict of rule to mean seconds measured in this study
    others : dict of rule to (mean seconds per job, or seconds as a share of the thumb's where it runs a checkpoint)
        measured in another study of this project
    """
    rows = []
    for rule, n in jobs.items():
        thumb: float = FIT_SECONDS if rule == "fit_encoding" else JOB_SECONDS
        gpus = float(rule == "fit_encoding" and any(any(row["gpus"].values()) for row in models))
        if rule in MODEL_RULES:
            seconds = [row["checkpoints"] * row["seconds"][rule] for row in models]
            thumb = sum(seconds) / sum(row["checkpoints"] for row in models)
            used = sum(own * row["gpus"][rule] for own, row in zip(seconds, models, strict=True))
            gpus = used / sum(seconds)
        planned = thumb
        if rule in others:
            planned = others[rule] * thumb if rule in MODEL_RULES else others[rule]
        rows.append(
            {
                "rule": rule,
                "jobs": n,
                "left": left.get(rule, 0),
                "thumb": thumb,
                "planned": planned,
                "source": "another study" if rule in others else "rule of thumb",
                "measured": records.get(rule),
                "gpus": gpus,
            }
        )
    return rows


def totals(rows: Entries) -> dict[str, float]:
    """Core and GPU hours planned for all jobs, measured so far, and to come (measured seconds, else planned): dict."""
    hours = {f"{kind}_{of}_hours": 0.0 for kind in ("planned", "measured", "left") for of in ("core", "gpu")}
    for row in rows:
        likely = row["planned"] if row["measured"] is None else row["measured"]
        spent = {"planned": row["jobs"] * row["planned"], "left": row["left"] * likely}
        spent["measured"] = (row["jobs"] - row["left"]) * (row["measured"] or 0)
        for kind, seconds in spent.items():
            hours[f"{kind}_core_hours"] += seconds / 3600
            hours[f"{kind}_gpu_hours"] += seconds * row["gpus"] / 3600
    return hours


def disk_bytes(models: Entries, words: int, storage: str, disk_gb: float | None, data_bytes: int) -> dict[str, float]:
    """Bytes on the disk at the worst: data set and responses made of it, weights, activations, fits; dict.

    Activations are of all layers. A transformer's depth and width are taken from its parameters, 12 L w^2 with a width
    of 128 per layer, the shape of most.
    """
    weights = sum(row["checkpoints"] * row["size"]["bytes"] for row in models if row["size"] and row["fetched"])
    kept = weights if disk_gb is None else min(weights, disk_gb * 1e9)
    activations = 0
    for row in models:
        layers = ((row["size"]["parameters"] if row["size"] else 0) / (12 * 128**2)) ** (1 / 3)
        activations += row["checkpoints"] * words * (layers + 1) * 128 * layers * DTYPE_BYTES[storage]
    fits = FIT_BYTES * sum(row["checkpoints"] * row["layers"] for row in models)
    return {"data": 2 * data_bytes, "weights": kept, "activations": activations, "fits": fits}


def as_text(plan: Section) -> str:
    """The plan as lines of text for the terminal."""
    lines = [
        f"study {plan['study']}: {sum(r['jobs'] for r in plan['rules'])} jobs, "
        f"{sum(r['left'] for r in plan['rules'])} of them to run"
    ]
    table = [("rule", "jobs", "to run", "s planned", "s measured", "GPUs", "planned by")]
    for row in plan["rules"]:
        measured = "" if row["measured"] is None else f"{row['measured']:.1f}"
        counts = str(row["jobs"]), str(row["left"]), f"{row['planned']:.1f}", measured
        table.append((row["rule"], *counts, f"{row['gpus']:.3g}", row["source"]))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    hours = plan["hours"]
    for kind, words in (("planned", "planned in all"), ("measured", "measured so far"), ("left", "still to run")):
        cores, gpus = hours[f"{kind}_core_hours"], hours[f"{kind}_gpu_hours"]
        lines.append(f"{words}: {cores:.2f} core hours, {gpus:.2f} GPU hours")
    lines += [_model_line(row, plan["gpu_memory"]) for row in plan["models"]]
    known = [row for row in plan["models"] if row["fetched"] and row["size"]]
    weights = sum(row["checkpoints"] * row["size"]["bytes"] for row in known)
    lines.append(
        f"downloads: data {in_units(plan['download_bytes'])}; weights {in_units(weights)} "
        f"({weights / DOWNLOAD_RATE / 3600:.1f} h), less those that are there"
    )
    parts = ", ".join(f"{name} {in_units(size)}" for name, size in plan["disk"].items())
    lines.append(f"peak disk: about {in_units(sum(plan['disk'].values()))} ({parts})")
    return "\n".join([*lines, ASSUMED])


def _model_line(row, memory):
    size = row["size"]
    if size is None:
        return f"{row['model']}: size not known before `snakemake lock_checkpoints`"
    hours = sum(row["seconds"].values()) / 3600
    text = (
        f"{row['model']}: {row['checkpoints']} checkpoints of {size['parameters']:.3g} parameters, "
        f"{in_units(size['bytes'])} in {size['files']} files each; {hours:.3g} h each"
    )
    several = [f"{rule}:gpu={n}" for rule, n in row["gpus"].items() if n > 1]
    if any(row["gpus"].values()):
        most = max(row["gpus"].values())
        text += f" on {most} GPU{'s' if most > 1 else ''} of {in_units(memory)}"
    return text + (f"; --set-resources {' '.join(several)}" if several else "")
