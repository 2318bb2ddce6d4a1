"""Negative controls: models whose alignment beyond statistics of words must not rise, such as those of shuffled text.

Whether a rise is there is asked of the strictest nuisance set that both models have, from the first checkpoint to the
last; whether none is there is an equivalence claim, with the bound by which a fall was declared: a control *holds*
where the 95 % interval of its change lies below `phases/smallest_fall` of its model's, over checkpoints that begin as
early and go on as long as its model's. [ours]
"""

from collections.abc import Mapping

from triphase.core.types import Entries, Section
from triphase.phases.behaviour import LAG_FACTOR

# The strictest first: with all that the words themselves say.
STRICTEST = ("N2+surprisal", "N2", "N1+surprisal")
BEGINNING = 0.01  # share of a model's tokens until which a control may begin where its model begins earlier


def controls(phases: Mapping[str, Section], models: Mapping[str, Section]) -> Entries:
    """What every control says of its model.

    Parameters
    ----------
    phases : dict of model to its entry of phases.json
    models : dict of model to dict with control_of: the name of the model that it is a control of, or None

    Returns
    -------
    list of dict with model, of, nuisance, since, checkpoint, change, interval (of the control), expected (the change of
    its model), verdict ("holds", "rises" or "undecided") and reason
    """
    pairs = {name: models[name]["control_of"] for name in phases if models[name].get("control_of")}
    return [{"model": name, "of": of, **_judged(phases[name], phases[of])} for name, of in pairs.items()]


def _judged(control: Section, model: Section) -> Section:
    own, other = control["content"]["over"], model["content"]["over"]
    nuisance = next((name for name in STRICTEST if name in own and name in other), None)
    empty = dict.fromkeys(("nuisance", "since", "checkpoint", "change", "interval", "expected"))
    if nuisance is None:
        why = "word statistics are no nuisance of the study: set encoding/lexical or encoding/surprisal"
        return empty | {"verdict": "undecided", "reason": why}
    found, expected = own[nuisance], other[nuisance]["change"]
    told = {"nuisance": nuisance, "since": found["since"], "checkpoint": found["checkpoint"]}
    told |= {"change": found["change"], "interval": found["change_interval"], "expected": expected}
    bound = model["provenance"]["settings"]["smallest_fall"]
    if found["change_interval"] is None:
        return told | {"verdict": "undecided", "reason": "its change has no interval"}
    low, high = found["change_interval"]
    if low > 0:
        return told | {"verdict": "rises", "reason": "its alignment beyond word statistics rises as well"}
    if reason := _uncovered(found, other[nuisance]):
        return told | {"verdict": "undecided", "reason": reason}
    if expected > 0 and high < bound * expected:
        return told | {"verdict": "holds", "reason": f"its change is below {bound:g} of its model's"}
    why = f"its interval reaches {bound:g} of its model's change" if expected > 0 else "its model does not rise"
    return told | {"verdict": "undecided", "reason": why}


def _uncovered(control: Section, model: Section) -> str:
    """Why a control's checkpoints cannot show that what its model does over its own is missing; "" where they can."""
    if control["since"] == control["checkpoint"]:
        return "it has one checkpoint, and so no change"
    if control["tokens"] is None or model["tokens"] is None:
        return ""
    (begin, end), (first, last) = control["tokens"], model["tokens"]
    if begin <= max(LAG_FACTOR * first, BEGINNING * last) and LAG_FACTOR * end >= last:
        return ""
    return f"its checkpoints are of {begin:.3g} to {end:.3g} tokens, and its model's of {first:.3g} to {last:.3g}"
