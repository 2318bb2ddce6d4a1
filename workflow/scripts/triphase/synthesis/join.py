"""Studies joined: courses side by side, agreement, summaries over data sets, language, one verdict over all.

The unit of a summary is the data set: people lie within data sets, and their differences are in the errors. Studies of
one data set, such as two transcripts of one film, count once. Models are those that were studied, fixed: each has a
summary of its own, and the one over all models is of their mean in each study, whose error counts what they share.
"""

import zlib
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from triphase.core.types import Entries, Section
from triphase.phases.across import consistency, powers, summary
from triphase.phases.curves import Undetermined, subject_curves
from triphase.phases.order import EVENTS
from triphase.phases.transitions import Settings
from triphase.phases.verdict import VERDICTS
from triphase.stats.proportions import clopper_pearson
from triphase.synthesis.agreement import agreement
from triphase.synthesis.courses import LEGS, Course, Quantity, course_of
from triphase.synthesis.language import Place, covariance_of, interaction
from triphase.synthesis.studies import Finished

QUANTITIES = (*LEGS, *EVENTS)
MIXED = "mixed"
BAND = 0.95  # of a shape, at each checkpoint, for the figure


def join(studies: Sequence[Finished], bound: float, language: Section, seed: int) -> Section:
    """The content of synthesis.json (see docs/concepts/inference.md).

    Parameters
    ----------
    studies : list of Finished, of one definition
    bound : float, of agreement, in shares of the first rise
    language : dict with size and place, the interactions whose power is told
    seed : int
    """
    courses, unfitted = fitted_courses(studies)
    models = list(dict.fromkeys(model for study in studies for model in study.phases))
    runs = {study.name: {"group": study.dataset} for study in studies}
    shares = {(model, study.name): study.share(model) for study in studies for model in study.phases}
    return {
        "bound": bound,
        "studies": [about(study) for study in studies],
        "definition": studies[0].definition,
        "remarks": remarks(studies, models, shares, unfitted),
        "courses": {
            model: {study.name: side(study, model, courses) for study in studies if model in study.phases}
            for model in models
        },
        "legs": {model: legs(studies, model) for model in models},
        "summaries": {model: summaries(model, courses, runs) for model in models} | {"all": over_models(courses, runs)},
        "agreement": agreements(studies, courses, bound, seed),
        "language": interactions(courses, shares, language),
        "verdicts": {
            model: verdict([s.phases[model]["verdict"] for s in studies if model in s.phases]) for model in models
        }
        | {"all": verdict([entry["verdict"] for study in studies for entry in study.phases.values()])},
    }


def fitted_courses(studies: Sequence[Finished]) -> tuple[dict[Place, Course], dict[Place, str]]:
    """Courses of all models in all studies, and of those that cannot be fitted why."""
    courses, unfitted = {}, {}
    for study in studies:
        for model, entry in study.phases.items():
            place, told = (model, study.name), entry["provenance"]
            table = study.table[study.table["model"] == model]
            boot = study.boot.isel(series=study.boot["model"].values == model)
            curves = list(subject_curves(table, boot, entry["headline"]["roi"]).values())
            try:
                courses[place] = course_of(curves, Settings(**told["settings"]), told["seed"])
            except Undetermined as problem:
                unfitted[place] = str(problem)
    return courses, unfitted


def about(study: Finished) -> Section:
    """What is said of a study."""
    people = max((entry["n_subjects"] for entry in study.phases.values()), default=0)
    return {"name": study.name, "dataset": study.dataset, "language": study.language, "n_subjects": people}


def remarks(
    studies: Sequence[Finished],
    models: Sequence[str],
    shares: Mapping[Place, float | None],
    unfitted: Mapping[Place, str],
) -> list[str]:
    """What is not joined, and why."""
    found = []
    for dataset in dict.fromkeys(study.dataset for study in studies):
        if len(names := [study.name for study in studies if study.dataset == dataset]) > 1:
            found.append(
                f"{' and '.join(names)} are of one data set, {dataset}, and count once in summaries over data sets"
            )
    for model in models:
        if len(names := [study.name for study in studies if model in study.phases]) == 1:
            found.append(f"only {names[0]} has {model}: it has no summary, and the other models are joined without it")
    for (model, study), share in shares.items():
        if share is None:
            language = next(s.language for s in studies if s.name == study)
            found.append(
                f"the share of {language!r} that {model} was trained on is not declared (models/language_share): the "
                "interaction with language is estimated without it"
            )
    found += [f"{model} in {study} is left out: {why}" for (model, study), why in unfitted.items()]
    return list(dict.fromkeys(found))


def side(study: Finished, model: str, courses: Mapping[Place, Course]) -> Section:
    """One model in one study, to stand beside its others."""
    entry, course = study.phases[model], courses.get((model, study.name))
    kept = ("verdict", "reason", "pattern", "breakpoints", "intervals", "n_checkpoints", "n_subjects")
    found: Section = {key: entry[key] for key in kept} | {"language_share": study.share(model)}
    if course is None:
        return found | {
            "quantities": {},
            "lacking": dict.fromkeys(QUANTITIES, "the curve cannot be fitted"),
            "shape": [],
        }
    shape = []
    if course.shape is not None and course.draws is not None:
        low, high = np.quantile(course.draws, [(1 - BAND) / 2, (1 + BAND) / 2], axis=0)
        columns = zip(
            course.t, course.shape, np.minimum(low, course.shape), np.maximum(high, course.shape), strict=True
        )
        shape = [[round(10**t), *map(float, values)] for t, *values in columns]
    quantities = {name: {"value": found.value, "error": found.error} for name, found in course.quantities.items()}
    return found | {"quantities": quantities, "lacking": course.lacking, "shape": shape}


def legs(studies: Sequence[Finished], model: str) -> Entries:
    """Signs of the triple's legs over studies, each in its place."""
    entries = {study.name: study.phases[model] for study in studies if model in study.phases}
    kinds = {
        name: {"kinds": [segment["kind"] for segment in entry["segments"]]}
        for name, entry in entries.items()
        if entry["pattern"] is not None
    }
    return [consistency(kinds, place, leg) for place, leg in enumerate(LEGS)]


def summaries(model: str, courses: Mapping[Place, Course], runs: Mapping[str, Section]) -> Section:
    """Random-effects summary of every quantity of one model over data sets."""
    found = {}
    mine = {study: course for (name, study), course in courses.items() if name == model}
    for name in QUANTITIES:
        known = {study: course.quantities[name] for study, course in mine.items() if name in course.quantities}
        lacking = {study: course.lacking[name] for study, course in mine.items() if study not in known}
        found[name] = summarised(name, {study: (q.value, q.error) for study, q in known.items()}, runs, lacking)
    return found


def over_models(courses: Mapping[Place, Course], runs: Mapping[str, Section]) -> Section:
    """The same of the mean over the models that have the quantity in every study."""
    found = {}
    models = list(dict.fromkeys(model for model, _ in courses))
    for name in QUANTITIES:
        everywhere = [m for m in models if all((m, s) in courses and name in courses[m, s].quantities for s in runs)]
        left_out = {model: f"not in every study with {name}" for model in models if model not in everywhere}
        means = {}
        for study in runs if everywhere else ():
            places = [(model, study) for model in everywhere]
            quantities = {place: courses[place].quantities[name] for place in places}
            values = np.array([quantities[place].value for place in places])
            error = np.sqrt(covariance_of(places, quantities).sum()) / len(places)
            means[study] = float(values.mean()), float(error)
        found[name] = summarised(name, means, runs, left_out)
    return found


def summarised(
    name: str, estimates: Mapping[str, tuple[float, float]], runs: Mapping[str, Section], left_out: Mapping[str, str]
) -> Section:
    """`across.summary` over data sets; of a place in tokens."""
    found = summary(estimates, runs, left_out)
    reasons = {0: "no data set has it", 1: "one data set has it: nothing to summarise"}
    found |= {"tau2": None if found["tau"] is None else found["tau"] ** 2, "reason": reasons.get(found["n"])}
    return powers(found) if name in EVENTS else found


def agreements(studies: Sequence[Finished], courses: Mapping[Place, Course], bound: float, seed: int) -> Entries:
    """Equivalence tests: each model between studies, and models within a study."""
    pairs = [(a, b) for a, b in combinations(courses, 2) if (a[0] == b[0]) != (a[1] == b[1])]
    found = []
    for first, second in pairs:
        rng = np.random.default_rng([seed, zlib.crc32("|".join([*first, *second]).encode())])
        same_study = first[1] == second[1]
        result = agreement(courses[first], courses[second], bound, rng, paired=same_study)
        found.append(
            {
                "between": "models" if same_study else "studies",
                "models": [first[0], second[0]],
                "studies": [first[1], second[1]],
                **result,
            }
        )
    return found


def interactions(
    courses: Mapping[Place, Course], shares: Mapping[Place, float | None], language: Section
) -> dict[str, Section]:
    """Interaction of every quantity with the share of the stimuli's language; of places in decades of tokens."""
    found = {}
    known = {place: share for place, share in shares.items() if share is not None}
    for name in QUANTITIES:
        values: dict[Place, Quantity] = {
            place: course.quantities[name] for place, course in courses.items() if name in course.quantities
        }
        smallest = language["place"] if name in EVENTS else language["size"]
        if name == "rise" and values:  # in r, as no rise is a share of itself
            smallest *= float(np.mean([quantity.value for quantity in values.values()]))
        found[name] = interaction(values, known, smallest)
    return found


def verdict(verdicts: Sequence[str]) -> Section:
    """Verdicts counted, and one over all [ours].

    Supported where more than half of the studies support three phases and none finds another course; not supported
    where more than half find another and none supports them; mixed where both occur; undetermined else.
    """
    counts: dict[str, Any] = {name: verdicts.count(name) for name in VERDICTS}
    n, (yes, no, _) = len(verdicts), counts.values()
    over_all = MIXED if yes and no else VERDICTS[0] if yes > n / 2 else VERDICTS[1] if no > n / 2 else VERDICTS[2]
    low, high = clopper_pearson(yes, n)
    said = ", ".join(f"{name} in {count} of {n}" for name, count in counts.items())
    return {
        "verdict": over_all,
        "n": n,
        "counts": counts,
        "share": yes / n,
        "interval": [float(low), float(high)],
        "reason": said,
    }
