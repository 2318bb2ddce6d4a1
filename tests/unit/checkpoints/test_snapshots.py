"""What lies in the folder of a checkpoint."""

import os

import pytest
import small_models

from triphase.checkpoints.snapshots import describe, promised_size, remove_file, weight_files
from triphase.core.errors import InputError


def test_weights_are_those_of_the_index_and_safetensors_come_first():
    both = ["model.safetensors", "pytorch_model.bin", "training_args.bin", "adapter.safetensors"]
    assert weight_files(both) == ["model.safetensors"]
    assert weight_files(["pytorch_model.bin", "optimizer.bin"]) == ["pytorch_model.bin"]
    index = {"weight_map": {"x": "model-2.safetensors", "y": "model-1.safetensors"}}
    names = ["model-1.safetensors", "model-2.safetensors", "old.safetensors", "model.safetensors.index.json"]
    assert weight_files(names, lambda _: index) == ["model-1.safetensors", "model-2.safetensors"]
    assert weight_files(["tokenizer.json"]) == []


@pytest.mark.model
def test_the_size_of_a_safetensors_file_follows_from_its_header(tmp_path):
    content = small_models.checkpoint(0)["model.safetensors"]
    path = tmp_path / "model.safetensors"
    for kept in (len(content), len(content) - 1):
        path.write_bytes(content[:kept])
        assert promised_size(path) == len(content)
    path.write_bytes(content[:1000])
    assert promised_size(path) > 1000, "cut inside the header"
    for junk in (b"", b"ab", b"\x02" + bytes(7) + b"no"):
        path.write_bytes(junk)
        with pytest.raises(InputError, match="is not a safetensors file"):
            promised_size(path)


def test_a_cache_whose_files_lie_in_a_common_store_is_hashed_and_removed_rightly(tmp_path):
    cache = small_models.make_cache(tmp_path, {"step0": "0" * 40})
    # As huggingface_hub keeps files that come through Xet: named by another hash of 64 digits, behind a second link.
    snapshot = cache / "models--org--name/snapshots" / ("0" * 40)
    before = describe(snapshot)
    blob = (snapshot / "model.safetensors").resolve()
    stored = cache / "blobs" / "ab" / ("ab" * 32)
    stored.parent.mkdir(parents=True)
    blob.rename(stored)
    blob.symlink_to(os.path.relpath(stored, blob.parent))
    assert describe(snapshot) == before
    remove_file(snapshot / "model.safetensors")
    assert not any(path.exists() or path.is_symlink() for path in (snapshot / "model.safetensors", blob, stored))
    remove_file(snapshot / "model.safetensors")
