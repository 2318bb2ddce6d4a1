"""Rules between keys of a study's config, one function per part; each raises InputError with key, value and remedy.

Snakemake imports this at every start, so nothing heavy is imported here.
"""

from itertools import pairwise

from triphase.config.dataset_rules import BUILT_IN
from triphase.config.delays import alternative_delays, delays_in_scans
from triphase.config.validation import require_known
from triphase.core.errors import InputError
from triphase.core.types import Section


def tokens_seen(model: Section, checkpoint: Section) -> int:
    """Tokens that a checkpoint has been trained on: its own `tokens`, else step x tokens per step."""
    return int(checkpoint.get("tokens", checkpoint["step"] * model["tokens_per_step"]))


# What names of files end in: one of a folder that did could be that of a file.
SUFFIXES = (".json", ".parquet", ".zip")


def check_names(config: Section) -> None:
    """Names that become those of files differ in more than case, which macOS and Windows ignore, and end like none."""
    lists = {"models": config["models"], "dataset/subjects": config["dataset"]["subjects"]}
    lists |= {f"models/{model['name']}/checkpoints": model["checkpoints"] for model in config["models"]}
    for where, entries in lists.items():
        seen: dict[str, str] = {}
        for entry in entries:
            if entry["name"].casefold().endswith(SUFFIXES):
                raise InputError(
                    f"{where}/{entry['name']}: must not end in {', '.join(SUFFIXES)}: it names folders beside files of "
                    "results; leave the ending out"
                )
            other = seen.setdefault(entry["name"].casefold(), entry["name"])
            if other != entry["name"]:
                raise InputError(
                    f"{where}/{entry['name']}: differs from {other!r} in its case alone, and both would have the same "
                    "files where a file system ignores case; give it another name"
                )


def check_controls(config: Section) -> None:
    """A control is of another model of the study, which is no control itself, and has checkpoints between which it
    could rise."""
    controls = {model["name"]: model["control_of"] for model in config["models"] if model.get("control_of")}
    known = [model["name"] for model in config["models"] if model["name"] not in controls]
    for name, of in controls.items():
        require_known(
            f"models/{name}/control_of", [of], known, "is no other model of the study that is no control; there are"
        )
    for model in config["models"]:
        if model["name"] in controls and len(model["checkpoints"]) < 2:
            raise InputError(
                f"models/{model['name']}/checkpoints: there is 1, and a control (control_of) needs 2 or more, as many "
                "tokens apart as those of its model: what must not rise is the change from the first to the last"
            )


def check_steps(config: Section) -> None:
    """Checkpoints come in the order of training."""
    for model in config["models"]:
        entries = [(entry["name"], entry["step"], tokens_seen(model, entry)) for entry in model["checkpoints"]]
        for (_, step, tokens), (name, next_step, next_tokens) in pairwise(entries):
            if next_step <= step or next_tokens <= tokens:
                raise InputError(
                    f"models/{model['name']}/checkpoints/{name}: step {next_step} ({next_tokens} tokens) does not come "
                    f"after step {step} ({tokens} tokens); list checkpoints in the order of training"
                )


def check_sides(config: Section) -> None:
    """All runs of a stimulus are tested or train, and a fixed split has runs of both kinds."""
    sides: dict[str, bool] = {}
    fixed = config["encoding"]["split"]["kind"] == "fixed"
    for run in config["dataset"]["runs"]:
        if sides.setdefault(run["stimulus"], run["test"]) != run["test"]:
            raise InputError(
                f"dataset/runs/{run['name']}: stimulus {run['stimulus']!r} is marked test: {run['test']} here and "
                f"test: {sides[run['stimulus']]} in another run; every run of a stimulus stands on the same side"
            )
    if fixed and set(sides.values()) != {True, False}:
        raise InputError(
            "dataset/test_runs: split kind 'fixed' needs test runs and others among the study's runs; "
            "with one stimulus use encoding/split/kind: outer_cv"
        )


def check_trained_models(config: Section) -> None:
    """Models that the demo stage trains: their recipe has to make what the other keys ask for."""
    owners: dict[str, str] = {}
    longest = config["activations"]["context"]["max"]
    for model in config["models"]:
        if not (recipe := model.get("train")):
            continue
        where = f"models/{model['name']}"
        other = owners.setdefault(model["repository"], model["name"])
        if other != model["name"]:
            raise InputError(
                f"{where}/repository: {model['repository']!r} is that of {other!r} too; give each trained model its own"
            )
        _check_recipe(f"{where}/train", recipe, longest)
        for entry in model["checkpoints"]:
            _check_saved(f"{where}/checkpoints/{entry['name']}", entry, recipe["saves"])
        if max(model["layers"]) > recipe["layers"]:
            raise InputError(
                f"{where}/layers: {max(model['layers'])} does not exist; train/layers makes 0 (embedding) to "
                f"{recipe['layers']}"
            )
        tokens = recipe["batch"] * recipe["context"]
        if model["tokens_per_step"] != tokens:
            raise InputError(
                f"{where}/tokens_per_step: {model['tokens_per_step']} must be train/batch x train/context: "
                f"{recipe['batch']} x {recipe['context']} = {tokens}"
            )


def check_mechanism(config: Section) -> None:
    """Random tokens, said twice behind BOS, fit the models that the demo stage trains; of others a job will know."""
    mechanism = config["states"]["mechanism"]
    for model in config["models"]:
        positions = (model.get("train") or {}).get("context")
        if mechanism and positions and 2 * mechanism["length"] + 1 > positions:
            raise InputError(
                f"states/mechanism/length: {mechanism['length']} tokens, said twice behind BOS, do not fit "
                f"models/{model['name']}/train/context, {positions}: at most {(positions - 1) // 2}"
            )


def _check_saved(where: str, entry: Section, saves: list[int]) -> None:
    if entry["revision"] not in [f"step{step}" for step in saves]:
        raise InputError(
            f"{where}/revision: {entry['revision']!r} is not saved; it must be step<N> with N in train/saves: "
            f"{', '.join(map(str, sorted(saves)))}"
        )
    if entry["revision"] != f"step{entry['step']}":
        raise InputError(f"{where}/step: {entry['step']} is not the step of its revision {entry['revision']!r}")


def _check_recipe(where: str, recipe: Section, longest: int) -> None:
    if recipe["width"] % (2 * recipe["heads"]):
        raise InputError(
            f"{where}/width: {recipe['width']} must be a multiple of 2 x train/heads, {2 * recipe['heads']}"
        )
    if longest + 2 > recipe["context"]:
        raise InputError(
            f"activations/context/max: {longest} preceding tokens do not fit {where}/context, {recipe['context']} (one "
            f"position each for BOS and for the token itself): at most {recipe['context'] - 2}"
        )
    corpus = recipe["corpus"]
    if set(corpus) != {"words", "mixture"} and set(corpus) - {"to"} != {"path", "from"}:
        raise InputError(
            f"{where}/corpus: invented language has words and mixture, a text path and from (and to); there are "
            f"{', '.join(corpus) or 'none'}"
        )
    between = recipe.get("interlude")
    for name, text in {"corpus": corpus, "interlude": between or {}}.items():
        if "mixture" in text and not sum(text["mixture"].values()):
            raise InputError(f"{where}/{name}/mixture: every share is 0; at least one must be above 0")
    if between and not between["from"] < between["to"] <= max(recipe["saves"]):
        raise InputError(
            f"{where}/interlude: from {between['from']} to {between['to']} must be steps of the training, the first "
            f"before the second and both within train/saves, which end with {max(recipe['saves'])}"
        )


def check_context(config: Section) -> None:
    """The least context of a token is no longer than the greatest."""
    least, most = (config["activations"]["context"][key] for key in ("min", "max"))
    if least is not None and least > most:
        raise InputError(f"activations/context/min: {least} must be at most activations/context/max, {most}")


def check_encoding(config: Section) -> None:
    """Delays fall on scans of their own, simulated runs are long enough for them, penalties are a grid."""
    tr, scans = config["dataset"]["tr"], delays_in_scans(config["encoding"]["delays"], config["dataset"]["tr"])
    if config["encoding"]["delays_as"] == "mean" and config["encoding"]["delay_alternatives"]:
        raise InputError(
            f"encoding/delay_alternatives: {config['encoding']['delay_alternatives']} s have no columns of their "
            "own where encoding/delays_as is mean; leave the key out, or set delays_as: columns"
        )
    alternative_delays(config["encoding"]["delay_alternatives"], config["encoding"]["delays"], tr)
    simulate = config["dataset"]["simulate"]
    if simulate and simulate["volumes"] < 10 * (max(scans) + 1):
        raise InputError(
            f"dataset/simulate/volumes: {simulate['volumes']} scans of {tr} s are too short for delays up to "
            f"{max(scans)} scans (encoding/delays): at least {10 * (max(scans) + 1)} are needed"
        )
    slowest = config["responses"]["high_pass"]
    if slowest and slowest >= 1 / (2 * tr):
        raise InputError(
            f"responses/high_pass: {slowest} Hz would leave nothing of responses with one scan every {tr} s, whose "
            f"fastest course has {1 / (2 * tr):.3g} Hz; 0.01 is usual"
        )
    low, high, _ = config["encoding"]["alphas"]
    if low >= high:
        raise InputError(f"encoding/alphas: low {low} must be below high {high}: [low, high, number]")


def check_labels(config: Section) -> None:
    """Nuisance features are built in or labels that the transcript has; the envelope needs the sound."""
    labels, dataset = [label["name"] for label in config["dataset"]["words"]["labels"]], config["dataset"]
    require_known(
        "encoding/nuisance",
        config["encoding"]["nuisance"],
        [*BUILT_IN, *labels],
        f"is neither built in nor a label of the transcript {dataset['words']['name']!r} of "
        f"{dataset['name']}; there are",
    )
    if "envelope" in config["encoding"]["nuisance"] and not dataset["audio"]:
        raise InputError(f"encoding/nuisance: 'envelope' needs the sound, and {dataset['name']} has no audio")


# After step 0: what enumerating three transitions needs, and what a verdict does as a rule. With noise of 3 to 4 %
# of the first rise, falls of 20 % are found with a power of 80 % from about so many on.
LEAST_CHECKPOINTS, ADVISED_CHECKPOINTS = 9, 13
# A test of people, and their resampling.
SAMPLE_OF_PEOPLE = 10
# Blocks of simulated responses that are held out, each of this many scans at least; a fit of their errors needs 5.
BLOCK_SCANS, LEAST_BLOCKS = 20, 5


def shortages(config: Section) -> list[str]:
    """Lines for the user: what the study has too little of for a verdict, with the number that would do."""
    lines = []
    for model in config["models"]:
        number = sum(tokens_seen(model, entry) > 0 for entry in model["checkpoints"])
        where = f"models/{model['name']}/checkpoints: {number} after step 0"
        if number < LEAST_CHECKPOINTS:
            lines.append(
                f"{where}; three transitions need {LEAST_CHECKPOINTS}, so that its verdict will be undetermined; a "
                f"verdict needs about {ADVISED_CHECKPOINTS}"
            )
        elif number < ADVISED_CHECKPOINTS:
            lines.append(
                f"{where}; three transitions can be fitted, but a verdict needs about {ADVISED_CHECKPOINTS}: "
                "`snakemake power` says which fall could be found"
            )
    people = len(config["dataset"]["subjects"])
    if people < SAMPLE_OF_PEOPLE:
        lines.append(
            f"dataset/subjects: {people}; they stand for themselves, and the verdict is on them: people are resampled "
            f"and tested as a group from {SAMPLE_OF_PEOPLE} on"
        )
    return lines + _few_blocks(config)


def _few_blocks(config: Section) -> list[str]:
    simulate, runs = config["dataset"]["simulate"], config["dataset"]["runs"]
    if not simulate:  # of other data sets the scans are known when they are read
        return []
    fixed = config["encoding"]["split"]["kind"] == "fixed"
    held = {run["stimulus"] for run in runs if run["test"] or not fixed}
    blocks = len(held) * max(simulate["volumes"] // BLOCK_SCANS, 1)
    if blocks - len(held) >= LEAST_BLOCKS - 1:
        return []
    return [
        f"dataset/simulate/volumes: {simulate['volumes']} scans of {len(held)} held-out stimuli make {blocks} blocks "
        f"of {BLOCK_SCANS}; intervals need {LEAST_BLOCKS - 1} and one for each stimulus, so that verdicts will be "
        "undetermined: more volumes, more test runs, or encoding/split/kind outer_cv"
    ]


def check_concepts(config: Section, registry: Section) -> None:
    """A concept that no transcript of the registry has a label for is a mistake; of others see `absent_concepts`."""
    transcripts = [transcript for entry in registry["datasets"].values() for transcript in entry["transcripts"]]
    elsewhere = {label["name"] for transcript in transcripts for label in transcript.get("labels", [])}
    dataset = config["dataset"]
    for concept in config["states"]["probes"]["concepts"]:
        if concept["name"] not in {*_concepts(dataset), *elsewhere, "position"}:
            raise InputError(
                f"states/probes/concepts: {concept['name']!r} is a label of no transcript in the registry of data "
                f"sets; the transcript {dataset['words']['name']!r} of {dataset['name']} has: "
                f"{', '.join(_concepts(dataset)) or 'none'}"
            )


def absent_concepts(config: Section) -> list[str]:
    """Lines for the user: concepts that the transcript has no label for, whose measures will be missing."""
    dataset = config["dataset"]
    there = _concepts(dataset)
    return [
        f"states/probes/concepts: {concept['name']!r} is not a label of the transcript {dataset['words']['name']!r} of "
        f"{dataset['name']} and will be missing; there are {', '.join(there) or 'none'}"
        for concept in config["states"]["probes"]["concepts"]
        if concept["name"] not in there
    ]


def _concepts(dataset: Section) -> list[str]:
    """Labels of the study's transcript, and the position in a sentence where it tells sentences."""
    labels = [label["name"] for label in dataset["words"]["labels"]]
    return [*labels, *(["position"] if "sentence" in labels else [])]


def check_headline(config: Section) -> None:
    """What the headline names exists."""
    regions = [roi["name"] for roi in config["dataset"]["rois"]] + ["language", "all"]
    headline, tasks = config["phases"]["headline"], config["tasks"]
    require_known("phases/headline/roi", [headline["roi"]], regions, "is not a region; there are")
    others = config["phases"]["specification"]["rois"]
    require_known("phases/specification/rois", others, regions, "is not a region; there are")
    if headline["roi"] == "language" and not any(roi["language"] for roi in config["dataset"]["rois"]):
        source = config["dataset"]["source"]["name"]
        raise InputError(
            f"phases/headline/roi: 'language' needs a region with language: true, and the source {source!r} has none; "
            "choose 'all', or set dataset/atlas"
        )
    for key, there in (("tasks", "evaluations"), ("adherence", "adherence")):
        known = [entry["name"] for entry in tasks[there]]
        require_known(f"phases/headline/{key}", headline[key], known, f"is not in tasks/{there}; there are")
    controls = [entry["name"] for entry in tasks["evaluations"] if entry.get("group") == "control"]
    if wrong := [name for name in headline["tasks"] if name in controls]:
        raise InputError(
            f"phases/headline/tasks: {wrong[0]!r} is of the group 'control' (tasks/evaluations), which is to show what "
            "does not emerge; take it out of the headline, or give it another group"
        )


def tasks_without_group(config: Section) -> list[str]:
    """A line for the user: tasks that are in no group where others are, and what goes on without one."""
    entries = config["tasks"]["evaluations"]
    without = [entry["name"] for entry in entries if not entry.get("group")]
    if not without or len(without) == len(entries):
        return []
    return [
        f"tasks/evaluations: {', '.join(map(repr, without))} without a group (formal, functional or control): in no "
        "curve of competence; accuracy, the headline and the order of emergence have them all the same"
    ]


# Of a config with its data set and models put in.
RULES = (
    check_names,
    check_controls,
    check_headline,
    check_steps,
    check_sides,
    check_context,
    check_trained_models,
    check_mechanism,
    check_encoding,
    check_labels,
)
