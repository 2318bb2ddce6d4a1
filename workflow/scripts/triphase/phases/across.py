"""What the models of a study have in common: signs of legs, positions on tokens and on compute, sizes of changes.

The unit is the training run. Runs that differ in their seed alone (one family and size) are one group, which counts
once in every summary of positions and changes. The models share stimuli and listeners, and what is particular to these
is in all of them: the summaries are of models, for the brain data of the study.
"""

from collections.abc import Callable, Mapping

import numpy as np
from scipy.stats import rankdata

from triphase.core.types import Entries, Section
from triphase.core.units import TRAINING_FLOP
from triphase.phases.controls import controls
from triphase.phases.emergence import PERMUTATIONS, agreement
from triphase.phases.order import EVENTS, turning_points
from triphase.phases.pooled import FEWEST_RUNS, interval_error, random_effects, sign_flips
from triphase.phases.verdict import VERDICTS
from triphase.stats.intervals import mean_half_width
from triphase.stats.proportions import clopper_pearson

COMPUTE = "6 x parameters x tokens, in FLOP (Kaplan et al. 2020); all parameters in the files of a checkpoint count"
LEGS = {"rise": "rise", "fall": "fall", "return": "rise"}  # of the triple, in their order, with their kinds


def compare(
    phases: Mapping[str, Section],
    models: Mapping[str, Section],
    language: str,
    rng: np.random.Generator,
    groups: Mapping[str, Section] | None = None,
) -> Section:
    """The content of across_models.json (see docs/concepts/inference.md).

    Parameters
    ----------
    phases : dict of model to its entry of phases.json
    models : dict of model to dict with group, seed (or None), language_share (dict of language to share, or None) and
        control_of (a model, or None); a control is in no summary
    language : str, of the stimuli
    rng : numpy.random.Generator
    groups : dict of group to its verdict over seeds, where a family has several
    """
    every = {name: describe(entry, models[name], language) for name, entry in phases.items()}
    runs = {name: run for name, run in every.items() if not run["control_of"]}
    fitted = {name: run for name, run in runs.items() if run["pattern"] is not None}
    remarks = [f"{name}: {phases[name]['reason']}" for name in runs if name not in fitted]
    if len(runs) == 1:
        remarks.insert(0, "one model: there is nothing to compare it with")
    return {
        "n_models": len(runs),
        "n_runs": len(fitted),
        "remarks": remarks,
        "verdicts": {verdict: sum(run["verdict"] == verdict for run in runs.values()) for verdict in VERDICTS},
        "compute": COMPUTE,
        "language": language,
        "models": every,
        "controls": controls(phases, models),
        "groups": groups or {},
        "legs": [consistency(fitted, place, phase) for place, phase in enumerate(LEGS)],
        "positions": {event: position(fitted, event) for event in EVENTS},
        "changes": {phase: change(fitted, phase) for phase in LEGS},
        "language_share": by_language(fitted, language, rng),
        "order": over_runs({name: phases[name]["order"] for name in fitted}, rng),
        "emergence": agreement({name: phases[name].get("emergence", {}) for name in runs}, rng),
    }


def describe(entry: Section, model: Section, language: str) -> Section:
    """What is compared of one model."""
    kinds, parameters = [segment["kind"] for segment in entry["segments"]], entry.get("parameters")
    events = {}
    for event, border in turning_points(kinds).items():
        if border in (0, len(kinds)):
            events[event] = {"censored": True, "tokens": None, "interval": None, "compute": None}
            continue
        tokens, interval = entry["breakpoints"][border - 1], entry["intervals"][border - 1]
        compute = TRAINING_FLOP * parameters * tokens if parameters else None
        events[event] = {"censored": False, "tokens": tokens, "interval": interval, "compute": compute}
    return {
        "group": model["group"],
        "seed": model["seed"],
        "control_of": model.get("control_of"),
        "parameters": parameters,
        "language_share": (model["language_share"] or {}).get(language),
        **{key: entry[key] for key in ("verdict", "pattern", "legs", "n_checkpoints")},
        "scale_dependent": entry.get("scale_dependent"),
        "kinds": kinds,
        "events": events,
        "changes": changes_of(entry, kinds),
    }


def changes_of(entry: Section, kinds: list[str]) -> dict[str, Section]:
    """Change, interval and standard error of the first rise, the fall after it and the return from that fall."""
    found, start = {}, 0
    for phase, kind in LEGS.items():
        if kind not in kinds[start:]:
            break
        start = kinds.index(kind, start)
        segment = entry["segments"][start]
        low, high = segment["change_interval"]
        error = interval_error(low, high, level=entry["provenance"]["settings"]["confidence"])
        found[phase] = {"change": segment["change"], "interval": segment["change_interval"], "error": error}
    return found


def consistency(runs: Mapping[str, Section], place: int, phase: str) -> Section:
    """How many runs have this leg, in its place among their legs, with the sign that the triple has there.

    The interval is that of Clopper and Pearson, 95 %.
    """
    signs = [[kind for kind in run["kinds"] if kind != "plateau"] for run in runs.values()]
    # A plateau between two rises does not make two legs of them.
    signs = [[kind for i, kind in enumerate(legs) if not i or legs[i - 1] != kind] for legs in signs]
    here = [legs[place] if place < len(legs) else "none" for legs in signs]
    n, agree = len(here), here.count(LEGS[phase])
    return {
        "place": place + 1,
        "phase": phase,
        "expected": LEGS[phase],
        "signs": {kind: here.count(kind) for kind in ("rise", "fall", "none")},
        "n": n,
        "consistent": agree / n if n else None,
        "interval": [float(bound) for bound in clopper_pearson(agree, n)] if n else None,
    }


def position(runs: Mapping[str, Section], event: str) -> Section:
    """Where an event lies, over groups of runs: on tokens, on compute, and on which of the two models lie closer."""
    known, left_out = {}, {}
    for name, run in runs.items():
        found = run["events"].get(event)
        if found is None:
            left_out[name] = f"has no {event}"
        elif found["censored"]:
            left_out[name] = EVENTS[event]
        else:
            known[name] = run
    tokens, compute = {}, {}
    for name, run in known.items():
        found = run["events"][event]
        tokens[name] = np.log10(found["tokens"]), interval_error(*np.log10(found["interval"]))
        if found["compute"]:
            compute[name] = np.log10(found["compute"]), tokens[name][1]
    uncounted = left_out | {name: "its number of parameters is not known" for name in known if name not in compute}
    on_tokens, on_compute = summary(tokens, runs, left_out), summary(compute, runs, uncounted)
    closer = None
    if on_tokens["n"] == on_compute["n"] > 1 and on_tokens["tau"] != on_compute["tau"]:
        closer = "tokens" if on_tokens["tau"] < on_compute["tau"] else "compute"
    return {"tokens": powers(on_tokens), "compute": powers(on_compute), "closer_on": closer}


def powers(summary: Section) -> Section:
    """A summary of logarithms as one of tokens or FLOP; `tau` becomes a factor."""
    raised = {key: summary[key] if summary[key] is None else float(10 ** summary[key]) for key in ("mean", "tau")}
    for key in ("interval", "prediction"):
        # Beyond 10^300 an interval of two models says nothing, and is no number of JSON.
        raised[key] = summary[key] and [float(10 ** np.clip(bound, -300, 300)) for bound in summary[key]]
    return summary | raised


def change(runs: Mapping[str, Section], phase: str) -> Section:
    """Size of one leg's change, over groups of runs."""
    known = {name: run["changes"][phase] for name, run in runs.items() if phase in run["changes"]}
    left_out = {name: f"has no {phase}" for name in runs if name not in known}
    return summary({name: (entry["change"], entry["error"]) for name, entry in known.items()}, runs, left_out)


def summary(
    estimates: Mapping[str, tuple[float, float]], runs: Mapping[str, Section], left_out: Mapping[str, str]
) -> Section:
    """Random-effects summary over groups.

    A group's estimate is the mean of its runs; its error has the spread between its runs, the outermost level of
    chance, beside what a single run's estimate is uncertain by, which runs of one group share with their stimuli.
    """
    members: dict[str, list[tuple[float, float]]] = {}
    for name in estimates:
        members.setdefault(runs[name]["group"], []).append(estimates[name])
    means, errors = [], []
    for found in members.values():
        values, own = np.array(found).T
        between = values.var(ddof=1) / len(values) if len(values) > 1 else 0.0
        means.append(values.mean())
        errors.append(np.sqrt(between + (own**2).mean()))
    reason = {0: "no model has it", 1: "one model has it: nothing to summarise"}.get(len(means))
    return random_effects(means, errors) | {"left_out": left_out, "reason": reason}


def by_language(runs: Mapping[str, Section], language: str, rng: np.random.Generator) -> Section:
    """How positions and sizes go with the share of the stimuli's language that a model was trained on.

    Spearman's rho over runs; p by permutation of runs, from five on.
    """
    known = {name: run for name, run in runs.items() if run["language_share"] is not None}
    shares = {run["language_share"] for run in known.values()}
    if len(shares) < 2:
        which = "no model's" if not known else "no two models' different"
        return {
            "n": len(known),
            "relations": [],
            "reason": f"{which} share of {language!r} is declared (language_share)",
        }
    relations = []
    for of in (*EVENTS, *LEGS):
        pairs = [(run["language_share"], value) for run in known.values() if (value := value_of(run, of)) is not None]
        relations.append({"of": of, "n": len(pairs), **rank_correlation(pairs, rng)})
    return {"n": len(known), "relations": relations, "reason": None}


def value_of(run: Section, of: str) -> float | None:
    """Position (tokens) or change of a run; None where it has none."""
    if of in EVENTS:
        return run["events"].get(of, {}).get("tokens")
    return run["changes"].get(of, {}).get("change")


def rank_correlation(pairs: list[tuple[float, float]], rng: np.random.Generator) -> Section:
    """Spearman's rho from three runs on, with p from five on."""
    x, y = np.array(pairs, float).reshape(-1, 2).T
    if len(x) < 3 or not np.ptp(x) or not np.ptp(y):
        return {"rho": None, "p": None}
    x, y = (rankdata(values) - (len(values) + 1) / 2 for values in (x, y))
    scale = np.sqrt((x @ x) * (y @ y))
    rho = x @ y / scale
    if len(x) < FEWEST_RUNS:
        return {"rho": float(rho), "p": None}
    shuffled = np.abs(rng.permuted(np.tile(y, (PERMUTATIONS, 1)), axis=1) @ x) / scale
    return {"rho": float(rho), "p": float(((shuffled >= abs(rho) - 1e-12).sum() + 1) / (PERMUTATIONS + 1))}


def over_runs(orders: Mapping[str, Section], rng: np.random.Generator) -> Entries:
    """Order of perspectives over independent runs: only here can it be tested, with at least five of them.

    `lead` is r of changes with the first perspective one checkpoint earlier minus r with it one checkpoint later;
    `partial` the correlation given log10 tokens; `lag of …` the factor in tokens from the first to the second.
    """
    values: dict[tuple[str, str, str], list[float]] = {}
    for found in orders.values():
        for entry in found["lead_lag"]:
            r = dict(zip(entry["lags"], entry["r"], strict=True))
            if r[1] is not None and r[-1] is not None:
                values.setdefault((entry["first"], entry["second"], "lead"), []).append(r[1] - r[-1])
        for entry in found["correlations"]:
            if entry["partial"] is not None:
                z = np.arctanh(np.clip(entry["partial"], -1 + 1e-9, 1 - 1e-9))
                values.setdefault((entry["first"], entry["second"], "partial"), []).append(z)
        for entry in found["lags"]:
            if entry["factor"] is not None:
                key = entry["first"], entry["second"], f"lag of {entry['event']}"
                values.setdefault(key, []).append(np.log10(entry["factor"]))
    return [
        {"first": first, "second": second, "what": what, **over_sample(what, np.array(sample), rng)}
        for (first, second, what), sample in values.items()
    ]


def over_sample(what: str, sample: np.ndarray, rng: np.random.Generator) -> Section:
    """Mean of one statistic over runs, with interval (t) and p (change of signs) from five runs on.

    Partial correlations come as Fisher's z and lags as log10 factors, and go back after averaging.
    """
    n, center = len(sample), sample.mean()
    backs: dict[str, Callable[[float], float]] = {"partial": np.tanh, "lead": float}
    back = backs.get(what, lambda x: 10**x)
    entry = {"n": n, "mean": float(back(center)), "interval": None, "p": None}
    if n < FEWEST_RUNS:
        return entry | {"reason": f"{n} run{'s' * (n != 1)}: nothing is tested below {FEWEST_RUNS}"}
    half = mean_half_width(sample)
    interval = [float(back(center - half)), float(back(center + half))]
    return entry | {"interval": interval, "p": sign_flips(sample, rng), "reason": None}
