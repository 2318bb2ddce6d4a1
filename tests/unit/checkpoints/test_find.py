"""Checkpoints are found in a cache or a folder, and loaded from there."""

import json
import os
import shutil

import pytest
import small_models
from fake_hub import sha

from triphase.checkpoints import find as checkpoints
from triphase.checkpoints.find import Pin, find_checkpoint
from triphase.checkpoints.loading import load_model, load_tokenizer, memory_limits
from triphase.core.errors import InputError

COMMITS = {"step0": "0" * 40, "stage1-step5000-tokens11B": "a" * 40, "pr/1": "b" * 40}


@pytest.fixture
def cache(tmp_path):
    return small_models.make_cache(tmp_path, COMMITS)


@pytest.mark.parametrize("revision", ["stage1-step5000-tokens11B", "a" * 40])
def test_a_branch_and_its_commit_are_the_same_checkpoint(cache, revision):
    manifest = find_checkpoint("org/name", revision, cache)
    assert manifest["commit"] == "a" * 40
    assert (manifest["layers"], manifest["hidden_size"]) == (3, 64)
    assert manifest["tokenizer_hash"] == sha(b"{}")


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
        "config": ("config.json", json.dumps(small_models.CONFIG).encode()),
        "tokenizer": ("tokenizer.json", b"{}"),
        "index": (f"{stem}{suffix}.index.json", json.dumps({"weight_map": shards}).encode()),
        "first": (shards["a"], small_models.safetensors(1)),
        "shard": (shards["b"], small_models.safetensors(2)),
    }
    for role, (name, content) in files.items():
        if role != lacks:
            (snapshot / name).write_bytes(content)
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
        find_checkpoint("org/name", "step0", cache, pin=Pin("c" * 40))


def test_a_pinned_commit_is_found_though_the_branch_has_moved(cache):
    (cache / "models--org--name/refs/step0").write_text("b" * 40)
    assert find_checkpoint("org/name", "step0", cache, pin=Pin("0" * 40))["commit"] == "0" * 40


def test_the_users_cache_is_searched_before_any_download(cache, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(checkpoints, "_from_hub", lambda *_: pytest.fail("asked the hub"))
    assert find_checkpoint("org/name", "step0")["cache_dir"] == str(cache)


def test_a_checkpoint_that_was_moved_out_of_the_cache_is_named(cache):
    manifest = find_checkpoint("org/name", "step0", cache)
    shutil.rmtree(cache / "models--org--name/snapshots" / ("0" * 40))
    with pytest.raises(InputError, match="org/name at step0: .*config.json and 3 more has gone since"):
        load_model(manifest)


def in_folder(path, files, **changes):
    small_models.write(path, {name: content for name, content in {**files, **changes}.items() if content is not None})
    return find_checkpoint("org/m", path.name, folder=path)


@pytest.mark.model
def test_older_shards_load_and_equal_safetensors(tmp_path):
    safe = load_model(in_folder(tmp_path / "safe", small_models.checkpoint(0, 3)))
    older = load_model(in_folder(tmp_path / "older", small_models.checkpoint(0, 3, ".bin")))
    assert all((a == b).all() for a, b in zip(safe.parameters(), older.parameters(), strict=True))


class Malicious:
    """Unpickling it runs a shell command."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.model
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_needs_code_is_refused_and_does_not_run(tmp_path, zipped):
    import torch

    files = small_models.checkpoint(0, 1, ".bin")
    manifest = in_folder(tmp_path / "bad", files)
    path = tmp_path / "bad/pytorch_model.bin"
    content = {"weight": Malicious(f"touch {tmp_path}/ran")}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    manifest["files"][path.name]["bytes"] = path.stat().st_size
    with pytest.raises(
        InputError, match="org/m at bad: .*pytorch_model.bin holds more than tensors.*safetensors.*local_folder"
    ):
        load_model(manifest)
    assert not (tmp_path / "ran").exists()


@pytest.mark.model
@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_a_shard_cut_short_is_named(tmp_path, suffix):
    manifest = in_folder(tmp_path / "m", small_models.checkpoint(0, 3, suffix))
    path = tmp_path / "m" / manifest["weights"][1]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=f"org/m at m: .*{path.name} (has|is cut short)"):
        load_model(manifest)
    if suffix == ".safetensors":
        with pytest.raises(InputError, match=f"org/m at m: .*{path.name} has .* bytes instead of"):
            find_checkpoint("org/m", "m", folder=tmp_path / "m")
    del manifest["files"][path.name]
    with pytest.raises(InputError, match=f"org/m at m: .*{path.name} (has|is cut short)"):
        load_model(manifest)
    path.unlink()
    with pytest.raises(InputError, match=f"org/m at m: .*lacks {path.name}"):
        load_model(manifest)


@pytest.mark.model
def test_weights_that_lack_tensors_are_refused_and_not_filled_with_random_numbers(tmp_path):
    from safetensors.torch import load, save

    files = small_models.checkpoint(0)
    tensors = load(files["model.safetensors"])
    del tensors["gpt_neox.layers.2.attention.dense.weight"]
    manifest = in_folder(tmp_path / "m", files, **{"model.safetensors": save(tensors, {"format": "pt"})})
    with pytest.raises(
        InputError, match="org/m at m: .* lack 1 tensors of the model, .*layers.2.attention.dense.weight"
    ):
        load_model(manifest)


@pytest.mark.model
def test_a_model_that_needs_code_is_refused_unless_it_is_trusted(tmp_path):
    files = small_models.checkpoint(0)
    config = json.loads(files["config.json"])
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.OwnModel"}}
    code = f"open({str(tmp_path / 'ran')!r}, 'w')\nraise RuntimeError('own code ran')\n".encode()
    manifest = in_folder(tmp_path / "m", files, **{"config.json": json.dumps(config).encode(), "own.py": code})
    with pytest.raises(InputError, match="it needs code of the repository; name the repository in trust_remote_code"):
        load_model(manifest)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(InputError, match="own code ran"):
        load_model({**manifest, "trust_remote_code": True})
    assert (tmp_path / "ran").exists()


@pytest.mark.model
def test_a_tokenizer_without_offsets_is_refused(tmp_path, monkeypatch):
    manifest = in_folder(tmp_path / "m", small_models.checkpoint(0))
    monkeypatch.setattr(
        "transformers.AutoTokenizer.from_pretrained", lambda *_, **__: type("T", (), {"is_fast": False})
    )
    whole = (tmp_path / "m/tokenizer.json").rename(tmp_path / "m/vocab.json")
    with pytest.raises(InputError, match="org/m at m: its tokenizer gives no character offsets"):
        load_tokenizer(manifest)
    monkeypatch.undo()
    whole.rename(tmp_path / "m/tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="org/m at m: its tokenizer cannot be loaded"):
        load_tokenizer(manifest)


@pytest.mark.model
@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
@pytest.mark.parametrize("cpu", [120_000, 20_000], ids=["part on disk", "nearly all on disk"])
def test_offloaded_and_plain_agree(tmp_path, monkeypatch, suffix, cpu):
    import gc

    import torch

    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    manifest = in_folder(tmp_path / "m", small_models.checkpoint(0, 3, suffix))
    plain = load_model(manifest)
    offloaded = load_model(manifest, max_memory={"cpu": cpu})
    assert "disk" in offloaded.hf_device_map.values()
    tokens = torch.arange(40).reshape(2, 20)
    with torch.inference_mode():
        one, two = (model(tokens, output_hidden_states=True) for model in (plain, offloaded))
    assert torch.equal(one.logits, two.logits)
    assert all(torch.equal(a, b) for a, b in zip(one.hidden_states, two.hidden_states, strict=True))
    del plain, offloaded, one, two
    gc.collect()
    assert not list((tmp_path / "tmp").glob("triphase-offload-*"))


def test_memory_limits_leave_room(monkeypatch):
    assert memory_limits(1000)["cpu"] == 800_000_000
