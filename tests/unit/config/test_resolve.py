import copy
import re

import pytest
import yaml
from project import ROOT

from triphase.config.resolve import resolve_config
from triphase.config.rules import (
    BLOCK_SCANS,
    LEAST_BLOCKS,
    LEAST_CHECKPOINTS,
    SAMPLE_OF_PEOPLE,
    absent_concepts,
    shortages,
    tasks_without_group,
    tokens_seen,
)
from triphase.core.errors import InputError
from triphase.encoding.preparing import MINIMUM_BLOCK
from triphase.phases.curves import LEAST_FREEDOM
from triphase.phases.verdict import TRIPLE_CHECKPOINTS
from triphase.stats.intervals import RESAMPLED_SUBJECTS

EMBEDDED = yaml.safe_load((ROOT / "config/config.yaml").read_text())
STUDIES = sorted((ROOT / "config/studies").glob("*.yaml"))


def read(path):
    """A shipped study as its file has it, with a folder of one's own."""
    return yaml.safe_load(path.read_text()) | {"local_data": "mine"}


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_every_shipped_study_is_valid_alone_and_named_like_its_file(study):
    assert resolve_config(read(study), ROOT)["study"] == study.stem


BOLD = "derivatives/sub-01/func/sub-01_task-story_{}_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"
FILES = {"arrays": "responses/A/{}.npy", "fmriprep": BOLD, "registry": "unused-{}"}


@pytest.mark.parametrize("path", sorted((ROOT / "config/templates").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_template_is_a_valid_study(tmp_path, path):
    """With a folder that has the files which its first lines tell of."""
    for run in ("run-1", "run-4"):
        file = tmp_path / FILES[path.stem].format(run)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    config = resolve_config(yaml.safe_load(path.read_text()) | {"local_data": str(tmp_path)}, ROOT)
    assert sum(run["test"] for run in config["dataset"]["runs"]) >= 1 and config["models"][0]["layers"] == [3, 6, 9, 12]


def test_the_embedded_study_is_valid():
    resolve_config(EMBEDDED, ROOT)


def names(node):
    if isinstance(node, dict):
        return {node["name"]} if "name" in node else set().union(*map(names, node.values()), set())
    return set().union(*map(names, node), set()) if isinstance(node, list) else set()


def test_no_embedded_name_is_in_the_alice_study():
    config = resolve_config(read(ROOT / "config/studies/alice.yaml"), ROOT)
    embedded = resolve_config(EMBEDDED, ROOT)
    for key in ("dataset", "models", "tasks"):
        left = names(embedded[key]) & names(config[key]) - {"log_frequency", "pos", "run-1"}
        assert not left, f"{key}: {left} come from the embedded study"
    assert "embedded" not in str(config["dataset"])


@pytest.mark.parametrize("names", [("neox", "NEOX"), ("a.json", "b"), ("x.ZARR.zip", "b")])
@pytest.mark.parametrize("entries", ["models", "checkpoints", "subjects"])
def test_names_whose_files_would_collide_are_refused(entries, names):
    config = copy.deepcopy(EMBEDDED)
    if entries == "models":
        for model, name in zip(config["models"], names, strict=False):
            model["name"] = name
    elif entries == "checkpoints":
        for checkpoint, name in zip(config["models"][0]["checkpoints"], names, strict=False):
            checkpoint["name"] = name
    else:
        config["dataset"].pop("subjects", None)
        config["dataset"]["overrides"] = {"subjects": [{"name": name, "id": "01"} for name in names]}
    with pytest.raises(InputError, match="differs from 'neox' in its case alone|must not end in .json"):
        resolve_config(config, ROOT)


def test_a_filter_that_leaves_nothing_of_the_responses_is_refused():
    with pytest.raises(InputError, match="responses/high_pass: 0.4 Hz would leave nothing .* 0.25 Hz; 0.01 is usual"):
        resolve_config(EMBEDDED | {"responses": {"high_pass": 0.4}}, ROOT)


def broken(change):
    config = copy.deepcopy(EMBEDDED)
    change(config)
    return config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(modles=[]), r"^modles: no such key \(here \[\]\); did you mean models\? there are "),
        (lambda c: c["encoding"].update(delay=2), "^encoding/delay: no such key .here 2.; did you mean delays?"),
        (lambda c: c.pop("study"), "^study: the key is missing; it must be a name"),
        (lambda c: c["dataset"].update(overrides={"tr": "2 s"}), '"2 s" must be a number > 0 or null'),
        (lambda c: c.update(models=[]), r"^models: \[\] must be a list of mappings \(at least 1\)$"),
        (lambda c: c["models"][0].update(name="../up"), 'models/0/name: "../up" must be a name .letters'),
        (lambda c: c["activations"].update(dtype="float8"), '"float8" must be one of float32, bfloat16, float16'),
        (
            lambda c: c["models"].append(c["models"][0]),
            "^models: name 'steady' is used more than once; names must differ",
        ),
        (lambda c: c["models"][0].update(checkpoints={}), "{} must be one of log_spaced, tokens, st"),
        (lambda c: c["models"][0].update(checkpoints={"log_spaced": 4, "steps": [1]}), "steps, and only one$"),
        (lambda c: c["models"][0].update(checkpoints={"log_spaced": 1}), "log_spaced: 1 must be an integer >= 2"),
        (
            lambda c: c["models"][0].update(layers={"relativ": [1]}),
            "layers/relativ: no such key .*did you mean relative",
        ),
        (lambda c: c["models"][0].update(family="pythai"), "models/steady/family: 'pythai' is not in the registry"),
        (lambda c: c["models"][0].pop("repository"), "models/steady: key 'repository' is missing"),
        (lambda c: c.update(trust_remote_code=["org/name"]), "trust_remote_code: 'org/name' is no repository"),
        (lambda c: c.update(execution={"disk_gb": 0}), "execution/disk_gb: 0 must be a number > 0 or null"),
        (
            lambda c: c["models"][1].update(control_of="stedy"),
            "shifted/control_of: 'stedy' is no other model of the study that is no control; there are: steady; did",
        ),
        (
            lambda c: c["models"][1].update(control_of="steady", checkpoints=c["models"][1]["checkpoints"][:1]),
            "models/shifted/checkpoints: there is 1, and a control .* needs 2 or more",
        ),
        (lambda c: c["models"][1].update(control_of="shifted"), "control_of: 'shifted' is no other model of the study"),
        (lambda c: c["encoding"].update(static={"components": 0}), "encoding/static/components: 0 must be an integer"),
        (lambda c: c["models"][0]["checkpoints"].reverse(), r"does not come after step \d+"),
        (lambda c: c["dataset"].update(test_runs=["run-3"]), "run-5: stimulus 'festival' is marked test: False here"),
        (lambda c: c["dataset"].update(test_runs=[]), "'fixed' needs test runs"),
        (lambda c: c["phases"]["headline"].update(roi="V1"), "phases/headline/roi: 'V1' is not a region"),
        (
            lambda c: c["dataset"].update(source="surface"),
            "source: 'surface' is not among the sources; there",
        ),
    ],
)
def test_a_mistake_is_named_with_its_value_and_what_would_be_right(change, message):
    with pytest.raises(InputError, match=message):
        resolve_config(broken(change), ROOT)


STEADY = ("models", 0)
SHIFTED = ("models", 1, "train")


def at(config, path):
    for part in path:
        config = config[part]
    return config


@pytest.mark.parametrize(
    ("path", "values", "message"),
    [
        ((*STEADY, "checkpoints", 1), {"revision": "step5"}, "step32/revision: 'step5' is not saved; .*saves: 0, 8"),
        ((*STEADY, "checkpoints", 1), {"revision": "main"}, "step32/revision: 'main' is not saved; it must be step<N>"),
        ((*STEADY, "checkpoints", 1), {"step": 5}, "step32/step: 5 is not the step of its revision 'step32'"),
        (STEADY, {"layers": [1, 4]}, "steady/layers: 4 does not exist; .* to 3"),
        ((*STEADY, "train"), {"width": 60}, "train/width: 60 must be a multiple of 2 x train/heads, 8"),
        ((*STEADY, "train"), {"context": 49}, "context/max: 48 .*steady/train/context, 49 .*at most 47"),
        (STEADY, {"tokens_per_step": 632}, "tokens_per_step: 632 must be .*8 x 64 = 512"),
        (("models", 1), {"repository": "triphase/steady"}, "shifted/repository: '.*' is that of 'steady' too"),
        ((*STEADY, "train"), {"corpus": {}}, "train/corpus: .* and mixture, a text path and from .*; there are none"),
        ((*STEADY, "train"), {"corpus": {"path": "a"}}, "corpus: .* there are path"),
        ((*STEADY, "train", "corpus"), {"path": "a", "from": "b"}, "corpus: .* there are words, mixture, path, from"),
        ((*STEADY, "train", "corpus"), {"mixture": dict.fromkeys(["stories", "facts", "questions", "instructions"], 0)},
         "mixture: every share is 0"),
        ((*SHIFTED, "interlude"), {"mixture": {"scrambled": 0}}, "shifted/train/interlude/mixture: every share is 0"),
        ((*SHIFTED, "interlude"), {"to": 200}, "shifted/train/interlude: from 200 to 200 must be steps .* with 1600"),
        ((*SHIFTED, "interlude"), {"to": 1601}, "shifted/train/interlude: from 200 to 1601 must be steps"),
        ((*STEADY, "train"), {"warmup": 60.0}, "train/warmup: 60.0 must be an integer >= 0"),
        (("activations", "context"), {"min": 49}, "context/min: 49 must be at most activations/context/max, 48"),
        (("encoding",), {"delays": [2, 2.5]}, r"encoding/delays: \[2, 2.5\] s are \[1, 1\] scans at TR 2.0"),
        (("encoding",), {"delays": [-2, 2]}, "encoding/delays/0: -2 must be a number >= 0"),
        (("encoding",), {"delays": [float("nan")]}, "encoding/delays/0: NaN must be a number >= 0"),
        (("encoding",), {"delay_alternatives": [[2]]}, r"/0: \[2\] must be a list of numbers .* \(exactly 2\)"),
        (("encoding",), {"delay_alternatives": [[6, 2]]}, r"alternatives: \[6, 2\] s: the last delay comes before"),
        (("encoding",), {"delay_alternatives": [[2, 5]], "delays_as": "mean"}, "no columns of their own where"),
        (("encoding",), {"delay_alternatives": [[2, 10]]}, "reach 5 scans at TR 2.0 s, beyond the longest .*, 8 s"),
        (("encoding",), {"delay_alternatives": [[2, 8]]}, r"scans \[1, 2, 3, 4\] at TR 2.0 s, as is encoding/delays"),
        (("encoding",), {"delay_alternatives": [[4, 6], [4, 6.5]]}, r"scans \[2, 3\] .*, as is \[4, 6\] s"),
        (("dataset",), {"overrides": {"simulate": {"volumes": 49}}}, "volumes: 49 .* up to 4 scans .*at least 50"),
        (("encoding",), {"alphas": [-1, 5, 2.5]}, "encoding/alphas/2: 2.5 must be an integer >= 1"),
        (("encoding",), {"alphas": [-1, 5, 10.0]}, "encoding/alphas/2: 10.0 must be an integer >= 1"),
        (("encoding",), {"alphas": [-1, 5, 0]}, "encoding/alphas/2: 0 must be an integer >= 1"),
        (("encoding",), {"alphas": [5, 5, 10]}, "encoding/alphas: low 5 must be below high 5"),
        (("encoding",), {"nuisance": ["pitch"]}, "encoding/nuisance: 'pitch' is neither .*word_rate, .*log_frequency"),
        (("states", "probes"), {"concepts": [{"name": "pos", "bins": 1}]}, "pos/bins: 1 must be an integer >= 2"),
        (("states", "probes"), {"concepts": [{"name": "pos"}, {"name": "tense"}]},
         "concepts: 'tense' is a label of no transcript in the registry .* of embedded has: pos, number, .*, position"),
        (("phases", "headline"), {"tasks": ["worlds"]}, "headline/tasks: 'worlds' is not in tasks/evaluations"),
        (("phases", "headline"), {"adherence": ["x"]}, "headline/adherence: 'x' is not in tasks/adherence; .*: world"),
        (("phases",), {"smallest_fall": 1}, "phases/smallest_fall: 1 must be a number > 0 and < 1"),
        (("dataset",), {"overrides": {"url": "data"}}, "overrides/url: 'data' must be results/embedded/demo/dataset"),
    ],
)  # fmt: skip
def test_keys_that_contradict_each_other_are_named(path, values, message):
    with pytest.raises(InputError, match=message):
        resolve_config(broken(lambda config: at(config, path).update(values)), ROOT)


def test_a_verdict_that_the_study_is_too_small_for_is_told_before_the_run():
    def told(checkpoints, people=12, **simulated):
        config = resolve_config(copy.deepcopy(EMBEDDED), ROOT)
        model, data = config["models"][0], config["dataset"]
        config["models"] = [model | {"name": "m", "checkpoints": [{"step": step} for step in range(checkpoints + 1)]}]
        data["subjects"], data["simulate"] = [{"name": str(k)} for k in range(people)], data["simulate"] | simulated
        data["runs"] = [{"stimulus": "a", "test": False}, {"stimulus": "b", "test": True}]
        return shortages(config)

    assert told(13, volumes=400) == []
    (few,) = told(8, volumes=400)
    assert few.startswith("models/m/checkpoints: 8 after step 0; three transitions need 9")
    assert "a verdict needs about 13" in few
    (some,) = told(9, volumes=400)
    assert "`snakemake power`" in some
    (people,) = told(13, 9, volumes=400)
    assert people.startswith("dataset/subjects: 9;")
    (blocks,) = told(13, volumes=60)
    assert re.match("dataset/simulate/volumes: 60 scans of 1 held-out stimuli make 3 blocks .* need 4", blocks)
    assert (LEAST_CHECKPOINTS, SAMPLE_OF_PEOPLE) == (TRIPLE_CHECKPOINTS, RESAMPLED_SUBJECTS)
    assert (LEAST_BLOCKS - 1, BLOCK_SCANS) == (LEAST_FREEDOM, MINIMUM_BLOCK)


def test_a_concept_that_only_other_data_sets_have_is_warned_of_and_the_study_goes_on():
    concepts = [{"name": "pos"}, {"name": "lexical"}, {"name": "position", "bins": 4}]
    config = resolve_config(broken(lambda config: config["states"]["probes"].update(concepts=concepts)), ROOT)
    (line,) = absent_concepts(config)
    assert re.match("states/probes/concepts: 'lexical' is not a label of the transcript .*pos, number.* position", line)
    config["dataset"]["words"]["labels"] = [{"name": "pos", "column": "pos"}]
    assert ["'lexical'", "'position'"] == [line.split()[1] for line in absent_concepts(config)]


def test_tasks_without_a_group_are_named_where_others_have_one_and_controls_are_no_headline():
    config = resolve_config(copy.deepcopy(EMBEDDED), ROOT)
    assert tasks_without_group(config) == []
    first, second = config["tasks"]["evaluations"]
    del first["group"]
    (line,) = tasks_without_group(config)
    assert line.startswith("tasks/evaluations: 'agreement' without a group") and "accuracy" in line
    del second["group"]
    assert tasks_without_group(config) == [], "a study without groups asks for no curves of them"
    with pytest.raises(InputError, match="phases/headline/tasks: 'world' is of the group 'control'"):
        resolve_config(broken(lambda config: config["tasks"]["evaluations"][1].update(group="control")), ROOT)


def test_a_model_that_is_not_trained_here_has_free_revisions_and_repositories():
    config = copy.deepcopy(EMBEDDED)
    for model in config["models"]:
        del model["train"]
        model.update(repository="org/shared", tokens_per_step=7, layers=[40])
        for entry in model["checkpoints"]:
            entry["revision"] = f"stage1-{entry['step']}"
    resolve_config(config, ROOT)


def test_tokens_are_steps_times_tokens_per_step_unless_given():
    model = {"tokens_per_step": 2097152}
    assert tokens_seen(model, {"step": 1000}) == 2_097_152_000
    assert tokens_seen(model, {"step": 1000, "tokens": 5}) == 5


def test_a_family_becomes_the_explicit_form_and_its_lock_is_named(tmp_path):
    config = copy.deepcopy(EMBEDDED)
    model = {"name": "p", "family": "pythia", "size": "14m", "layers": {"relative": [0.5, 1]}}
    config["models"] = [{**model, "checkpoints": {"steps": [0, 512]}}]
    config["lock"] = str(tmp_path / "lock.json")
    found = resolve_config(config, ROOT)
    (model,) = found["models"]
    assert (model["repository"], model["layers"]) == ("EleutherAI/pythia-14m", [3, 6])
    assert [tokens_seen(model, entry) for entry in model["checkpoints"]] == [0, 512 * 2097152]
    assert found["lock"] == config["lock"]


def test_the_floor_is_the_studys_own_else_the_familys_else_step_0():
    config = copy.deepcopy(EMBEDDED)
    model = {"family": "pythia", "size": "14m", "layers": [3], "checkpoints": {"log_spaced": 3}}
    config["models"] += [model | {"name": "p"}, model | {"name": "o", "family": "olmo2-1b", "size": "1b"}]
    floors = {name: floor for name, floor in floors_of(config).items() if name in ("steady", "p", "o")}
    assert floors == {"steady": 0, "p": 256 * 2097152, "o": 0}
    config["phases"]["floor_tokens"] = 7
    assert set(floors_of(config).values()) == {7}


def floors_of(config):
    return {model["name"]: model["floor_tokens"] for model in resolve_config(config, ROOT)["models"]}


def test_numbers_stay_as_they_are_written():
    config = resolve_config(
        EMBEDDED | {"encoding": EMBEDDED["encoding"] | {"gap_seconds": 20, "delays": [2, 4.5]}}, ROOT
    )
    assert repr(config["encoding"]["gap_seconds"]) == "20" and repr(config["encoding"]["delays"]) == "[2, 4.5]"
