"""Checkpoints from a hub on this machine, through huggingface_hub's own code."""

from pathlib import Path

import pytest
import small_models
from fake_hub import FakeHub, sha

from triphase.checkpoints import hub
from triphase.checkpoints.cache import checkpoint_folder
from triphase.checkpoints.find import Pin, find_checkpoint
from triphase.checkpoints.loading import devices_of, load_model, load_tokenizer
from triphase.core.errors import InputError


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty working directory and an empty user's cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "PAUSE", 0.01)
    return tmp_path


@pytest.fixture
def served(workplace, monkeypatch):
    """A function that starts a hub with the given repositories and points to it."""
    started = []

    def start(repositories):
        server = FakeHub(repositories).__enter__()
        started.append(server)
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        return server

    yield start
    for server in started:
        server.__exit__()


@pytest.mark.model
def test_a_manifest_comes_from_the_hubs_listing_and_weights_come_when_they_are_loaded(served):
    files = small_models.checkpoint(0, shards=3)
    server = served({"org/m": {"step0": files, "main": small_models.checkpoint(1, shards=3)}})
    manifest = find_checkpoint("org/m", "step0")
    shards = [f"model-0000{k}-of-00003.safetensors" for k in (1, 2, 3)]
    assert manifest["weights"] == shards and manifest["commit"] == server.commit("org/m", "step0")
    assert {name: entry["sha256"] for name, entry in manifest["files"].items()} == {n: sha(c) for n, c in files.items()}
    assert not any(name.endswith(".safetensors") for _, name in server.sent)
    model = load_model(manifest)
    server.requests.clear()
    assert load_tokenizer(manifest)("w1 w2").input_ids == [1, 2]
    again = load_model(manifest)
    assert server.requests == [], "loading asked the network"
    assert devices_of(model) == ["cpu"]
    assert all((a == b).all() for a, b in zip(again.parameters(), model.parameters(), strict=True))
    local = small_models.write(Path("plain"), files)
    again = find_checkpoint("org/m", "plain", folder=local)
    assert again["fingerprint"] == manifest["fingerprint"] and again["files"] == manifest["files"]


@pytest.mark.model
def test_offline_the_commit_and_what_was_fetched_suffice(served, monkeypatch):
    server = served({"org/m": {"step0": small_models.checkpoint(0)}})
    manifest = find_checkpoint("org/m", "step0")
    load_model(manifest)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    server.requests.clear()
    assert find_checkpoint("org/m", "step0", pin=Pin(manifest["commit"])) == manifest
    assert find_checkpoint("org/m", "step0") == manifest
    load_model(manifest)
    assert server.requests == []
    with pytest.raises(InputError, match="revision 'step1' of 'org/m' is in no local cache, .*HF_HUB_OFFLINE"):
        find_checkpoint("org/m", "step1")
    checkpoint_folder(manifest).joinpath("model.safetensors").unlink()
    with pytest.raises(InputError, match="revision 'step0' of 'org/m' is in no local cache, .*HF_HUB_OFFLINE"):
        load_model(manifest)


def test_a_branch_that_moved_is_told_by_its_commit(served):
    server = served({"org/m": {"step0": small_models.stand_in(0)}})
    before = find_checkpoint("org/m", "step0")
    moved = small_models.stand_in(1)
    server.repositories["org/m"]["step0"] = ("e" * 40, moved)
    assert find_checkpoint("org/m", "step0")["commit"] == "e" * 40
    assert find_checkpoint("org/m", "step0", pin=Pin(before["commit"])) == before


def test_what_the_hub_does_not_have_is_named(served):
    lame = {name: b"{}" for name in ("config.json", "tokenizer.json")}
    served({"org/m": {"step0": small_models.stand_in(), "step16": small_models.stand_in(1), "bare": lame}})
    with pytest.raises(
        InputError, match="revision 'step1' of 'org/m' does not exist; the nearest of 3 are step16, step0"
    ):
        find_checkpoint("org/m", "step1")
    with pytest.raises(InputError, match="'org/other' does not exist, is private or has a licence to accept"):
        find_checkpoint("org/other", "main")
    with pytest.raises(InputError, match="revision 'bare' of 'org/m': it lacks"):
        find_checkpoint("org/m", "bare")


def test_no_network_is_one_clear_error(workplace, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        InputError,
        match="'main' of 'org/absent' is in no local cache.*cannot be reached .*check the name and the network",
    ):
        find_checkpoint("org/absent", "main")


@pytest.mark.model
def test_a_connection_that_breaks_is_taken_up_where_it_broke(served, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1024)
    server = served({"org/m": {"step0": small_models.checkpoint(0)}})
    server.drops["model.safetensors"] = 50_000
    load_model(find_checkpoint("org/m", "step0"))
    ((name, asked),) = server.ranges
    assert name == "model.safetensors" and 40_000 < int(asked.removeprefix("bytes=").split("-")[0]) <= 50_000


@pytest.mark.model
def test_a_file_of_the_right_size_and_wrong_content_is_fetched_again(served, caplog):
    files = small_models.checkpoint(0)
    server = served({"org/m": {"step0": files}})
    content = bytearray(files["model.safetensors"])
    content[-1] ^= 1
    server.wrong["model.safetensors"] = bytes(content)
    load_model(find_checkpoint("org/m", "step0"))
    assert "is not what the hub says it is: fetching again" in caplog.text


def test_code_of_a_repository_is_fetched_only_where_it_is_trusted(served):
    server = served({"org/m": {"main": {**small_models.stand_in(), "modeling_x.py": b"raise SystemExit('ran')"}}})
    find_checkpoint("org/m", "main")
    assert not any(name.endswith(".py") for _, name in server.sent)
    assert find_checkpoint("org/m", "main", trust_remote_code=True)["trust_remote_code"] is True
    assert any(name.endswith(".py") for _, name in server.sent)
