"""Tokenizers as their files say, whatever class a config names for them, and models that are not as theirs say."""

import json

import pytest
import small_models
import torch
from safetensors.torch import load, save
from tokenizer_kinds import KINDS, TEXTS
from tokenizers import Tokenizer
from transformers import T5Config, WhisperConfig

from triphase.checkpoints.find import find_checkpoint
from triphase.checkpoints.loading import load_model, load_tokenizer
from triphase.core.artefacts import write_json
from triphase.core.errors import InputError

pytestmark = pytest.mark.model


def saved(folder, kind, model_type, **settings):
    """A tokenizer's files with other settings (None: without the key), and the manifest that it is loaded by."""
    KINDS[kind]().save_pretrained(folder)
    content = json.loads((folder / "tokenizer_config.json").read_text()) | settings
    write_json(folder / "tokenizer_config.json", {key: value for key, value in content.items() if value is not None})
    write_json(folder / "config.json", {"model_type": model_type})
    return {"repository": "org/name", "revision": "main", "folder": str(folder)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("named", ["LlamaTokenizerFast", "GPT2Tokenizer", "GPTNeoXTokenizer", "T5Tokenizer", None])
def test_kind_form_for_function_a_tokenizer_does_what_its_file_says_whatever_class_is_named(tmp_path, kind, named):
    tokenizer = load_tokenizer(saved(tmp_path, kind, "gpt_neox", tokenizer_class=named))
    own = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text, _ in TEXTS.values():
        ids = own.encode(text, add_special_tokens=False).ids
        assert tokenizer(text, add_special_tokens=False).input_ids == ids
        assert tokenizer.decode(ids) == own.decode(ids, skip_special_tokens=False)
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<s>", "</s>")


def test_bos_and_eos_that_no_file_names_are_those_of_the_class(tmp_path):
    without = {"tokenizer_class": "LlamaTokenizerFast", "bos_token": None, "eos_token": None}
    tokenizer = load_tokenizer(saved(tmp_path, "SentencePiece BPE, dummy prefix", "llama", **without))
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<s>", "</s>")
    assert tokenizer("<s>", add_special_tokens=False).input_ids == [tokenizer.bos_token_id]
    # Those of this class are no tokens of the vocabulary.
    without["tokenizer_class"] = "GPT2Tokenizer"
    tokenizer = load_tokenizer(saved(tmp_path / "other", "byte-level BPE", "gpt2", **without))
    assert (tokenizer.bos_token, tokenizer.eos_token) == (None, None)
    assert "<|endoftext|>" not in tokenizer.get_vocab()


def changed(folder, weights=None, files=None, **config):
    """The manifest of a small checkpoint with other weights (function of a tensor), files and keys of its config."""
    held = small_models.checkpoint(0) | (files or {})
    held["config.json"] = json.dumps(json.loads(held["config.json"]) | config).encode()
    if weights:
        tensors = {
            name: weights(value) if value.ndim == 2 else value
            for name, value in load(held["model.safetensors"]).items()
        }
        held["model.safetensors"] = save(tensors, {"format": "pt"})
    return find_checkpoint("org/name", "main", folder=small_models.write(folder, held))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"intermediate_size": 48},
            r"12 tensors .* other shapes than config.json .*: \(32, 64\) in place of \(32, 48\)",
        ),
        ({"vocab_size": 80}, r"2 tensors .* other shapes than config.json .*: \(64, 32\) in place of \(80, 32\)"),
        ({"model_type": "nosuch"}, "its config.json needs a model_type that this release of transformers knows"),
        (
            {"quantization_config": {"quant_method": "gptq", "bits": 4}},
            "install what it names, or take weights in float32",
        ),
    ],
)
def test_kind_wrong_remedy_a_config_of_another_model_says_what_differs(tmp_path, config, message):
    with pytest.raises(InputError, match=message) as error:
        load_model(changed(tmp_path, **config))
    assert "fetched again" not in str(error.value)


@pytest.mark.parametrize("method", ["nosuch", "fp8"])
@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8])
def test_kind_integers_that_no_quantisation_reads_are_refused(tmp_path, method, dtype):
    manifest = changed(tmp_path, lambda tensor: (tensor * 100).to(dtype), quantization_config={"quant_method": method})
    with pytest.raises(
        InputError, match="is stored as [IU]8, and config.json has no quantization_config, or none that"
    ):
        load_model(manifest)


@pytest.mark.parametrize("config", [T5Config(), WhisperConfig()], ids=["t5", "whisper"])
def test_kind_causal_a_decoder_is_no_model_without_its_encoder(tmp_path, config):
    manifest = changed(
        tmp_path, files={"config.json": json.dumps(config.to_dict() | {"num_hidden_layers": 2}).encode()}
    )
    with pytest.raises(
        InputError, match="it has an encoder beside its decoder; only models that read from left to right"
    ):
        load_model(manifest)


@pytest.mark.parametrize("lacks", [(), ("model.safetensors",), ("config.json", "model.safetensors")])
def test_kind_other_files_an_adapter_is_no_model(tmp_path, lacks):
    files = small_models.checkpoint(0) | {"adapter_config.json": b'{"peft_type": "LORA"}'}
    folder = small_models.write(tmp_path, {name: content for name, content in files.items() if name not in lacks})
    with pytest.raises(InputError, match="it is an adapter .*merge it with its base .* as local_folder"):
        find_checkpoint("org/name", "main", folder=folder)


def test_an_empty_file_of_weights_is_named(tmp_path):
    files = small_models.as_bin(small_models.checkpoint(0)) | {"pytorch_model.bin": b""}
    manifest = find_checkpoint("org/name", "main", folder=small_models.write(tmp_path, files))
    with pytest.raises(InputError, match="pytorch_model.bin is cut short or damaged"):
        load_model(manifest)
