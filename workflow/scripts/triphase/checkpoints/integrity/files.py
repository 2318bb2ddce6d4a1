"""Rules that files alone decide: revisions missing, equal files at different steps, structure, tokenizer, config.

A series has to have one structure, one tokenizer and one config. Which of two is the run's own no file can tell, so the
commoner one is kept as the series', and what differs from it can't be compared with the rest, for whatever reason. That
is not a vote on weights: these are never judged by how many checkpoints hold them.
"""

from collections import Counter

from triphase.checkpoints.integrity.mark import Findings, Fingerprint
from triphase.checkpoints.integrity.series import trainable
from triphase.core.messages import listed
from triphase.core.types import Entries

# Of a config, what a later stage of one run may change (longer contexts), and what trained weights do not depend on.
FREE = ("max_position_embeddings", "initializer_range")


def missing_revisions(entries: Entries, found: set[str]) -> Findings:
    """Fault at every checkpoint that was asked for and is not `found` (set of names)."""
    return {entry["name"]: ("ok", "") if entry["name"] in found else ("fault", _absent(entry)) for entry in entries}


def _absent(entry):
    return f"there is {entry.get('missing') or 'no revision ' + entry.get('revision', entry['name'])}"


def equal_files(checkpoints: Entries) -> list[tuple[list[str], list[str]]]:
    """Groups of checkpoints at different steps that share weight files, by the files' hashes.

    Parameters
    ----------
    checkpoints : list of dict, name, step and weights (dict of file name to hash; "" where it is not known)

    Returns
    -------
    list of (list of checkpoint names, list of file names)
    """
    holders: dict[str, list[tuple[int, str, str]]] = {}
    for entry in checkpoints:
        for file, value in entry["weights"].items():
            if value:
                holders.setdefault(value, []).append((entry["step"], entry["name"], file))
    groups: dict[tuple[str, ...], set[str]] = {}
    for held in holders.values():
        if len({step for step, _, _ in held}) > 1:
            names = tuple(name for _, name, _ in sorted(held))
            groups.setdefault(names, set()).update(file for _, _, file in held)
    return [(list(names), sorted(files)) for names, files in groups.items()]


def hub_findings(checkpoints: Entries) -> Findings:
    """What hashes say before anything is downloaded: dict of checkpoint name to (verdict, detail).

    Every member of a group is at fault here: that one of them may be right is only seen in the weights.
    """
    found = {entry["name"]: ("ok", "") for entry in checkpoints}
    for entry in checkpoints:
        if not any(entry["weights"].values()):
            found[entry["name"]] = ("not checked", "no hashes are known")
    for names, files in equal_files(checkpoints):
        for name in names:
            others = [other for other in names if other != name]
            found[name] = ("fault", f"{listed(files)} equal that of {listed(others)}; at most one of them can be right")
    return found


def structures(marks: dict[str, Fingerprint]) -> Findings:
    """Whether names and shapes of the trainable tensors are those of the rest: dict of name to finding.

    A revision may be stored in another type than the rest and be what its name says: that is told, and no fault.
    """
    shapes = {name: tuple((mark.names[at], mark.shapes[at]) for at in trainable(mark)) for name, mark in marks.items()}
    types = {name: ", ".join(sorted({mark.dtypes[at] for at in trainable(mark)})) for name, mark in marks.items()}
    found, (usual, example), (stored, _) = {}, _usual(shapes), _usual(types)
    for name, own in shapes.items():
        if own == usual:
            found[name] = ("ok", "" if types[name] == stored else f"stored as {types[name]}, the rest as {stored}")
            continue
        ours, theirs = dict(own), dict(usual)
        lacking = [tensor for tensor in theirs if tensor not in ours]
        added = [tensor for tensor in ours if tensor not in theirs]
        changed = [
            f"{t}: {_form(ours[t])} not {_form(theirs[t])}" for t in ours if t in theirs and ours[t] != theirs[t]
        ]
        parts = [f"lacks {listed(lacking)}"] * bool(lacking) + [f"has {listed(added)} besides"] * bool(added)
        found[name] = ("fault", f"{'; '.join(parts + [listed(changed)] * bool(changed))}; compared with {example}")
    return found


def tokenizers(marks: dict[str, Fingerprint]) -> Findings:
    """Whether the tokenizer is that of the rest: dict of name to finding."""
    known = {name: mark.tokenizer["hash"] for name, mark in marks.items() if mark.tokenizer["hash"]}
    found = {name: ("not checked", "no tokenizer at this revision") for name in marks if name not in known}
    if known:
        usual, example = _usual(known)
        for name, value in known.items():
            same = value == usual
            entries = f"{marks[name].tokenizer['entries']} entries, {example} {marks[example].tokenizer['entries']}"
            found[name] = ("ok", "") if same else ("fault", f"another tokenizer than {example} ({entries})")
    return found


def configs(marks: dict[str, Fingerprint]) -> Findings:
    """Whether what config.json says of shapes and arithmetic is what the rest say: dict of name to finding."""
    known = {
        name: tuple(sorted((k, str(v)) for k, v in mark.config.items())) for name, mark in marks.items() if mark.config
    }
    found = {name: ("not checked", "no config.json at this revision") for name in marks if name not in known}
    if known:
        usual, example = _usual(known)
        for name, value in known.items():
            ours, theirs = dict(value), dict(usual)
            # A key that only some releases of the library write is no contradiction.
            both = [key for key in ours if key in theirs and key not in FREE and ours[key] != theirs[key]]
            wrong = [f"{key} {ours[key]} not {theirs[key]}" for key in both]
            found[name] = ("fault", f"{listed(wrong)}; compared with {example}") if wrong else ("ok", "")
    return found


def finite(marks: dict[str, Fingerprint]) -> Findings:
    """Whether all values are numbers: dict of name to finding."""
    found = {}
    for name, mark in marks.items():
        bad = [f"{mark.names[at]}: {n} of {mark.count[at]}" for at, n in enumerate(mark.nonfinite) if n]
        found[name] = ("fault", f"not finite in {listed(bad)}") if bad else ("ok", "")
    return found


def _usual(values):
    """The commonest value (the first one met, of equals) and the name of the first that has it."""
    usual = Counter(values.values()).most_common(1)[0][0]
    return usual, next(name for name, value in values.items() if value == usual)


def _form(shape):
    return "x".join(map(str, shape))
