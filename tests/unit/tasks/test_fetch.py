"""Data of the harness's own tasks: fetched once, then read without a network."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import fetch_tasks as script
import lm_eval.tasks
import pytest
from fake_hub import FakeHub
from jobs import run
from known_models import bigram, word_tokenizer
from lm_eval.tasks._index import TaskIndex
from project import ROOT

from triphase.config.groups import with_members
from triphase.core.artefacts import read_json
from triphase.core.errors import InputError
from triphase.tasks import harness_api
from triphase.tasks.documents import load_tasks, read_documents
from triphase.tasks.fetch import fetch_tasks
from triphase.tasks.harness import evaluate
from triphase.tasks.plan import hub_tasks, plan, unfetched

pytestmark = pytest.mark.model

OWN = Path(lm_eval.tasks.__file__).parent
ENTRY = {"name": "quiz", "task": "quiz", "metric": "acc"}


@pytest.fixture
def harness(tmp_path, monkeypatch):
    """A folder that stands in for the harness's own tasks, and a local data set that stands in for the hub's."""
    folder, data = tmp_path / "harness", tmp_path / "data"
    for path in (folder / "quiz", data):
        path.mkdir(parents=True)
    for split, animals in (("train", ["dog", "see"]), ("validation", ["cat", "dog", "see", "sees"])):
        rows = [{"query": f"{animal} ?", "gold": number % 2} for number, animal in enumerate(animals)]
        (data / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "quiz" / "prepare.py").write_text("def choices(doc):\n    return ['cat', 'dog']\n")
    (folder / "quiz" / "quiz.yaml").write_text(
        f"task: quiz\ndataset_path: {data}\ntraining_split: train\nvalidation_split: validation\ntag: animals\n"
        "output_type: multiple_choice\ndoc_to_text: '{{query}}'\ndoc_to_target: gold\n"
        "doc_to_choice: !function prepare.choices\nmetric_list: [{metric: acc}]\nmetadata: {version: 1.5}\n"
    )
    (folder / "zoo.yaml").write_text("group: zoo\ntask: [animals]\n")
    monkeypatch.setattr(lm_eval.tasks, "__file__", str(folder / "__init__.py"))
    monkeypatch.setattr("triphase.tasks.plan._harness_names", lambda: {"quiz", "zoo"})
    monkeypatch.setattr(harness_api, "own_tasks", lambda: TaskIndex.build([folder]))
    return folder


def planned(hub, **keys):
    return plan([ENTRY | keys], [], [], None, hub=hub)


def test_what_was_fetched_is_read_without_the_hub(harness, tmp_path, monkeypatch):
    hub = tmp_path / "hub"
    assert "'quiz' are not here" in unfetched(planned(hub), [])
    manifest = fetch_tasks(hub_tasks(planned(hub)), hub)["quiz"]
    assert manifest == read_json(hub / "quiz" / "manifest.json")
    assert manifest["yaml"] == "quiz/quiz.yaml"
    assert (manifest["split"], manifest["shots_split"], list(manifest["splits"])) == (
        "validation",
        "train",
        ["validation"],
    )
    assert manifest["splits"]["validation"]["items"] == 4
    assert sorted(path.name for path in (hub / "quiz").iterdir()) == ["manifest.json", "validation.jsonl"]
    for path in (tmp_path / "data").iterdir():
        path.unlink()
    monkeypatch.setattr("datasets.load_dataset", lambda *_, **__: pytest.fail("the hub was asked"))
    jobs = planned(hub)
    assert unfetched(jobs, []) == ""
    items, metadata = evaluate(jobs, load_tasks(jobs), bigram()[0], word_tokenizer(), batch_size=4, seed=0)
    assert items["target"].tolist() == [0, 1, 0, 1]
    assert metadata["tasks"]["quiz"]["version"] == 1.5
    # A second time nothing is asked for.
    assert fetch_tasks(hub_tasks(jobs), hub)["quiz"] == manifest


def test_shots_need_their_split_too(harness, tmp_path):
    hub = tmp_path / "hub"
    fetch_tasks(hub_tasks(planned(hub)), hub)
    assert "'quiz' are not here" in unfetched(planned(hub, shots=1), [])
    manifest = fetch_tasks(hub_tasks(planned(hub, shots=1)), hub)["quiz"]
    assert list(manifest["splits"]) == ["validation", "train"]
    jobs = planned(hub, shots=1)
    assert unfetched(jobs, []) == ""
    tasks = load_tasks(jobs)
    evaluate(jobs, tasks, bigram()[0], word_tokenizer(), batch_size=4, seed=0)
    assert all(request.args[0].split("\n\n")[0] in ("dog ? cat", "see ? dog") for request in tasks["quiz"].instances)


def test_files_that_changed_since_are_refused_and_fetched_again(harness, tmp_path):
    hub = tmp_path / "hub"
    fetch_tasks(hub_tasks(planned(hub)), hub)
    path = hub / "quiz" / "validation.jsonl"
    whole = path.read_text()
    path.write_text(whole.splitlines()[0])
    with pytest.raises(InputError, match="validation.jsonl .validation. is not what was fetched; .*fetch_tasks"):
        load_tasks(planned(hub))
    fetch_tasks(hub_tasks(planned(hub)), hub)
    assert path.read_text() == whole


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("quizz", "no task 'quizz'; near: quiz; a local task needs a YAML"),
    ],
)
def test_names_that_are_no_task(harness, tmp_path, task, message):
    with pytest.raises(InputError, match=message):
        fetch_tasks([{"task": task, "shots": [0]}], tmp_path / "hub")


def test_a_yaml_that_another_version_of_the_harness_lacks_is_named(harness, tmp_path):
    hub = tmp_path / "hub"
    fetch_tasks(hub_tasks(planned(hub)), hub)
    (harness / "quiz" / "quiz.yaml").unlink()
    with pytest.raises(InputError, match="'quiz' was fetched with version .* has no quiz/quiz.yaml"):
        load_tasks(planned(hub))


def test_data_that_cannot_be_had_are_named(harness, tmp_path):
    (tmp_path / "data" / "validation.jsonl").unlink()
    with pytest.raises(InputError, match="data of 'quiz' .split 'validation' of .* cannot be had .ValueError"):
        fetch_tasks(hub_tasks(planned(tmp_path / "hub")), tmp_path / "hub")
    assert not list((tmp_path / "hub").rglob("manifest.json"))


def fetch_sciq(folder, **env):
    """Fetch the harness's own `sciq` in a process of its own, since addresses are read when libraries are imported."""
    code = (
        "from pathlib import Path; from triphase.tasks import fetch, harness_api\n"
        "from lm_eval.tasks._index import TaskIndex\n"
        f"harness_api.own_tasks = lambda: TaskIndex.build([Path({str(OWN / 'sciq')!r})])\n"
        f"fetch.fetch_tasks([{{'task': 'sciq', 'shots': [0]}}], {str(folder)!r})"
    )
    library = ROOT / "workflow" / "scripts"
    env = {**os.environ, "PYTHONPATH": str(library), "HF_HUB_CACHE": str(folder / "cache"), **env}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)


def test_a_task_comes_over_http_and_is_then_read_without_a_network(tmp_path, monkeypatch):
    items = [
        {"question": f"which {n} ?", "support": "see", "distractor1": "is", "distractor2": "see", "distractor3": "sees",
         "correct_answer": answer}
        for n, answer in enumerate(["cat", "dog", "cat"])
    ]  # fmt: skip
    rows = {"train": items[:1], "validation": items[:2], "test": items}
    files = {f"{split}.jsonl": "\n".join(map(json.dumps, own)).encode() for split, own in rows.items()}
    with FakeHub({"datasets/allenai/sciq": {"main": files}}) as hub:
        done = fetch_sciq(tmp_path, HF_ENDPOINT=hub.url, HF_HUB_DISABLE_XET="1")
    assert done.returncode == 0, done.stderr[-2000:]
    assert any(name == "test.jsonl" for _, name in hub.sent)
    monkeypatch.setattr("datasets.load_dataset", lambda *_, **__: pytest.fail("the hub was asked"))
    jobs = plan([{"name": "quiz", "task": "sciq"}], [], [], None, hub=tmp_path)
    assert unfetched(jobs, []) == ""
    scores, metadata = evaluate(jobs, load_tasks(jobs), bigram()[0], word_tokenizer(), batch_size=4, seed=0)
    assert len(scores) == metadata["tasks"]["quiz"]["n"] == 3
    assert read_json(tmp_path / "sciq/manifest.json")["repository"] == "allenai/sciq"
    assert read_documents(tmp_path / "sciq/test.jsonl") == items


def test_without_a_network_a_real_task_says_so(tmp_path):
    done = fetch_sciq(tmp_path, HF_HUB_OFFLINE="1")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("triphase.core.errors.InputError")]
    assert "data of 'sciq' (split 'test' of " in line and "cannot be had" in line and "check the network" in line


def test_script_lists_what_is_there(harness, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", os.environ.get("HF_HUB_CACHE", str(tmp_path)))
    said, hub = [], tmp_path / "hub"
    terminal = SimpleNamespace(write=said.append)
    paths = SimpleNamespace(manifest=tmp_path / "tasks.json")
    run(script, paths, terminal=terminal, tasks=hub_tasks(planned(hub)), folder=str(hub), asked=0)
    assert said == [f"quiz: {tmp_path}/data: validation 4 items\n"]
    assert read_json(paths.manifest)["quiz"]["task"] == "quiz"
    assert sorted(path.name for path in hub.iterdir()) == ["quiz"]
    run(script, paths, terminal=terminal, tasks=[], folder=str(hub), asked=0)
    assert "nothing to fetch" in said[-1]


@pytest.mark.parametrize("group", ["zoo", "animals"])
def test_groups_and_tags_stand_for_their_members(harness, tmp_path, group):
    hub = tmp_path / "hub"
    config = {
        "tasks": {"evaluations": [{"name": "all", "task": group}, {"name": "x", "task": "local"}], "adherence": []},
        "phases": {"headline": {"tasks": ["all", "x"]}},
    }
    assert with_members(config, hub) == config
    assert list(fetch_tasks([{"task": group, "shots": [None]}], hub)) == ["quiz"]
    found = with_members(config, hub)
    assert found["tasks"]["evaluations"] == [{"name": "all-quiz", "task": "quiz"}, {"name": "x", "task": "local"}]
    assert found["phases"]["headline"]["tasks"] == ["all-quiz", "x"]
    assert unfetched(plan(found["tasks"]["evaluations"][:1], [], [], None, hub=hub), []) == ""
    variants = [{"name": "plain", "task": group}]
    config["tasks"]["adherence"] = [{"name": "world", "variants": variants}]
    with pytest.raises(InputError, match=f"{group!r} of variant 'plain' is a group; a variant is one task: quiz"):
        with_members(config, hub)


def test_a_group_that_alters_its_tasks_is_refused(harness, tmp_path):
    (harness / "zoo.yaml").write_text("group: zoo\ntask: [{task: quiz, num_fewshot: 5}]\n")
    with pytest.raises(InputError, match="'zoo' has 'quiz' with other num_fewshot than the task of that name"):
        fetch_tasks([{"task": "zoo", "shots": [None]}], tmp_path / "hub")
