"""Verdicts on planted courses: listeners, fits, draws and phases anew for each realisation, checkpoints made once.

Part of the figures of the control. The checkpoints lie between a random and a trained model along each course; the
listeners respond to another network, of another architecture and seed. Every step is one of the workflow's scripts, or
its function; states, tasks and pages are left out, since no verdict reads them.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "workflow/scripts"), str(HERE.parent / "tests/helpers")]
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from embedded_pairs import judge  # noqa: E402
from embedded_truth import fit, prepare_fits  # noqa: E402
from planted_course import Audience, Plan, extract, resolved, study_config, turns, write_listeners  # noqa: E402
from reporting import RESULTS, borne, figure  # noqa: E402

COURSES = {
    "fall-50": ("triple", 0.5),
    "fall-20": ("triple", 0.2),
    "stays": ("stays", 0.0),
    "rise-fall-plateau": ("rise-fall", 0.5),
}
RECIPE = {
    "layers": 3, "width": 64, "heads": 4, "context": 64, "batch": 8, "learning_rate": 0.008, "warmup": 60,
    "saves": [0, 1200], "tokenizer": {"kind": "bpe", "vocabulary": 2200},
    "corpus": {"words": 250000, "mixture": {"stories": 0.5, "facts": 0.15, "questions": 0.15, "instructions": 0.2}},
}  # fmt: skip
TRAINING, TEST = 12, 5  # runs
RUNS = [f"run-{number:02d}" for number in range(1, TRAINING + TEST + 1)]
PLAN = Plan(
    audience=Audience(subjects=2, voxels=60, signal=0.3, tr=2.0, volumes=120),
    runs=RUNS,
    test_runs=RUNS[-TEST:],
    steps=[0, *(2**power for power in range(3, 17))],  # 14 after step 0, even on log tokens
    courses=COURSES,
    layer=2,
    components=10,
    recipes=[RECIPE | {"architecture": "gpt_neox", "seed": 501}, RECIPE | {"architecture": "llama", "seed": 777}],
    encoding={
        "scalings": ["zscore", "center"],
        "delays": [4, 6, 8],
        "delays_as": "mean",
        "lexical": None,
        "alphas": [-1, 3, 5],
        "band_weights": [0.7],
        "permutations": 99,
        "boot_draws": 500,
    },
    lattice=np.linspace(0, 1, 11),
    many=8,
    seed=1,
)
SEEDS = list(range(101, 121))  # of listeners whom the design never saw
POWER = 0.8  # that a fall of 20 % of the first rise is to be found with
NEAR = 5  # points of a percentage by which the mean fall that is found may differ from the planted one
ONE_SIDED = 0.9  # level of an interval of which each end is a one-sided 95 % bound
CASES = RESULTS / "control_cases.jsonl"
# Rates of verdicts: the goal, and whether it is the least rate or the greatest.
GOALS = {
    "fall-50": {"supported": (0.95, True)},
    "fall-20": {"supported": (0.8, True)},
    "stays": {"not supported": (0.9, True), "supported": (0.0, False)},
    "rise-fall-plateau": {"supported": (0.05, False), "not supported": (0.6, True)},
}


def realise(instrument, seed):
    """Verdicts on all courses for listeners of one seed: list of dict, as `embedded_pairs.judge`."""
    from triphase.core.artefacts import read_table
    from triphase.planning.study import Study
    from triphase.table.tidy import encoding_rows, tidy

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_listeners(folder, instrument.stories, instrument.listeners(seed))
        config = resolved(study_config(instrument.plan, folder, instrument.folder, COURSES) | {"seed": seed})
        study = Study(str(HERE.parent), config, {model["name"]: model for model in config["models"]})
        prepare_fits(config, folder, local_data=str(folder))
        ceiling, rows, tables, files = read_table(str(folder / "ceiling.parquet")), {}, [], {}
        for entry in study.series:
            course, step, (layer,) = entry["model"], entry["step"], entry["layers"]
            weight = instrument.weights[course][step]
            written = f"{weight}.encoding.zarr.zip"
            if weight not in rows:  # courses share their rise
                activations = activations_of(instrument, config, course, step)
                rows[weight] = encoding_rows(fit(config, folder, activations, layer, written), [], ceiling)
            files[course, entry["checkpoint"], layer] = str(folder / written)
            keys = {key: entry[key] for key in ("model", "checkpoint", "step", "tokens")}
            tables.append(tidy([rows[weight]], study=config["study"], **keys))
        return [entry | {"seed": seed} for entry in judge(config, study, pd.concat(tables, ignore_index=True), files)]


def activations_of(instrument, config, course, step):
    """Activations of one checkpoint, made when they are asked for first, in the folder of the scale; their file."""
    weight, made = instrument.weights[course][step], instrument.activations
    if weight not in made:
        at = instrument.folder / course / f"step{step}"
        made[weight] = extract(config, instrument.folder.parent / "scale", at, f"{course}-{step}")
    return made[weight]


def measure(instrument):
    """Verdicts of all realisations: list of dict, as `realise`; each is kept as it comes, and taken up if need be."""
    found = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()] if CASES.is_file() else []
    left = [seed for seed in SEEDS if seed not in {entry["seed"] for entry in found}]
    if not left:  # all were there: this is a new measurement
        found, left = [], SEEDS
        CASES.unlink()
    for seed in left:
        begin = time.perf_counter()
        entries = realise(instrument, seed)
        with CASES.open("a", encoding="utf-8") as lines:
            lines.writelines(json.dumps(entry) + "\n" for entry in entries)
        for entry in entries:
            print(f"listeners {seed}, {entry['model']}: {entry['reason']}", flush=True)
        print(f"listeners {seed}: {time.perf_counter() - begin:.0f} s", flush=True)
        found += entries
    return found


def rates(found):
    """The rates of verdicts that have a goal, and the power for a fall of 20 % that the program says it has."""
    from triphase.stats.proportions import clopper_pearson

    table, rows = pd.DataFrame(found), []
    for course, goals in GOALS.items():
        mine = table[table["model"] == course]
        n = len(mine)
        counts = mine["verdict"].value_counts().to_dict()
        for verdict, (goal, least) in goals.items():
            count = counts.get(verdict, 0)
            low, high = clopper_pearson(count, n, ONE_SIDED)
            value = f"{count} of {n} ({f'at most {high:.0%}' if least else f'at least {low:.0%}'} by its 95 % bound)"
            said = f"{'>=' if least else '<='} {goal:.0%}"
            ok = borne(count, n, goal, least) if goal else count == 0
            # What falls short with a part of the realisations is short; for the rest all are needed.
            ok = None if ok and n < len(SEEDS) else ok
            rows.append(figure(f"courses: {course}, {verdict}", value, said, ok, verdicts=counts))
    for name, (_, fall) in COURSES.items():
        curves = table[table["model"] == name]["curve"]
        found_falls = 100 * np.array([fall_found([value for _, value in curve]) for curve in curves])
        mean, planted = found_falls.mean(), 100 * fall
        value = f"{mean:.0f} ± {found_falls.std():.0f}"
        goal, whole = f"{planted:.0f} ± {NEAR}", len(curves) >= len(SEEDS)
        ok = abs(mean - planted) <= NEAR if whole else None
        rows.append(figure(f"courses: {name}, fall that was found, % of the rise", value, goal, ok))
    power = table[table["model"] == "stays"]["power"].astype(float)
    held, enough = int((power >= POWER).sum()), bool(power.median() >= POWER)
    rows.append(
        figure(
            "courses: power for a fall of 20 %, where alignment stays",
            f"median {power.median():.0%}, at least {POWER:.0%} in {held} of {len(power)}",
            f">= {POWER:.0%} in the median",
            None if enough and len(power) < len(SEEDS) else enough,
        )
    )
    return rows


def fall_found(values):
    """By what share of the first rise a measured curve (step 0 first) is lower where courses have their trough."""
    later = values[1:]
    peak, trough = turns(len(later))
    return (later[peak] - later[trough]) / (later[peak] - later[0])


def figures(instrument):
    """All figures of this part."""
    return rates(measure(instrument))
