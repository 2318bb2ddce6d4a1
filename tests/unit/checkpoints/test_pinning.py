import json
import os
import subprocess
import sys

import pytest
import small_models
from fake_hub import FakeHub, sha
from jobs import run
from project import ROOT

from triphase.checkpoints import hub
from triphase.checkpoints.fetching import ensure_weights
from triphase.checkpoints.find import Pin, find_checkpoint
from triphase.checkpoints.pinning import filled, lent, make_lock, moved, replaced
from triphase.config.families import load_families, resolve_models
from triphase.config.lockfile import apply_lock, lock_path, missing_lines, read_lock
from triphase.config.selection import thin_lines
from triphase.core.artefacts import read_json
from triphase.core.errors import InputError


@pytest.fixture(scope="module")
def families():
    return load_families(ROOT / "resources/registry/models.yaml")


@pytest.fixture
def served(monkeypatch, tmp_path):
    """A hub with an OLMo whose names round otherwise than the registry computes, and an explicit repository."""
    revisions = {"step0-tokens0B": 0, "step1000-tokens5B": 1, "step2000-tokens8B": 2, "main": 3}
    repositories = {
        "allenai/OLMo-7B-0724-hf": {name: small_models.stand_in(value) for name, value in revisions.items()},
        "org/name": {"a": small_models.stand_in(7)},
    }
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "PAUSE", 0.01)
    monkeypatch.chdir(tmp_path)
    with FakeHub(repositories) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def study(families, steps=(0, 1000, 2000), **more):
    listed = [{"name": "a", "revision": "a", "step": 3, **more}]
    models = [
        {"name": "olmo", "family": "olmo-0724-7b", "layers": [1], "checkpoints": {"steps": list(steps)}},
        {"name": "own", "repository": "org/name", "tokens_per_step": 1, "layers": [1], "checkpoints": listed},
    ]
    return resolve_models(models, families)


def test_a_lock_holds_commit_and_hashes_of_every_file(families, served, tmp_path):
    models = study(families)
    lock = make_lock("mine", models, "error")
    locked = lock["models"]["olmo"]["checkpoints"]
    assert lock["study"] == "mine" and list(locked) == ["step0", "step1000", "step2000"]
    # The name that the hub has, though the registry rounds down.
    assert locked["step1000"]["revision"] == "step1000-tokens5B"
    assert locked["step1000"]["commit"] == served.commit("allenai/OLMo-7B-0724-hf", "step1000-tokens5B")
    files = {file["name"]: file for file in locked["step1000"]["files"]}
    content = small_models.stand_in(1)["model.safetensors"]
    assert files["model.safetensors"] == {"name": "model.safetensors", "bytes": len(content), "sha256": sha(content)}
    assert set(files["config.json"]) == {"name", "bytes", "oid"}
    assert not served.sent, "a file was downloaded"

    path = tmp_path / "lock.json"
    path.write_text(json.dumps(lock))
    pinned = apply_lock(models, read_lock(path), "error")
    assert [entry["commit"] for entry in pinned[0]["checkpoints"]] == [entry["commit"] for entry in locked.values()]
    assert pinned[0]["checkpoints"][1]["revision"] == "step1000-tokens5B"
    assert pinned[1]["checkpoints"][0]["commit"] == served.commit("org/name", "a")
    # A locked study can be locked again, and a moved branch is then seen.
    served.repositories["org/name"]["a"] = ("f" * 40, small_models.stand_in(8))
    again = make_lock("mine", models, "error")
    assert again["models"]["own"]["checkpoints"]["a"]["commit"] == "f" * 40
    assert [line.split(",")[0] for line in moved(lock, again)] == ["own/a: now commit ffffffffffff"]
    assert moved(None, again) == moved(again, again) == []


def test_a_lock_pins_only_what_it_is_about(families, served):
    lock = make_lock("mine", study(families, steps=(0, 1000)), "error")
    later = apply_lock(study(families, commit="c" * 40), lock, "error")
    assert [("commit" in entry) for entry in later[0]["checkpoints"]] == [True, True, False]
    assert later[1]["checkpoints"][0]["commit"] == "c" * 40, "the study's own pin stays"
    other = [{**model, "repository": "org/other"} for model in study(families)]
    assert not any("commit" in entry for model in apply_lock(other, lock, "error") for entry in model["checkpoints"])
    local = [{**model, "local_folder": "/x/{step}"} for model in study(families)]
    assert apply_lock(local, lock, "error") == local
    assert apply_lock(local, None, "error") == local


def test_models_that_do_not_come_from_the_hub_are_not_locked(families, served):
    models = [{**model, "cache_dir": "x"} for model in study(families)]
    assert make_lock("mine", models, "error") == {"study": "mine", "models": {}}


def test_a_revision_that_is_not_there_is_named(families, served):
    with pytest.raises(
        InputError, match="models/olmo/checkpoints/step5000: .* no revision 'step5000-tokens20B'; the nearest"
    ):
        make_lock("mine", study(families, steps=(0, 5000)), "error")
    del served.repositories["org/name"]
    with pytest.raises(InputError, match="'org/name' does not exist, is private"):
        make_lock("mine", study(families), "error")


def test_a_missing_revision_is_recorded_and_left_out_unless_integrity_is_error(families, served, tmp_path):
    models = study(families, steps=(0, 5000))
    lock = make_lock("mine", models, "exclude")
    gone = lock["models"]["olmo"]["checkpoints"]["step5000"]
    assert gone["revision"] == "step5000-tokens20B" and gone["missing"].startswith(
        "no revision 'step5000-tokens20B'; the nearest of 4 are step"
    )
    path = tmp_path / "lock.json"
    path.write_text(json.dumps(lock))
    for policy in ("exclude", "warn"):
        pinned = apply_lock(models, read_lock(path), policy)
        assert ["missing" in entry for entry in pinned[0]["checkpoints"]] == [False, True]
        assert pinned[0]["checkpoints"][1]["missing"] == gone["missing"]
        assert missing_lines(pinned)[0].endswith("none with weights: olmo/step5000")
    # The job that fetches it then refuses, as without a lock.
    for held in (apply_lock(models, lock, "error"), apply_lock(study(families, steps=(5000,)), lock, "exclude")):
        assert not any("missing" in entry for entry in held[0]["checkpoints"]) and missing_lines(held) == []
    with pytest.raises(InputError, match="models/olmo/checkpoints/step5000: .* no revision"):
        make_lock("mine", study(families, steps=(5000,)), "exclude")
    # Once the hub has it, a new lock pins it.
    served.repositories["allenai/OLMo-7B-0724-hf"]["step5000-tokens20B"] = ("e" * 40, small_models.stand_in(5))
    again = make_lock("mine", models, "exclude")
    assert again["models"]["olmo"]["checkpoints"]["step5000"]["commit"] == "e" * 40 and not moved(lock, again)


def test_offline_a_lock_cannot_be_made(families, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="'allenai/OLMo-7B-0724-hf' has to be asked for its revisions, and HF"):
        make_lock("mine", study(families), "error")


def test_a_lock_is_looked_for_in_the_working_directory_and_then_the_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project = tmp_path / "project"
    inside = project / "config/locks/mine.json"
    assert str(lock_path(None, "mine", project)) == "config/locks/mine.json"
    inside.parent.mkdir(parents=True)
    inside.write_text("{}")
    assert lock_path(None, "mine", project) == inside
    assert str(lock_path("other.json", "mine", project)) == "other.json"
    (tmp_path / "config/locks").mkdir(parents=True)
    (tmp_path / "config/locks/mine.json").write_text("{}")
    assert str(lock_path(None, "mine", project)) == "config/locks/mine.json"


def test_a_branch_without_weights_is_missing(families, served):
    """As seeds 2, 6 and 9 of the 410m PolyPythias have."""
    models = study(families, steps=(0, 1000, 2000))
    bare = {".gitattributes": b"*.bin filter=lfs\n", "README.md": b"# empty"}
    served.repositories["allenai/OLMo-7B-0724-hf"]["step2000-tokens8B"] = ("d" * 40, bare)
    with pytest.raises(
        InputError, match="models/olmo/checkpoints/step2000: .* has no checkpoint at 'step2000.*lacks config.json"
    ):
        make_lock("mine", models, "error")
    for policy in ("exclude", "warn"):
        lock = make_lock("mine", models, policy)
        assert "lacks config.json" in lock["models"]["olmo"]["checkpoints"]["step2000"]["missing"]
        pinned = apply_lock(models, lock, policy)
        assert ["missing" in entry for entry in pinned[0]["checkpoints"]] == [False, False, True]
        assert missing_lines(pinned) and not served.sent


@pytest.mark.parametrize("lack", ["config.json", "tokenizer.json", "model.safetensors"])
def test_what_a_branch_lacks_is_known_before_anything_is_downloaded(families, served, lack):
    files = {name: content for name, content in small_models.stand_in().items() if name != lack}
    files.pop("tokenizer_config.json")
    served.repositories["org/name"]["a"] = ("d" * 40, files)
    with pytest.raises(InputError, match=f"models/own/checkpoints/a: .*lacks .*{lack}"):
        make_lock("mine", study(families), "exclude")
    assert not served.sent


def test_shards_without_an_index_are_known_before_they_are_downloaded(served):
    files = small_models.stand_in()
    weights = files.pop("model.safetensors")
    files |= {f"model-0000{k}-of-00002.safetensors": weights for k in (1, 2)}
    served.repositories["org/name"]["a"] = ("d" * 40, files)
    with pytest.raises(InputError, match="revision 'a' of 'org/name': it lacks the index of its shards"):
        find_checkpoint("org/name", "a")
    assert not any(name.endswith(".safetensors") for _, name in served.sent)


def test_tokens_in_a_name_are_compared_with_those_that_are_computed(families, served):
    repository = served.repositories["allenai/OLMo-7B-0724-hf"]
    repository["step2000-tokens16B"] = repository.pop("step2000-tokens8B")
    models = study(families)
    expected = (
        "models/olmo/checkpoints/step2000: the hub's revision 'step2000-tokens16B' says 16 billion tokens, and .* 8;"
    )
    for policy in ("error", "exclude"):
        with pytest.raises(InputError, match=expected):
            make_lock("mine", models, policy)
    # A lock that an earlier version has made is compared too.
    held = {"revision": "step2000-tokens16B", "commit": "d" * 40, "files": []}
    lock = {
        "study": "mine",
        "models": {"olmo": {"repository": models[0]["repository"], "checkpoints": {"step2000": held}}},
    }
    with pytest.raises(InputError, match=expected):
        apply_lock(models, lock, "warn")


@pytest.mark.parametrize(
    ("name", "tokens", "fits"),
    [
        ("step1000-tokens840B", 419e9, False),
        ("step1000-tokens1.3T", 1.25e12, True),
        ("step1000-tokens2T", 0.9e12, False),
        ("step1000-tokens500M", 2.1e9, False),
        ("step1000-token-3B", 2.1e9, True),
        ("step1000-tokens840b", 419e9, False),
        ("step1000", 2.1e9, True),
        ("step1000-tokens3Bert", 1e12, True),
    ],
)
def test_kind_facts_stated_twice_tokens_of_a_name_in_any_unit(name, tokens, fits):
    checkpoint = {"name": "a", "revision": name, "step": 1000}
    model = {"name": "m", "repository": "org/m", "layers": [1], "tokens_per_step": round(tokens / 1000)}
    if fits:
        assert resolve_models([model | {"checkpoints": [checkpoint]}], {})[0]["checkpoints"][0]["tokens"] == tokens
        return
    with pytest.raises(InputError, match=f"models/m/checkpoints/a: the revision {name!r} says .* billion tokens, and"):
        resolve_models([model | {"checkpoints": [checkpoint]}], {})
    # Tokens of one's own are the way past.
    resolve_models([model | {"checkpoints": [checkpoint | {"tokens": round(tokens)}]}], {})


@pytest.mark.parametrize("name", ["step3000", "stage1-step3000-tokens5B", "step_03000"])
def test_kind_facts_stated_twice_a_step_and_that_of_the_revision(name):
    checkpoint = {"name": "a", "revision": name, "step": 1000}
    model = {"name": "m", "repository": "org/m", "layers": [1], "tokens_per_step": 4_000_000}
    with pytest.raises(
        InputError, match=f"models/m/checkpoints/a: the revision {name!r} says step 3000, and `step` 1000"
    ):
        resolve_models([model | {"checkpoints": [checkpoint]}], {})
    # Steps that restart: later stages by their name, others by tokens of one's own.
    for other in (checkpoint | {"tokens": 5}, checkpoint | {"revision": "stage2-ingredient1-step3000"}):
        assert resolve_models([model | {"checkpoints": [other]}], {})[0]["checkpoints"][0]["step"] == 1000


def test_a_tokenizer_that_lies_on_main_alone_is_taken_from_there_and_told(families, served):
    whole = small_models.stand_in(7)
    bare = {name: content for name, content in whole.items() if "tokenizer" not in name}
    served.repositories["org/name"] |= {"a": ("d" * 40, bare), "main": ("e" * 40, small_models.stand_in(8))}
    models = study(families)
    with pytest.raises(InputError, match="lacks a tokenizer.*lock_checkpoints takes that of main"):
        find_checkpoint("org/name", "a")
    lock = make_lock("mine", models, "error")
    assert lock["models"]["own"]["checkpoints"]["a"]["tokenizer_commit"] == "e" * 40
    assert lent(models[1], lock["models"]["own"]) == ["own: no tokenizer of their own, so that of main is taken: a"]
    (entry,) = apply_lock(models, lock, "error")[1]["checkpoints"]
    found = find_checkpoint("org/name", "a", pin=Pin(entry["commit"], entry["tokenizer_commit"]))
    assert found["tokenizer_commit"] == "e" * 40 and found["commit"] == "d" * 40
    assert found["tokenizer_hash"] == sha(small_models.stand_in(8)["tokenizer.json"])
    with ensure_weights(found) as held:
        assert (held.folder / "tokenizer.json").read_bytes() == whole["tokenizer.json"]
    assert "tokenizer_commit" not in lock["models"]["olmo"]["checkpoints"]["step0"]


def series(count):
    """A model with that many checkpoints, and the repository that has them."""
    listed = [{"name": f"step{k}", "revision": f"step{k}", "step": k} for k in range(count)]
    models = [{"name": "m", "repository": "org/series", "tokens_per_step": 1, "layers": [1], "checkpoints": listed}]
    return resolve_models(models, {}), {f"step{k}": small_models.stand_in(k) for k in range(count)}


@pytest.mark.parametrize(
    "header", ["Retry-After", "RateLimit", "date", "none"], ids=["seconds", "its window", "a date", "nothing"]
)
def test_a_refusal_for_too_many_requests_is_waited_out_and_nothing_is_asked_twice(monkeypatch, tmp_path, header):
    models, revisions = series(154)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    waits = []
    with FakeHub({"org/series": revisions}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        server.limit(80, header)

        def wait(seconds, reason):
            assert "takes no more requests for now (429)" in reason
            waits.append(seconds)
            server.limit(80, header)

        monkeypatch.setattr(hub, "pause", wait)
        lock = make_lock("mine", models, "error")
        assert len(lock["models"]["m"]["checkpoints"]) == 154
        expected = {"Retry-After": 17, "RateLimit": 18, "date": pytest.approx(9, abs=9), "none": hub.WINDOW}
        assert waits == [expected[header]], "155 requests are two windows of 80"
        answered = [path for path, status in server.answers if status == 200]
        assert len(answered) == len(set(answered)) == 155
        # What was answered is known to the jobs that fetch, and to the next lock.
        server.requests.clear()
        assert make_lock("mine", models, "error") == lock and len(server.requests) == 1


def test_a_hub_that_takes_no_requests_for_hours_is_one_clear_error(served, families, monkeypatch):
    served.limit(0, "Retry-After")
    monkeypatch.setattr(hub, "pause", lambda *_: None)
    with pytest.raises(InputError, match="takes no more requests for now .*429.*; run again later: .*hf auth login"):
        make_lock("mine", study(families), "error")


def test_a_commit_that_is_gone_says_where_its_branch_has_moved(served, families):
    models = study(families, commit="b" * 40)
    now = served.commit("org/name", "a")
    with pytest.raises(InputError, match=f"commit {'b' * 40} of 'org/name' is gone; the branch 'a' has moved to {now}"):
        find_checkpoint("org/name", "a", pin=Pin("b" * 40))
    with pytest.raises(InputError, match=f"models/own/checkpoints/a: .*the branch 'a' has moved to {now}"):
        make_lock("mine", models, "error")
    del served.repositories["org/name"]["a"]
    with pytest.raises(InputError, match="is gone; there is no branch 'a' either"):
        find_checkpoint("org/name", "a", pin=Pin("b" * 40))


def test_a_pull_requests_revision_is_locked(served, families):
    served.repositories["org/name"]["refs/pr/3"] = ("c" * 40, small_models.stand_in(3))
    listed = [{"name": "pr", "revision": "refs/pr/3", "step": 3}, {"name": "none", "revision": "refs/pr/4", "step": 4}]
    model = {"name": "own", "repository": "org/name", "tokens_per_step": 1, "layers": [1], "checkpoints": listed}
    locked = make_lock("mine", resolve_models([model], families), "exclude")["models"]["own"]["checkpoints"]
    assert locked["pr"]["commit"] == "c" * 40 and locked["pr"]["files"]
    assert locked["none"]["missing"].startswith("no revision 'refs/pr/4'")


def test_a_list_of_files_that_is_cut_short_is_not_taken_for_the_whole(served, families):
    """The hub may cut the list that comes with a repository's description."""
    served.siblings, served.page = 1, 2
    locked = make_lock("mine", study(families), "error")["models"]["own"]["checkpoints"]["a"]
    assert {file["name"] for file in locked["files"]} == set(small_models.stand_in())
    assert find_checkpoint("org/name", "a")["weights"] == ["model.safetensors"]


def _lock_of(**entry):
    return json.dumps({"models": {"m": {"checkpoints": {"a": {"revision": "a", "files": []} | entry}}}})


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"models": 3}',
        _lock_of(commit="1"),
        _lock_of(commit="z" * 40),
        _lock_of(commit="A" * 40),
        _lock_of(commit=["a"] * 40),
        _lock_of(commit="a" * 40, files=[{"bytes": 3}]),
        _lock_of(commit="a" * 40, tokenizer_commit="main"),
        _lock_of(),
    ],
)
def test_a_broken_lock_is_refused(tmp_path, content):
    path = tmp_path / "lock.json"
    assert read_lock(path) is None
    path.write_text(content)
    with pytest.raises(InputError, match="lock: .*lock.json is not a lock .*snakemake lock_checkpoints"):
        read_lock(path)


def test_locking_says_what_the_hubs_hashes_tell_and_how_far_a_grid_is(families, served, tmp_path, monkeypatch):
    import io

    import lock_checkpoints

    monkeypatch.chdir(tmp_path)
    repository = served.repositories["allenai/OLMo-7B-0724-hf"]
    repository["step2000-tokens8B"] = ("d" * 40, repository["step0-tokens0B"][1])
    asked = {"tokens": [0, 4_194_304_000, 9e9]}
    models = [{"name": "olmo", "family": "olmo-0724-7b", "layers": [1], "checkpoints": asked}]
    local = {"name": "own", "repository": "org/name", "tokens_per_step": 1, "layers": [1], "cache_dir": "x"}
    models.append({**local, "checkpoints": [{"name": "a", "revision": "a", "step": 3}]})
    said = io.StringIO()
    run(
        lock_checkpoints, {"lock": "results/mine/models/lock.json"}, study="mine", asked=0, terminal=said,
        models=resolve_models(models, families), lock="config/locks/mine.json", integrity="error",
    )  # fmt: skip
    lines = said.getvalue().splitlines()
    assert lines.pop(2) == (
        "olmo/step1000: the hub has it as step1000-tokens5B, the registry computes step1000-tokens4B"
    )
    assert lines[0] == "olmo: 9e+09 tokens asked for, step2000 has 8.389e+09 (0.932 x)"
    assert lines[1].startswith("olmo: 3 checkpoints, ")
    assert [line.split(":")[0] for line in lines[2:4]] == ["olmo/step0", "olmo/step2000"]
    assert "model.safetensors" in lines[2] and "step2000" in lines[2]
    assert lines[4:] == ["own: not from the hub, nothing to lock", "written: config/locks/mine.json"]
    assert read_lock("config/locks/mine.json") == read_json("results/mine/models/lock.json")
    # Locked again under another policy, with a revision that is gone and a branch that has moved.
    del repository["step1000-tokens5B"]
    repository["step0-tokens0B"] = ("e" * 40, repository["step0-tokens0B"][1])
    said.truncate(0)
    run(
        lock_checkpoints, {"lock": "results/mine/models/lock.json"}, study="mine", asked=0, terminal=said,
        models=resolve_models(models, families), lock="config/locks/mine.json", integrity="warn",
    )  # fmt: skip
    lines = said.getvalue().splitlines()
    assert any(line.startswith("olmo: 2 checkpoints, ") for line in lines)
    (gone,) = (line for line in lines if "missing" in line)
    assert gone.startswith("olmo/step1000: missing: no revision 'step1000-tokens4B'; the nearest of 3 are step")
    assert f"olmo/step0: now commit {'e' * 12}" in said.getvalue()
    assert "missing" in read_lock("config/locks/mine.json")["models"]["olmo"]["checkpoints"]["step1000"]


def test_registries_and_locks_import_nothing_heavy():
    code = (
        "import sys, triphase.config.families, triphase.config.lockfile, triphase.checkpoints.snapshots; "
        "print([m for m in ('torch', 'transformers', 'huggingface_hub', 'numpy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts")},
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("policy", ["error", "exclude"])
def test_a_log_spaced_number_is_filled_after_an_early_gap(families, monkeypatch, tmp_path, policy):
    """The hub lacks steps 1 to 3000 of a Pythia, as it does of several series."""
    asked = {"name": "m", "family": "pythia", "size": "70m", "layers": [1], "checkpoints": {"log_spaced": 16}}
    models = resolve_models([asked], families)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    revisions = [e["revision"] for e in models[0]["series"]["available"] if e["step"] == 0 or e["step"] > 3000]
    with FakeHub(
        {"EleutherAI/pythia-70m": {name: small_models.stand_in(k) for k, name in enumerate(revisions)}}
    ) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        lock = make_lock("mine", models, policy)
        (chosen,) = filled(models)
    (pinned,) = apply_lock(models, lock, policy)
    steps = [entry["step"] for entry in pinned["checkpoints"]]
    assert len(steps) == 16 and steps[:2] == [0, 4000] and steps[-1] == 143000
    assert all("commit" in entry for entry in pinned["checkpoints"]) and "series" not in pinned
    assert thin_lines([pinned]) == [], "what there is is spaced evenly"
    (line,) = replaced(chosen, models[0])
    assert line.startswith("m: the hub lacks branches of the series: step4000, ") and " for step1, " in line
    # Without a lock, or with that of another number, the choice is the registry's.
    for other in (None, {**lock, "models": {"m": {**lock["models"]["m"], "log_spaced": 9}}}):
        (plain,) = apply_lock(models, other, policy)
        assert [e["step"] for e in plain["checkpoints"]] == [e["step"] for e in models[0]["checkpoints"]]


def test_where_a_grid_is_thin_is_told(families):
    (model,) = apply_lock(resolve_models(
        [{"name": "m", "family": "pythia", "size": "70m", "layers": [1], "checkpoints": {"log_spaced": 16}}], families
    ), None, "error")  # fmt: skip
    assert thin_lines([model]) == []
    kept = [entry for entry in model["checkpoints"] if not 4 <= entry["step"] <= 1000]
    (line,) = thin_lines([{**model, "checkpoints": kept}])
    assert line.startswith("models/m: the grid of checkpoints is thin between 4.19e+06 and ") and "not seen" in line
