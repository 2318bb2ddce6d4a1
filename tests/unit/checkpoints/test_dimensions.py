"""What small files say of a model, before its weights are fetched or read."""

import json
import struct

import pytest
from small_models import CONFIG, safetensors, stand_in, write

from triphase.checkpoints.dimensions import Dimensions, dimensions
from triphase.checkpoints.find import find_checkpoint
from triphase.checkpoints.snapshots import check_numbers, lacking, weight_files
from triphase.core.errors import InputError

NAMES = {
    "gpt2": {"n_layer": 5, "n_embd": 32, "vocab_size": 99},
    "bloom": {"n_layer": 5, "hidden_size": 32, "vocab_size": 99},
    "gpt_neo": {"num_layers": 5, "hidden_size": 32, "vocab_size": 99, "attention_types": [[["global"], 5]]},
    "gptj": {"n_layer": 5, "n_embd": 32, "vocab_size": 99},
    "mpt": {"n_layers": 5, "d_model": 32, "vocab_size": 99},
    "codegen": {"n_layer": 5, "n_embd": 32, "vocab_size": 99},
    "gpt_bigcode": {"n_layer": 5, "n_embd": 32, "vocab_size": 99},
    "xglm": {"num_layers": 5, "d_model": 32, "vocab_size": 99},
    "ctrl": {"n_layer": 5, "n_embd": 32, "vocab_size": 99},
    "gemma3": {"text_config": {"num_hidden_layers": 5, "hidden_size": 32, "vocab_size": 99}},
    "somebody_s_own": {"n_layers": 5, "d_model": 32, "vocab_size": 99},
}


@pytest.mark.model
@pytest.mark.parametrize("kind", NAMES)
def test_every_way_to_name_depth_and_width(kind):
    assert dimensions({"model_type": kind, **NAMES[kind]}) == Dimensions(5, 32, 99)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", "holds a JSON list, an object is needed"),
        (b"[" * 100_000, "is not JSON"),
        (b"{", "is not JSON"),
        (json.dumps(CONFIG | {"num_hidden_layers": 0}).encode(), "num_hidden_layers of the model is needed.*says '0'"),
        (json.dumps(CONFIG | {"num_hidden_layers": 10**9}).encode(), "1 to 10,000; the file says '1000000000'"),
        (json.dumps(CONFIG | {"num_hidden_layers": [3]}).encode(), r"says '\[3\]'"),
        (json.dumps(CONFIG | {"hidden_size": -1}).encode(), "width of the model is needed.*says '-1'"),
        (json.dumps({"model_type": "nobody_s", "hidden_size": 3}).encode(), "depth of the model.*does not say it"),
        (json.dumps(CONFIG | {"word_embed_proj_dim": 8}).encode(), "embedding has 8 numbers .* the layers have 64"),
    ],
)
def test_a_config_that_is_no_model_s_is_named(tmp_path, content, message):
    folder = write(tmp_path / "m", stand_in() | {"config.json": content})
    with pytest.raises(InputError, match=f"(?s)models: org/m at main: .*config.json.*{message}"):
        find_checkpoint("org/m", "main", folder=folder)


def test_a_tokenizer_with_ids_beyond_the_vocabulary_is_another_model_s(tmp_path):
    files = stand_in() | {"config.json": json.dumps(CONFIG | {"vocab_size": 8}).encode()}
    for vocabulary in ({"a": 0, "b": 8}, [["a", 0.0]] * 9):
        folder = write(
            tmp_path / "m", files | {"tokenizer.json": json.dumps({"model": {"vocab": vocabulary}}).encode()}
        )
        with pytest.raises(InputError, match="ids up to 8, the model's vocabulary has 8.*another model's tokenizer"):
            find_checkpoint("org/m", "main", folder=folder)
    fitting = json.dumps({"model": {"vocab": {"a": 7}}}).encode()
    assert find_checkpoint("org/m", "main", folder=write(folder, {"tokenizer.json": fitting}))["layers"] == 3


@pytest.mark.parametrize("header", [b"[]", b'{"a": []}', b'{"a": {"data_offsets": 3}}', b"[" * 9999, b"nothing"])
def test_headers_of_weights_that_are_none_are_named(tmp_path, header):
    content = struct.pack("<Q", len(header)) + header
    folder = write(tmp_path / "m", stand_in() | {"model.safetensors": content})
    with pytest.raises(InputError, match="model.safetensors is not a safetensors file"):
        find_checkpoint("org/m", "main", folder=folder)


def test_files_beside_the_weights_are_not_taken_for_them(tmp_path):
    assert weight_files(["pytorch_model.bin", "adapter_model.safetensors"]) == ["pytorch_model.bin"]
    assert weight_files(["consolidated.safetensors", "adapter_model.bin"]) == []
    folder = write(tmp_path / "m", stand_in() | {"consolidated.safetensors": b""})
    assert lacking(folder) is None
    (folder / "model.safetensors").unlink()
    assert lacking(folder) == "weights (model.safetensors or pytorch_model.bin; there is consolidated.safetensors)"


@pytest.mark.parametrize("index", [{}, [], {"weight_map": {}}, {"weight_map": {"a": "../../b.safetensors"}}])
def test_an_index_that_is_none_is_named(tmp_path, index):
    files = {name: content for name, content in stand_in().items() if name != "model.safetensors"}
    shards = {"model-00001-of-00002.safetensors": safetensors(), "model-00002-of-00002.safetensors": safetensors()}
    folder = write(tmp_path / "m", files | shards | {"model.safetensors.index.json": json.dumps(index).encode()})
    with pytest.raises(InputError, match="model.safetensors.index.json (is no index of weights|holds a JSON list)"):
        find_checkpoint("org/m", "main", folder=folder)


@pytest.mark.parametrize(
    ("names", "right"),
    [
        (["tokenizer.json"], True),
        (["vocab.json", "merges.txt"], True),
        (["vocab.txt"], True),
        (["tokenizer_config.json"], False),
        (["vocab.json"], False),
    ],
)
def test_what_is_a_tokenizer(tmp_path, names, right):
    files = {name: content for name, content in stand_in().items() if "tokenizer" not in name}
    folder = write(tmp_path / "m", files | dict.fromkeys(names, b"{}"))
    if right:
        assert find_checkpoint("org/m", "main", folder=folder)["layers"] == 3
    else:
        with pytest.raises(InputError, match="lacks a tokenizer \\(tokenizer.json or vocab.json with merges.txt"):
            find_checkpoint("org/m", "main", folder=folder)


def test_a_sentencepiece_model_alone_is_told_how_to_become_a_tokenizer(tmp_path, monkeypatch):
    monkeypatch.setattr("triphase.checkpoints.snapshots.find_spec", lambda name: None)
    files = {name: content for name, content in stand_in().items() if "tokenizer" not in name}
    folder = write(tmp_path / "m", files | {"tokenizer.model": b"x"})
    with pytest.raises(InputError, match="only tokenizer is tokenizer.model.*local_folder"):
        find_checkpoint("org/m", "main", folder=folder)


def test_weights_in_integers_and_fewer_than_layers_are_refused(tmp_path):
    def weights(dtype, size):
        header = {"layers.0.weight": {"dtype": dtype, "shape": [8], "data_offsets": [0, 8 * size]}}
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + bytes(8 * size)

    one = CONFIG | {"num_hidden_layers": 1}
    for dtype, size in (("I8", 1), ("U8", 1), ("F8_E4M3", 1), ("I32", 4)):
        folder = write(tmp_path / "m", stand_in() | {"model.safetensors": weights(dtype, size)})
        with pytest.raises(InputError, match=f"layers.0.weight is stored as {dtype}, and config.json has no quantiz"):
            check_numbers(folder, one)
        check_numbers(folder, one | {"quantization_config": {"quant_method": "x"}})
    check_numbers(write(folder, {"model.safetensors": weights("BF16", 2)}), one)
    with pytest.raises(InputError, match="says 3 layers, the weights have 1 tensors"):
        check_numbers(folder, CONFIG)
