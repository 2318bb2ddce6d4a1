"""Tokenizers as their files say, whatever class a config names for them."""

import json

import pytest
from tokenizer_kinds import KINDS, TEXTS
from tokenizers import Tokenizer

from triphase.checkpoints.loading import load_tokenizer
from triphase.core.artefacts import write_json

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
