import hashlib
import json

import pytest

from triphase import checkpoints
from triphase.checkpoints import find_checkpoint
from triphase.errors import InputError

CONFIG = {"architectures": ["GPTNeoXForCausalLM"], "num_hidden_layers": 3, "hidden_size": 64}


def make_repository(cache, revisions, weights=b"weights"):
    folder = cache / "models--org--name"
    for revision, commit in revisions.items():
        snapshot = folder / "snapshots" / commit
        snapshot.mkdir(parents=True)
        for name, content in {
            "config.json": json.dumps(CONFIG).encode(),
            "tokenizer.json": b"{}",
            "model.safetensors": weights + revision.encode(),
        }.items():
            blob = folder / "blobs" / hashlib.sha256(content).hexdigest()
            blob.parent.mkdir(exist_ok=True)
            blob.write_bytes(content)
            (snapshot / name).symlink_to(blob)
        ref = folder / "refs" / revision
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(commit)
    return cache


@pytest.fixture
def cache(tmp_path):
    return make_repository(tmp_path, {"step0": "0" * 40, "stage1-step5000-tokens11B": "a" * 40, "pr/1": "b" * 40})


@pytest.mark.parametrize("revision", ["stage1-step5000-tokens11B", "a" * 40])
def test_a_branch_and_its_commit_are_the_same_checkpoint(cache, revision):
    manifest = find_checkpoint("org/name", revision, cache)
    assert manifest["commit"] == "a" * 40
    assert (manifest["layers"], manifest["hidden_size"]) == (3, 64)
    assert manifest["tokenizer_hash"] == hashlib.sha256(b"{}").hexdigest()


def test_fingerprints_tell_weights_apart(cache):
    found = {find_checkpoint("org/name", revision, cache)["fingerprint"] for revision in ("step0", "pr/1")}
    assert len(found) == 2


def test_a_missing_revision_is_named_with_those_that_there_are(cache):
    with pytest.raises(
        InputError, match="revision 'step7' of 'org/name'.*there are: pr/1, stage1-step5000-tokens11B, step0"
    ):
        find_checkpoint("org/name", "step7", cache)


def test_a_half_downloaded_snapshot_is_not_taken_for_whole(cache):
    (cache / "models--org--name/snapshots" / ("0" * 40) / "model.safetensors").unlink()
    with pytest.raises(InputError, match="step0"):
        find_checkpoint("org/name", "step0", cache)


INDEX = {"weight_map": {"a": "{}-00001-of-00002{}", "b": "{}-00002-of-00002{}"}}


@pytest.mark.parametrize(
    ("stem", "suffix"), [("model", ".safetensors"), ("pytorch_model", ".bin")], ids=["safetensors", "bin"]
)
@pytest.mark.parametrize("lacks", ["shard", "link", "index", "tokenizer", "config", None])
def test_sharded_weights_are_whole_with_all_shards_index_tokenizer_and_config(tmp_path, stem, suffix, lacks):
    snapshot = tmp_path / "models--org--name" / "snapshots" / ("d" * 40)
    snapshot.mkdir(parents=True)
    shards = {tensor: name.format(stem, suffix) for tensor, name in INDEX["weight_map"].items()}
    files = {
        "config": ("config.json", json.dumps(CONFIG)),
        "tokenizer": ("tokenizer_config.json", "{}"),
        "index": (f"{stem}{suffix}.index.json", json.dumps({"weight_map": shards})),
        "first": (shards["a"], "a"),
        "shard": (shards["b"], "b"),
    }
    for role, (name, content) in files.items():
        if role != lacks:
            (snapshot / name).write_text(content)
    if lacks == "link":
        (snapshot / shards["b"]).unlink()
        (snapshot / shards["b"]).symlink_to(tmp_path / "nowhere")
    if lacks:
        with pytest.raises(InputError, match="there are: none"):
            find_checkpoint("org/name", "d" * 40, tmp_path)
    else:
        assert find_checkpoint("org/name", "d" * 40, tmp_path)["commit"] == "d" * 40


def test_a_pin_that_does_not_hold_is_refused(cache):
    with pytest.raises(InputError, match=f"is commit {'0' * 40}, the study pins {'c' * 40}"):
        find_checkpoint("org/name", "step0", cache, commit="c" * 40)


def test_the_users_cache_is_searched_before_any_download(cache, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(checkpoints, "_download", lambda *_: pytest.fail("tried to download"))
    assert find_checkpoint("org/name", "step0")["cache_dir"] == str(cache)


def test_a_download_that_fails_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.snapshot_download", _offline)
    with pytest.raises(InputError, match="revision 'main' of 'org/absent' can't be downloaded"):
        find_checkpoint("org/absent", "main")


def _offline(*_, **__):
    raise ConnectionError("no route")
