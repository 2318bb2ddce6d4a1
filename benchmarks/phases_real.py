"""Real curves: zero-shot accuracies of eight Pythia models (70 M to 12 B) at 27 checkpoints each, fitted and judged.

Part of the figures of phases. The scores come from EleutherAI/pythia (zero-shot, lm-evaluation-harness); they are read,
never copied, and what is found is written to `real_curves.md`. Run by itself, it prints the figures.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "workflow/scripts"), str(HERE.parent / "tests/helpers")]
from project import TEST_DATA  # noqa: E402
from reporting import figure  # noqa: E402

from triphase.phases.curves import Trajectory  # noqa: E402
from triphase.phases.floor import floor_members  # noqa: E402
from triphase.phases.transitions import Settings  # noqa: E402
from triphase.phases.verdict import Judged, verdict_of  # noqa: E402

SCORES, PAGE = TEST_DATA / "pythia" / "zero_shot.csv", HERE / "real_curves.md"
MODELS = ("70m", "160m", "410m", "1b", "1.4b", "2.8b", "6.9b", "12b")
SMALL, LARGE = MODELS[:4], MODELS[1:]  # up to 1 B; from 160 M on
# Shares of right answers that guessing gives; LAMBADA asks for one word of all.
CHANCE = {
    "arc_challenge": 0.25, "arc_easy": 0.25, "lambada_openai": 0.0, "logiqa": 0.25, "mmlu_mean": 0.25, "piqa": 0.5,
    "sciq": 0.25, "winogrande": 0.5, "wsc": 0.5,
}  # fmt: skip
TOKENS_PER_STEP, LAST_OF_FLOOR, ONSET = 2_097_152, 256, (512, 3000)
FLOOR = float(LAST_OF_FLOOR * TOKENS_PER_STEP)
SETTINGS, SHUFFLES = Settings(draws=300, floor_tokens=FLOOR), 10


COLUMNS = ("model", "floor", "last", "pattern", "onset, steps", "verdict", "power", "said")
PREFACE = f"""# Real curves

Zero-shot accuracy of eight Pythia models (deduplicated data) at 27 checkpoints, as EleutherAI/pythia publishes it
(Apache-2.0), fitted and judged as a study's own curves are. Written by `benchmarks/phases_real.py`.

- **floor**: level ± spread of a series' own scores up to step {LAST_OF_FLOOR}. A rise counts only where it ends above
  it, a fall where it ends below or starts above; a return from below to the floor is no rise. **last**: end of the fit.
- **onset**: 95 % interval of the step where the first rise begins.
- **verdict**: on three transitions (rise, fall, rise), in this training run; **power**: to find a fall of 20 % of the
  first rise and a return.
- Standard errors are the published ones, taken as independent over checkpoints. One of 0 (a score of 0) and those of
  the mean over MMLU, which are not published, leave the noise to the deviation of single checkpoints."""


def read_scores(path=SCORES):
    """Curves of accuracy: dict of (task, model) to Trajectory."""
    table = pd.read_csv(path).query("metric == 'acc'").sort_values("step")
    curves = {}
    for (model, task), rows in table.groupby(["model", "task"]):
        steps, names = rows["step"].to_numpy(float), [f"step{step}" for step in rows["step"]]
        scores = rows["value"].to_numpy(float), rows["stderr"].to_numpy(float)
        name = model.removeprefix("pythia-").removesuffix("-deduped")
        curves[task, name] = Trajectory(names, steps, steps * TOKENS_PER_STEP, *scores)
    return curves


def describe(curve, settings=SETTINGS):
    """The fit of one curve and what is claimed of it; no test against rivals."""
    return Judged(curve, settings, np.random.default_rng(0), FLOOR).describe()


def onset(described):
    """Interval of steps in which the first rise begins; None without a rise."""
    kinds = [segment["kind"] for segment in described["segments"]]
    if "rise" not in kinds:
        return None
    first = kinds.index("rise")
    if not first:
        return 0.0, described["segments"][0]["from"] / TOKENS_PER_STEP
    low, high = described["intervals"][first - 1]
    return low / TOKENS_PER_STEP, high / TOKENS_PER_STEP


def contains_a_point(interval):
    """Whether an onset interval has a point between the steps where LAMBADA is known to be learnt."""
    return interval is not None and interval[0] <= ONSET[1] and interval[1] >= ONSET[0]


def unfounded_falls(curve, described, chance):
    """Falls to below chance whose course stays within the range of the scores on the series' own floor.

    No model of noise enters: the fitted ends of the fall are held against the lowest and the highest early score.
    """
    early = curve.values[floor_members(curve, FLOOR)]
    fitted = dict(map(tuple, described["fitted"]))
    ends = [(fitted[s["from"]], fitted[s["to"]]) for s in described["segments"] if s["kind"] == "fall"]
    return sum(bool(stop < chance and early.min() <= stop and start <= early.max()) for start, stop in ends)


def shuffled(curve, rng):
    """The curve with its scores, and their errors, in another order up to the last step of the floor."""
    early = floor_members(curve, FLOOR)
    places, order = np.arange(len(curve.values)), rng.permutation(early)
    places[early] = order
    return replace(curve, values=curve.values[places], errors=curve.errors[places])


def steps_of(interval):
    """An interval of steps for the table."""
    return "none" if interval is None else f"{interval[0]:,.0f} to {interval[1]:,.0f}"


def page(results):
    """The table of all series as a page."""
    lines = [PREFACE]
    for task in CHANCE:
        lines += ["", f"## {task} (chance {CHANCE[task]:g})", ""]
        lines += [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
        for model in MODELS:
            result, last = results[task, model], results[task, model]["fitted"][-1][1]
            floor = f"{result['floor']['level']:.3f} ± {result['floor']['spread']:.3f}"
            power = "none" if result["power"] is None else f"{result['power']:.0%}"
            said = [remark for remark in result["remarks"] if "does not leave" in remark]
            cells = [model, floor, f"{last:.3f}", result["pattern"], steps_of(onset(result)), result["verdict"], power]
            lines.append(f"| {' | '.join([*cells, '; '.join(said)])} |")
    return "\n".join(lines) + "\n"


def real_figures():
    """Figures of the real curves; writes the page."""
    names = (
        "real curves: LAMBADA's onset interval meets steps 512 to 3,000, models from 160 M on",
        "real curves: rises claimed for WSC and LogiQA, models up to 1 B",
        "real curves: falls below chance that stay within the series' own floor",
        "real curves: series whose verdict changes when scores up to step 256 are shuffled",
        "real curves: series dropped, of 72",
    )
    if not SCORES.exists():
        return [figure(name, "pythia/zero_shot.csv is not there", "", None) for name in names]
    curves, results, changed = read_scores(), {}, []
    for place, ((task, model), curve) in enumerate(curves.items()):
        results[task, model], _ = verdict_of(curve, SETTINGS, np.random.default_rng(0), FLOOR)
        claimed = results[task, model]["legs"]
        quick, rng = replace(SETTINGS, draws=100), np.random.default_rng(place)
        others = [describe(shuffled(curve, rng), quick) for _ in range(SHUFFLES)]
        again, _ = verdict_of(shuffled(curve, rng), SETTINGS, np.random.default_rng(0), FLOOR)
        verdicts = {again["verdict"], results[task, model]["verdict"]}
        if any(other["legs"] != claimed for other in [*others, again]) or len(verdicts) > 1:
            changed.append(f"{task} {model}")
    PAGE.write_text(page(results), encoding="utf-8")
    onsets = {model: onset(results["lambada_openai", model]) for model in LARGE}
    met = sum(contains_a_point(interval) for interval in onsets.values())
    rises = [f"{task} {m}" for task in ("wsc", "logiqa") for m in SMALL if onset(results[task, m]) is not None]
    falls = {key: unfounded_falls(curves[key], results[key], CHANCE[key[0]]) for key in curves}
    values = (
        (met, f"{len(LARGE)} of {len(LARGE)}", met == len(LARGE), {"intervals": onsets}),
        (len(rises), "0", not rises, {"series": rises}),
        (sum(falls.values()), "0", not any(falls.values()), {"series": [" ".join(key) for key in falls if falls[key]]}),
        (len(changed), "0", not changed, {"series": changed, "shuffles": SHUFFLES}),
        (72 - len(results), "0", len(results) == 72 and all(r["n_checkpoints"] == 26 for r in results.values()), {}),
    )
    return [figure(name, value, goal, ok, **more) for name, (value, goal, ok, more) in zip(names, values, strict=True)]


if __name__ == "__main__":
    for row in real_figures():
        print({None: "skipped", True: "ok", False: "short"}[row["ok"]], row)
