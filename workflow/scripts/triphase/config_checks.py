"""Rules between keys of a study's config, one function per part; each raises InputError with key, value and remedy.

Snakemake imports this at every start, so nothing heavy is imported here.
"""

import string

from triphase.errors import InputError

# Nuisance features that need no label, and columns that the words table has of its own.
BUILT_IN = ("word_rate", "word_length", "position")
WORD_COLUMNS = ("stimulus", "run", "index", "word", "onset", "offset", "char_start", "char_end")
TEMPLATES = ("path", "confounds", "mask", "rois", "roi_table")


def chosen_source(config):
    """The entry of dataset/responses/sources that the study reads; InputError when there is none of that name."""
    responses = config["dataset"]["responses"]
    names = [source["name"] for source in responses["sources"]]
    require_known("dataset/responses/source", [responses["source"]], names, "is not among the sources")
    return responses["sources"][names.index(responses["source"])]


def require_known(where, names, known, what):
    """InputError for the first of `names` that is not in `known`."""
    for name in names:
        if name not in known:
            raise InputError(f"{where}: {name!r} {what}: {', '.join(known) or 'none'}")


def check_trained_models(config):
    """Models that the demo stage trains: their recipe has to make what the other keys ask for."""
    owners, longest = {}, config["activations"]["context"]["max"]
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


def _check_saved(where, entry, saves):
    if entry["revision"] not in [f"step{step}" for step in saves]:
        raise InputError(
            f"{where}/revision: {entry['revision']!r} is not saved; it must be step<N> with N in train/saves: "
            f"{', '.join(map(str, sorted(saves)))}"
        )
    if entry["revision"] != f"step{entry['step']}":
        raise InputError(f"{where}/step: {entry['step']} is not the step of its revision {entry['revision']!r}")


def _check_recipe(where, recipe, longest):
    if max(recipe["saves"]) > recipe["steps"]:
        raise InputError(f"{where}/saves: {max(recipe['saves'])} must be at most train/steps, {recipe['steps']}")
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
    needed = {"grammar": ("words", "mixture"), "text": ("path", "from")}[corpus["kind"]]
    if missing := [key for key in needed if key not in corpus]:
        raise InputError(
            f"{where}/corpus: kind {corpus['kind']!r} needs {' and '.join(needed)}; missing: {', '.join(missing)}"
        )
    if corpus["kind"] == "grammar" and not sum(corpus["mixture"].values()):
        raise InputError(f"{where}/corpus/mixture: every share is 0; at least one must be above 0")


def check_context(config):
    """The least context of a token is no longer than the greatest."""
    least, most = (config["activations"]["context"][key] for key in ("min", "max"))
    if least > most:
        raise InputError(f"activations/context/min: {least} must be at most activations/context/max, {most}")


def check_encoding(config):
    """Delays fall on scans of their own, simulated runs are long enough for them, penalties are a grid."""
    delays, tr = config["encoding"]["delays"], config["dataset"]["tr"]
    scans = [round(delay / tr) for delay in delays]  # as triphase.features, whose import would cost seconds
    if len(set(scans)) < len(scans):
        raise InputError(f"encoding/delays: {delays} s are {scans} scans at TR {tr} s; each must be on its own scan")
    simulate = config["dataset"]["simulate"]
    if simulate and simulate["volumes"] < 10 * (max(scans) + 1):
        raise InputError(
            f"dataset/simulate/volumes: {simulate['volumes']} scans of {tr} s are too short for delays up to "
            f"{max(scans)} scans (encoding/delays): at least {10 * (max(scans) + 1)} are needed"
        )
    low, high, _ = config["encoding"]["alphas"]
    if low >= high:
        raise InputError(f"encoding/alphas: low {low} must be below high {high}: [low, high, number]")


def check_labels(config):
    """Labels have names of their own; concepts and nuisance features are labels that there are."""
    labels = [label["name"] for label in config["dataset"]["words"]["labels"]]
    for name in labels:
        if name in (*BUILT_IN, *WORD_COLUMNS):
            raise InputError(
                f"dataset/words/labels: {name!r} is taken; a label must not be named {', '.join(BUILT_IN)}, "
                f"{', '.join(WORD_COLUMNS)}"
            )
    concepts = [concept["name"] for concept in config["states"]["probes"]["concepts"]]
    require_known("states/probes/concepts", concepts, labels, "is not a label of dataset/words/labels; there are")
    require_known(
        "encoding/nuisance", config["encoding"]["nuisance"], [*BUILT_IN, *labels],
        "is neither built in nor a label of dataset/words/labels; there are",
    )  # fmt: skip


def check_paths(config):
    """Path templates use placeholders that there are."""
    dataset = config["dataset"]
    words, stimuli = dataset["words"], sorted({run["stimulus"] for run in dataset["runs"]})
    used = _placeholders("dataset/words/path", words["path"], ["stimulus"])
    if len(stimuli) > 1 and not used:
        raise InputError(
            f"dataset/words/path: {words['path']!r} is one table for {len(stimuli)} stimuli; it must hold {{stimulus}}"
        )
    corrected = [entry["stimulus"] for entry in words["corrections"]]
    require_known("dataset/words/corrections", corrected, stimuli, "is not a stimulus of dataset/runs; there are")
    for source in dataset["responses"]["sources"]:
        served = source.get("subjects", [subject["name"] for subject in dataset["subjects"]])
        without = [s["name"] for s in dataset["subjects"] if "id" not in s and s["name"] in served]
        for key in TEMPLATES:
            where = f"dataset/responses/sources/{source['name']}/{key}"
            used = _placeholders(where, source.get(key), ["subject", "id", "run", "stimulus"])
            if "id" in used and without:
                raise InputError(
                    f"{where}: {source[key]!r} uses {{id}}, but {without[0]!r} of dataset/subjects has no id"
                )


def _placeholders(where, template, allowed):
    try:
        used = {field for _, field, _, _ in string.Formatter().parse(template or "") if field is not None}
    except ValueError as error:
        raise InputError(f"{where}: {template!r} is not a path template ({error})") from None
    known = [f"{{{name}}}" for name in allowed]
    require_known(f"{where}: {template!r}", [f"{{{name}}}" for name in sorted(used)], known, "is unknown; it may use")
    return used


def check_sources(config):
    """Subjects of every source, and regions of the chosen one, are there."""
    dataset, source = config["dataset"], chosen_source(config)
    subjects = [subject["name"] for subject in dataset["subjects"]]
    for entry in dataset["responses"]["sources"]:
        where = f"dataset/responses/sources/{entry['name']}/subjects"
        require_known(where, entry.get("subjects", []), subjects, "is not in dataset/subjects; there are")
    if "columns" in source:
        regions, where = [roi["name"] for roi in dataset["rois"]], f"dataset/responses/sources/{source['name']}/columns"
        require_known("dataset/rois", regions, source["columns"], f"is not in {where}; there are")
    here = f"results/{config['study']}/demo/dataset"
    if dataset["simulate"] and dataset["url"] != here:
        raise InputError(f"dataset/url: {dataset['url']!r} must be {here}, where dataset/simulate makes the data set")


def check_headline(config):
    """What the headline names exists."""
    regions = [roi["name"] for roi in config["dataset"]["rois"]] + ["language", "all"]
    headline, tasks = config["phases"]["headline"], config["tasks"]
    require_known("phases/headline/roi", [headline["roi"]], regions, "is not a region; there are")
    if headline["roi"] == "language" and not any(roi["language"] for roi in config["dataset"]["rois"]):
        raise InputError("phases/headline/roi: 'language' needs at least one entry of dataset/rois with language: true")
    source = chosen_source(config)
    if "columns" not in source and not source.get("rois") and headline["roi"] != "all":
        raise InputError(
            f"phases/headline/roi: {headline['roi']!r} must be 'all': the source {source['name']!r} "
            "is an image without a label image (`rois`), so it has no regions"
        )
    for key, there in (("tasks", "evaluations"), ("adherence", "adherence")):
        known = [entry["name"] for entry in tasks[there]]
        require_known(f"phases/headline/{key}", headline[key], known, f"is not in tasks/{there}; there are")
