"""The extraction script on bad input, a full disk, killed at any moment, and twice at once: nothing half-written."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from jobs import EXECUTION, run
from patience import PATIENCE
from small_models import checkpoint, write

from triphase.core.artefacts import read_arrays, write_json, write_table
from triphase.core.errors import InputError

OPTIONS = {
    "context": {"min": None, "max": 24, "stride": None}, "dtype": "float32", "storage": "float32",
    "pool": "mean",
}  # fmt: skip
# Imports once, then forks a child for each run; kills some of them and prints how many had written.
FORKS = """
import json, os, random, signal, sys, time
import torch
torch.set_num_threads(1)
import extract_activations, transformers, zarr, xarray
from jobs import EXECUTION, run
from transformers import AutoModel, AutoModelForCausalLM
from transformers.models.gpt_neox import modeling_gpt_neox

paths, options, kills, at_once = json.loads(sys.argv[1])
def child(output):
    pid = os.fork()
    if not pid:
        code = 1
        try:
            batch = EXECUTION | {"activation_batch": 4}
            run(extract_activations, {**paths, "activations": output}, execution=batch, **options)
            code = 0
        finally:
            os._exit(code)
    return pid

start = time.time()
assert os.waitpid(child(paths["activations"] + ".first"), 0)[1] == 0
whole = time.time() - start
rng, seen = random.Random(0), 0
for number in range(kills):
    pid = child(paths["activations"])
    time.sleep(rng.uniform(0.05, 1) * whole)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    if os.path.exists(paths["activations"]):
        seen += 1
        os.replace(paths["activations"], f"{paths['activations']}.seen{seen}")
pids = [child(paths["activations"]) for _ in range(at_once)]
assert all(os.waitpid(pid, 0)[1] == 0 for pid in pids)
print(seen)
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Manifest and words of two stories, and a small checkpoint."""
    from triphase.checkpoints.find import find_checkpoint

    folder = tmp_path_factory.mktemp("extraction")
    model = write(folder / "model", checkpoint(layers=4))
    write_json(folder / "model.json", find_checkpoint("org/name", "step7", folder=model))
    write_words(folder / "words.parquet", {"one": 400, "two": 150})
    return folder


def write_words(path, lengths, odd=None):
    rng, rows, texts = np.random.default_rng(0), [], {}
    for stimulus, count in lengths.items():
        words = [odd if odd and k == 3 else f"w{number}" for k, number in enumerate(rng.integers(1, 64, count))]
        stops = np.cumsum([len(word) + 1 for word in words]) - 1
        texts[stimulus] = " ".join(words)
        rows.append(pd.DataFrame({
            "run": stimulus, "stimulus": stimulus, "index": np.arange(count), "word": words,
            "char_start": stops - [len(word) for word in words], "char_end": stops,
        }))  # fmt: skip
    write_table(path, pd.concat(rows), texts=texts, hashes=dict.fromkeys(texts, "0"), unit="word")


def paths_of(study, output):
    return SimpleNamespace(
        checkpoint=str(study / "model.json"), words=str(study / "words.parquet"), activations=str(output)
    )


def extract(study, output, batch=4, **options):
    import extract_activations

    execution = EXECUTION | {"activation_batch": batch}
    run(extract_activations, paths_of(study, output), execution=execution, **OPTIONS | options)
    return read_arrays(output)


def forked(study, output, kills=0, at_once=1):
    argument = json.dumps([vars(paths_of(study, output)), OPTIONS, kills, at_once])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", FORKS, argument], capture_output=True, text=True, env=environment, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return int(done.stdout.splitlines()[-1])


def assert_whole(found, expected):
    for name in ("activations", "surprisal", "context", "stimulus", "index"):
        np.testing.assert_array_equal(found[name].values, expected[name].values)
    assert found.attrs == expected.attrs


def test_killed_at_any_moment_leaves_a_whole_file_or_none_and_the_rerun_is_the_same(study, tmp_path):
    output = tmp_path / "a.zarr.zip"
    written = forked(study, output, kills=20)
    expected = read_arrays(f"{output}.first")
    assert expected["activations"].shape == (5, 550, 32) and np.isfinite(expected["activations"].values).all()
    assert_whole(read_arrays(output), expected)
    for number in range(written):
        Path(f"{output}.seen{number + 1}").replace(output)  # a file is read in the place that it was written to
        assert_whole(read_arrays(output), expected)


def test_what_a_killed_run_left_is_removed_and_what_another_writes_is_not(study, tmp_path):
    left, written, recent = (tmp_path / f".a.zarr.zip.{number}.part.zip" for number in (11, 12, 13))
    for path in (left, written, recent):
        path.write_bytes(b"PK")
    for path in (left, written):
        os.utime(path, (0, 0))
    with written.open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        extract(study, tmp_path / "a.zarr.zip")
    assert {path.name for path in tmp_path.iterdir()} == {"a.zarr.zip", written.name, recent.name}


def test_two_runs_at_once_leave_one_whole_file(study, tmp_path):
    output = tmp_path / "a.zarr.zip"
    forked(study, output, at_once=2)
    assert_whole(read_arrays(output), read_arrays(f"{output}.first"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr.zip", "a.zarr.zip.first"]


def test_what_is_written(study, tmp_path):
    found = extract(study, tmp_path / "a.zarr.zip")
    assert dict(found.sizes) == {"layer": 5, "word": 550, "feature": 32}
    assert found.attrs["context"] == {"min": 18, "max": 24, "stride": None}
    assert found.attrs["repository"] == "org/name" and found["context"].max() == 24
    other = extract(study, tmp_path / "b.zarr.zip", batch="auto")
    np.testing.assert_allclose(other["activations"], found["activations"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(other["surprisal"], found["surprisal"], rtol=1e-4)


def test_a_full_disk_is_one_message_and_leaves_nothing(study, tmp_path):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(tmp_path)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no right to mount a small file system")
    try:
        with pytest.raises(InputError, match="a.zarr.zip: the disk, the quota or the largest file allowed is full"):
            extract(study, tmp_path / "a.zarr.zip")
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def changed_weights(study, tmp_path, change):
    """A copy of the study whose model has other weights."""
    from safetensors.torch import load_file, save_file

    from triphase.checkpoints.find import find_checkpoint

    model = write(tmp_path / "model", checkpoint(layers=4))
    tensors = load_file(model / "model.safetensors")
    change(tensors)
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})
    write_json(tmp_path / "model.json", find_checkpoint("org/name", "step7", folder=model))
    (tmp_path / "words.parquet").write_bytes((study / "words.parquet").read_bytes())
    return tmp_path


def test_weights_that_are_not_finite_name_layer_checkpoint_and_story(study, tmp_path):
    def spoil(tensors):
        tensors["gpt_neox.layers.1.mlp.dense_4h_to_h.bias"][3] = float("nan")

    changed = changed_weights(study, tmp_path, spoil)
    with pytest.raises(InputError, match=r"layers \[2, 3, 4\] of org/name at step7 have non-finite values.*'one'"):
        extract(changed, tmp_path / "a.zarr.zip")
    assert not (tmp_path / "a.zarr.zip").exists() and not list(tmp_path.glob(".*part*"))


def test_values_too_large_for_float16_name_layer_and_checkpoint(study, tmp_path):
    def enlarge(tensors):
        tensors["gpt_neox.layers.2.mlp.dense_4h_to_h.bias"][3] = 1e6

    changed = changed_weights(study, tmp_path, enlarge)
    with pytest.raises(InputError, match=r"layers \[3\] of org/name at step7 have values that float16 cannot hold"):
        extract(changed, tmp_path / "a.zarr.zip", storage="float16")
    found = extract(changed, tmp_path / "a.zarr.zip")
    assert found["activations"].max() > 65_504


def test_a_tokenizer_without_offsets_is_refused(study, tmp_path, monkeypatch):
    from transformers import PreTrainedTokenizerFast

    monkeypatch.setattr(PreTrainedTokenizerFast, "is_fast", False)
    with pytest.raises(InputError, match="org/name at step7: its tokenizer gives no character offsets"):
        extract(study, tmp_path / "a.zarr.zip")


def test_a_word_that_the_tokenizer_drops_is_named(study, tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers

    from triphase.checkpoints.find import find_checkpoint

    model = write(tmp_path / "model", checkpoint(layers=4))
    described = json.loads((model / "tokenizer.json").read_text())
    assert described["model"]["unk_token"] == "<eos>"
    # Without a token for what it does not know, a word-level tokenizer leaves such words out.
    inner = Tokenizer(
        models.BPE({f"w{k}": k for k in range(1, 53)} | {"w": 0} | {str(k): 53 + k for k in range(10)}, [])
    )
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    described["model"] = json.loads(inner.to_str())["model"]
    (model / "tokenizer.json").write_text(json.dumps(described))
    write_json(tmp_path / "model.json", find_checkpoint("org/name", "step7", folder=model))
    write_words(tmp_path / "words.parquet", {"tale": 30}, odd="鬱")
    with pytest.raises(InputError, match="stimulus 'tale', word 3 .'鬱', characters .*gives it no token"):
        extract(tmp_path, tmp_path / "a.zarr.zip")


def test_windows_longer_than_the_model_are_refused(study, tmp_path):
    with pytest.raises(InputError, match="63 preceding tokens do not fit the model's context of 64.*at most 62"):
        extract(study, tmp_path / "a.zarr.zip", context={"min": None, "max": 63, "stride": 1})
    assert Path(study / "model.json").exists() and not list(tmp_path.iterdir())
