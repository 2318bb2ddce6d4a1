"""The specification table: the headline's question asked in every way that the study has numbers for.

An analysis is a layer rule, a scaling of the features, a nuisance set, delays, raw or normalised scores, and a region.
Analyses that nobody has computed are counted with the reason, not filled in; so the shares of verdicts are shares of
what could have been published from this study's own numbers (Steegen et al. 2016, Simonsohn et al. 2020).
"""

import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import product

import numpy as np
import pandas as pd

from triphase.core.artefacts import finite_or_none
from triphase.core.types import Entries, Section
from triphase.encoding.analyses import NUISANCE_SETS, OWN_DELAYS, STEP0
from triphase.phases.curves import Trajectory, Undetermined, average_subjects
from triphase.phases.layers import HEADLINE, PER_CHECKPOINT, LayerCurves, Rule, Source, layer_rules
from triphase.phases.transitions import SYMBOLS, Settings, legs, pattern
from triphase.phases.verdict import VERDICTS, Judged, weigh
from triphase.table.selection import analyses_of, main_analysis
from triphase.table.tidy import GAIN

TEXT = [
    "model",
    "layer_rule",
    "scaling",
    "nuisance",
    "delays",
    "ceiling",
    "roi",
    "pattern",
    "legs",
    "verdict",
    "reason",
]
COLUMNS = dict.fromkeys(TEXT, "string") | {
    "depth": "float64",
    "power": "float64",
    "p": "float64",
    "n_checkpoints": "int64",
    "headline": "bool",
}
RAW, NORMALISED = "raw", "normalised"
NUISANCE = ("none", "N1", "N2", STEP0)
# There are hundreds of analyses: the fewest simulations that can be significant at 0.05, and the fewest breakpoints
# that a triple needs where a plateau comes first.
SIMULATIONS, MAX_BREAKPOINTS = 40, 3


@dataclass(frozen=True)
class Scores:
    """Which scores an analysis takes, apart from their layers and region."""

    scaling: str | None
    nuisance: str
    delays: str | None
    ceiling: str


def declaration(headline: Section, judgement: Section) -> Section:
    """What was declared before the run, and a digest of it that can be deposited then and compared later."""
    declared = {"headline": headline, "judgement": judgement}
    text = json.dumps(declared, sort_keys=True, ensure_ascii=False)
    return {"declared": declared, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def available(rows: pd.DataFrame, has_step0: bool) -> dict[Scores, Source]:
    """Scores that the table has, each with where its curve comes from.

    Parameters
    ----------
    rows : DataFrame
        Tidy rows of r and of the gain.
    has_step0 : bool

    Returns
    -------
    dict of Scores to layers.Source
    """
    found = {}
    for measure in ("r", GAIN):
        analyses = analyses_of(rows[rows["measure"] == measure])
        main = main_analysis(analyses)
        # Fits to fewer stimuli say of a fall what kind it is; nobody would choose them.
        whole = [analysis for analysis in analyses if not analysis.trained_on]
        for analysis in sorted(whole, key=lambda analysis: analysis.label(main)):
            delays, ceiling = analysis.delays, NORMALISED if analysis.normalised else RAW
            scores = Scores(analysis.scaling, analysis.nuisance or "none", delays, ceiling)
            found[scores] = Source(measure, analysis)
        if measure == GAIN and has_step0 and analyses:
            # The nuisance model is the same at every checkpoint, so a difference of gains is one of r.
            found[Scores(main.scaling, STEP0, OWN_DELAYS, RAW)] = Source(GAIN, main, over_step0=True)
    return found


@dataclass(frozen=True)
class Series:
    """What one model has to be analysed.

    Attributes
    ----------
    model : str
    table : DataFrame
        Tidy rows of the model.
    files : dict of (checkpoint, layer) to path of an encoding result
    layers : dict of subject to layer, the headline's
    depth : int, layers of the model
    """

    model: str
    table: pd.DataFrame
    files: Mapping[tuple[str, int], str]
    layers: dict[str, int]
    depth: int


@dataclass(frozen=True)
class Asked:
    """Which analyses the table holds.

    Attributes
    ----------
    roi : str, the headline's region
    scalings : list of str, the first is the headline's
    depths : list of float
        Shares of the model's depth; the layer nearest to each is crossed with every other choice, as the headline's
        rule and the one of each checkpoint are. All other layers are judged with the headline's choices alone.
    rois : list of str, regions beside the headline's
    """

    roi: str
    scalings: list[str]
    depths: list[float]
    rois: list[str]


def tabulate(series: Series, asked: Asked, settings: Settings, seed: int) -> tuple[pd.DataFrame, list[dict]]:
    """Pattern and verdict of every analysis of one model.

    Parameters
    ----------
    series : Series
    asked : Asked
    settings : transitions.Settings
        The declared ones, by which the headline's row is judged, as its verdict is; the others by `brief` ones.
    seed : int

    Returns
    -------
    rows : DataFrame with COLUMNS, one row per analysis
    not_computed : list of dict with what, why, count
    """
    table, model = series.table, series.model
    rules = layer_rules(table, series.layers, asked.roi)
    crossed = [HEADLINE, PER_CHECKPOINT, *nearest(rules, asked.depths, series.depth)]
    at_layers = table[table["layer"].notna() & table["roi"].notna()]
    scores = available(at_layers, bool((at_layers["step"] == 0).any()))
    own = Scores(asked.scalings[0], "N1", OWN_DELAYS, RAW)
    regions = list(dict.fromkeys([asked.roi, *asked.rois]))
    analyses = [
        (rule, kind, roi)
        for rule, kind, roi in product(rules, scores, regions)
        if rule in crossed or (kind, roi) == (own, asked.roi)
    ]
    wanted = [(rules[rule].choice, scores[kind], roi) for rule, kind, roi in analyses]
    curves = LayerCurves(table, series.files, wanted, settings.draws)
    rows = []
    for (rule, kind, roi), (choice, source, _) in zip(analyses, wanted, strict=True):
        each = (curves.curve(choice, source, roi, subject) for subject in series.layers)
        of_subjects = [curve for curve in each if curve is not None]
        name = json.dumps([model, rule, *asdict(kind).values(), roi])
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        # Subjects are resampled alike in all analyses.
        mean = average_subjects(of_subjects, np.random.default_rng(seed)) if of_subjects else None
        layer = rules[rule].layer
        depth = np.nan if layer is None else layer / series.depth
        entry = {"model": model, "layer_rule": rule, "depth": depth, **asdict(kind), "roi": roi}
        is_headline = (rule, kind, roi) == (HEADLINE, own, asked.roi)
        how = settings if is_headline else brief(settings)
        rows.append(entry | brief_verdict(mean, how, rng) | {"headline": is_headline})
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS), not_computed(
        analyses, rules, crossed, asked.scalings, scores, regions
    )


def brief(settings: Settings) -> Settings:
    """Fewer simulations and breakpoints, as there are hundreds of analyses."""
    return replace(settings, simulations=min(SIMULATIONS, settings.simulations), max_breakpoints=MAX_BREAKPOINTS)


def nearest(rules: dict[str, Rule], depths: list[float], depth: int) -> list[str]:
    """The rules of single layers that lie nearest to shares of a model's depth, the deeper of two."""
    single = {rule.layer: name for name, rule in rules.items() if rule.layer is not None}
    picked = [min(single, key=lambda layer: (abs(layer - share * depth), -layer)) for share in depths]
    return list(dict.fromkeys(single[layer] for layer in picked))


def brief_verdict(data: Trajectory | None, settings: Settings, rng: np.random.Generator) -> Section:
    """Pattern and verdict of one curve, without intervals of its breakpoints."""
    empty = {"pattern": None, "legs": None, "power": None, "p": None, "n_checkpoints": 0, "verdict": "undetermined"}
    if data is None:
        return empty | {"reason": "undetermined: no subject has a value"}
    try:
        judged = Judged(data, settings, rng)
    except Undetermined as problem:
        return empty | {"reason": f"undetermined: {problem}"}
    verdict, reason, evidence, found_power = weigh(judged)
    return {
        "pattern": pattern(judged.signs),
        "legs": " ".join(SYMBOLS[sign] for sign in legs(judged.signs)),
        "power": finite_or_none(found_power),
        "p": max((test["p"] for test in evidence.tests.values()), default=None),
        "n_checkpoints": len(judged.t),
        "verdict": verdict,
        "reason": "; ".join([f"{verdict}: {reason}", *judged.remarks]),
    }


def not_computed(
    analyses: list[tuple[str, Scores, str]],
    rules: Collection[str],
    crossed: list[str],
    scalings: list[str],
    scores: Collection[Scores],
    regions: list[str],
) -> Entries:
    """Combinations of the factors' levels that are not in the table, counted by what they lack and why."""
    done = set(analyses)
    delays = dict.fromkeys([OWN_DELAYS, *(kind.delays for kind in scores)])
    nuisance = dict.fromkeys([*NUISANCE, *(kind.nuisance for kind in scores)])
    counted: Counter[tuple[str, str]] = Counter()
    for rule, roi in product(rules, regions):
        for kind in (Scores(*levels) for levels in product(scalings, nuisance, delays, (RAW, NORMALISED))):
            if (rule, kind, roi) not in done:
                counted[why_not(kind, rule in crossed, scalings[0], scores)] += 1
    return [{"what": what, "why": why, "count": count} for (what, why), count in counted.items()]


def why_not(kind: Scores, crossed: bool, first: str, scores: Collection[Scores]) -> tuple[str, str]:
    """What a combination lacks, and why."""
    if kind in scores and not crossed:
        return "single layers with other choices than the headline's", "phases/specification/depths does not name them"
    if kind.ceiling == NORMALISED:
        if any(other.ceiling == NORMALISED for other in scores):
            return "normalised scores of gains, other scalings, other delays", "r alone is divided by its ceiling"
        return "normalised scores", "hearings are not repeated, or no voxel has a sufficient ceiling"
    if kind.nuisance not in {other.nuisance for other in scores}:
        why = {"N2": "encoding/lexical is null", STEP0: "the series does not begin with step 0"}
        return f"nuisance set {kind.nuisance}", why.get(kind.nuisance, "the table does not have it")
    if kind.scaling != first and kind.delays != OWN_DELAYS:
        return "other scalings with other delays", "each is fitted with the headline's choice of the other"
    if kind.nuisance in NUISANCE_SETS and kind.nuisance != "N1":
        return (
            f"{kind.nuisance} with other scalings or delays",
            "it is fitted with the headline's scaling and delays",
        )
    return "r and step 0 with other scalings or delays", "their curves are those over N1 but for a constant"


def shares(rows: pd.DataFrame) -> Section:
    """What the table comes to: verdicts counted and as shares, and the shares that agree with the headline's row."""
    counts = {verdict: int((rows["verdict"] == verdict).sum()) for verdict in VERDICTS}
    number, own = len(rows), rows[rows["headline"]]
    agreeing = {
        key: float((rows[key] == own[key].iloc[0]).sum() / number) if len(own) and own[key].notna().all() else None
        for key in ("pattern", "verdict")
    }
    return {
        "n": number,
        "counts": counts,
        "shares": {verdict: count / number for verdict, count in counts.items()} if number else {},
        "same_pattern": agreeing["pattern"],
        "same_verdict": agreeing["verdict"],
    }
