"""Fingerprints of files, and the facts about schedules and initialisations that the rules rest on."""

import hashlib
import json
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from triphase.checkpoints.integrity.fingerprint import POINTS, coordinates, fingerprint_folder, fingerprint_tensors
from triphase.checkpoints.integrity.initialisation import Start
from triphase.checkpoints.integrity.schedule import learning_rates
from triphase.checkpoints.integrity.storage import read_fingerprint, write_fingerprint
from triphase.checkpoints.integrity.tokenizer import describe_tokenizer
from triphase.core.errors import InputError


@pytest.fixture
def tensors():
    generator = torch.Generator().manual_seed(0)
    return {
        "a.weight": torch.randn(90, 70, generator=generator) * 3 + 1,
        "b.weight": torch.randn(500, generator=generator).to(torch.bfloat16),
        "c.bias": torch.full((7,), 0.1, dtype=torch.float16),
        "d": torch.arange(5),
    }


def test_statistics_are_those_of_the_whole_tensor(tensors, tmp_path, monkeypatch):
    monkeypatch.setattr("triphase.checkpoints.integrity.fingerprint.CHUNK", 512)
    save_file(tensors, tmp_path / "model.safetensors")
    mark = fingerprint_folder(tmp_path)
    assert mark.names == tuple(sorted(tensors)) and set(mark.files) == {"model.safetensors"}
    for at, name in enumerate(mark.names):
        values = tensors[name].to(torch.float64).numpy()
        expected = values.mean(), values.std(), values.min(), values.max()
        found = mark.mean[at], mark.std[at], mark.minimum[at], mark.maximum[at]
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)
        raw = tensors[name].view(torch.uint8).numpy().tobytes()
        assert mark.hashes[at] == hashlib.sha256(raw).hexdigest()
        places = coordinates(name, tensors[name].shape)
        np.testing.assert_array_equal(mark.sketch_of(at), values.ravel()[places].astype(np.float32))
    assert mark.std[2] == 0 and mark.dtypes[1] == "bfloat16" and mark.shapes[0] == (90, 70)


def test_only_files_that_the_model_is_loaded_from_count(tensors, tmp_path):
    save_file(tensors, tmp_path / "model.safetensors")
    save_file({"other": torch.ones(3)}, tmp_path / "consolidated.safetensors")
    assert fingerprint_folder(tmp_path).names == tuple(sorted(tensors))


def test_values_that_are_no_numbers_are_counted():
    values = torch.tensor([1.0, float("nan"), 3.0, float("inf"), -2.0])
    mark = fingerprint_tensors([("x", "f", values), ("y", "f", torch.full((3,), float("nan")))])
    assert mark.nonfinite.tolist() == [2, 3] and mark.maximum[0] == 3 and mark.minimum[0] == -2
    assert mark.mean[0] == pytest.approx(2 / 3) and np.isnan(mark.mean[1])


def test_coordinates_are_fixed_distinct_and_within():
    places = coordinates("h.0.weight", (300, 400))
    assert len(places) == len(set(places.tolist())) == POINTS and 0 <= places[0] and places[-1] < 120_000
    np.testing.assert_array_equal(places, coordinates("h.0.weight", torch.Size([300, 400])))
    assert not np.array_equal(places, coordinates("h.1.weight", (300, 400)))
    assert np.histogram(places, 4, (0, 120_000))[0].min() > 900
    assert len(coordinates("x", (10, 10))) == 100 and coordinates("scalar", ()).tolist() == [0]


def test_a_fingerprint_survives_its_file(tensors, tmp_path):
    save_file(tensors, tmp_path / "model.safetensors")
    mark = fingerprint_folder(tmp_path, {"model.safetensors": "f" * 64})
    write_fingerprint(tmp_path / "x.fingerprint.zarr.zip", mark, revision="step0")
    again, about = read_fingerprint(tmp_path / "x.fingerprint.zarr.zip")
    assert about == {"revision": "step0"} and again.weights == {"model.safetensors": "f" * 64}
    for field in mark.__dataclass_fields__:
        one, two = getattr(mark, field), getattr(again, field)
        assert np.array_equal(one, two) if isinstance(one, np.ndarray) else one == two, field


@pytest.mark.parametrize("old", [False, True])
def test_older_shards_give_the_same_fingerprint(tensors, tmp_path, old):
    (tmp_path / "new").mkdir()
    save_file(tensors, tmp_path / "new" / "model.safetensors")
    (tmp_path / "bin").mkdir()
    names = sorted(tensors)
    for number, part in ((1, names[:2]), (2, names[2:])):
        path = tmp_path / "bin" / f"pytorch_model-{number:05d}-of-00002.bin"
        torch.save({name: tensors[name] for name in part}, path, _use_new_zipfile_serialization=not old)
    one, two = fingerprint_folder(tmp_path / "new"), fingerprint_folder(tmp_path / "bin")
    assert one.hashes == two.hashes and len(two.weights) == 2 and np.array_equal(one.sketch, two.sketch)


class Code:
    def __reduce__(self):
        return print, ("never",)


def test_a_pickle_that_runs_code_is_refused(tmp_path, capsys):
    torch.save({"x": Code()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pytorch_model\.bin: this file would run code .* safetensors"):
        fingerprint_folder(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({"x": Code()}))
    with pytest.raises(InputError, match="pytorch_model.bin"):
        fingerprint_folder(tmp_path)
    assert "never" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_file_cut_short_is_named(tensors, tmp_path, name):
    path = tmp_path / name
    save_file(tensors, path) if name.endswith("safetensors") else torch.save(tensors, path)
    for size in (path.stat().st_size - 1000, 6, 0):
        path.write_bytes(path.read_bytes()[:size])
        with pytest.raises(InputError, match=rf"{name}: {size:,} bytes can't be read .* fetch it again"):
            fingerprint_folder(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="no weights here"):
        fingerprint_folder(tmp_path)


def byte_pairs(**changed):
    """The file of a small tokenizer of bytes, as this release of the library writes it."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    text = ["the little cat sees a very big hat and runs; the cat isn't little"] * 4
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator(
        text, trainers.BpeTrainer(vocab_size=290, special_tokens=["<s>"], initial_alphabet=alphabet)
    )
    return {**json.loads(inner.to_str()), **changed}


def test_tokenizers_are_compared_by_what_they_do(tmp_path):
    def described(content, **style):
        (tmp_path / "tokenizer.json").write_text(json.dumps(content, **style))
        return describe_tokenizer(tmp_path)

    written = byte_pairs()
    first, model = described(written), written["model"]
    assert first["entries"] == len(model["vocab"])
    # Saved by an older release: settings with their default left out, merges as text, other settings for use.
    older = {key: model[key] for key in ("type", "vocab")} | {"merges": [" ".join(pair) for pair in model["merges"]]}
    splitter = {key: value for key, value in written["pre_tokenizer"].items() if key != "use_regex"}
    again = byte_pairs(model=older, pre_tokenizer=splitter, truncation=None, decoder=None)
    assert described(again, indent=2) == first
    sequence = {"type": "Sequence", "pretokenizers": [written["pre_tokenizer"]]}
    cut = {"max_length": 8, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    assert described(byte_pairs(pre_tokenizer=sequence, truncation=cut)) == first
    composed = {"type": "Sequence", "normalizers": [{"type": "NFC"}]}
    assert described(byte_pairs(normalizer=composed)) == described(byte_pairs(normalizer={"type": "NFC"}))
    # Another vocabulary, other merges, normaliser or splits.
    ids = {token: number ^ 1 if number > 10 else number for token, number in model["vocab"].items()}
    for other in (
        byte_pairs(model={**model, "vocab": ids}),
        byte_pairs(model={**model, "merges": model["merges"][::-1]}),
        byte_pairs(normalizer={"type": "NFC"}),
        byte_pairs(pre_tokenizer={**written["pre_tokenizer"], "add_prefix_space": True}),
        byte_pairs(added_tokens=[{**written["added_tokens"][0], "content": "<end>", "id": 290}]),
    ):
        assert described(other)["hash"] != first["hash"]


@pytest.mark.model
def test_a_tokenizer_in_files_of_an_older_kind_is_the_same(tmp_path):
    inner = byte_pairs()
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        (folder / "config.json").write_text('{"model_type": "gpt2"}')
        (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer", "unk_token": "<s>"}')
    (one / "tokenizer.json").write_text(json.dumps(inner))
    (two / "vocab.json").write_text(json.dumps(inner["model"]["vocab"]))
    (two / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(pair) for pair in inner["model"]["merges"]))
    before, after = describe_tokenizer(one), describe_tokenizer(two)
    assert after["entries"] in (before["entries"], before["entries"] + 1), "GPT-2's class adds its mark of the end"


def test_files_that_are_no_tokenizer_are_told_apart(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="no tokenizer"):
        describe_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    assert describe_tokenizer(tmp_path) == {"hash": "", "entries": 0}
    (tmp_path / "vocab.json").write_text("{}")
    (tmp_path / "merges.txt").write_text("")
    assert len(describe_tokenizer(tmp_path)["hash"]) == 64


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"kind": "constant", "final": 1}, [0.5, 1, 1, 1, 1, 1, 1, 1]),
        ({"kind": "linear", "final": 0}, [0.5, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0]),
        ({"kind": "constant_linear", "decay": 4, "final": 0.5}, [0.5, 1, 1, 1, 0.875, 0.75, 0.625, 0.5]),
        ({"kind": "cosine", "final": 0.1, "restarts": [6]}, [0.5, 1, 0.8682, 0.55, 0.2318, 1, 0.55, 0.1]),
    ],
)
def test_rates_by_kind(schedule, expected):
    rates = learning_rates({"peak": 1.0, "warmup": 2, "total": 8, **schedule}, 8)
    np.testing.assert_allclose(rates, expected, atol=1e-4)
    with pytest.raises(InputError, match=r"schedule\.kind: 'step'"):
        learning_rates({"peak": 1.0, "warmup": 2, "total": 8, "final": 0, "kind": "step"}, 8)


def test_initialisation_of_gpt_neox():
    generator, width, layers = torch.Generator().manual_seed(1), 64, 4
    writes = "gpt_neox.layers.0.attention.dense.weight"
    names = {"gpt_neox.embed_in.weight": (2 / (5 * width)) ** 0.5, writes: 2 / (layers * width**0.5)}
    drawn = {name: torch.randn(80, 64, generator=generator) * std for name, std in names.items()}
    vectors = {"gpt_neox.final_layer_norm.weight": torch.ones(64), "gpt_neox.final_layer_norm.bias": torch.zeros(64)}

    def worst(changed, reach=0.0):
        mark = fingerprint_tensors([(n, "f", t.to(torch.float16)) for n, t in (drawn | vectors | changed).items()])
        config = {"hidden_size": width, "num_hidden_layers": layers}
        start = Start({"gains": 1, "biases": 0, "weights": "gpt-neox"}, config, mark.names, mark.shapes)
        return max(start.departures(mark, reach))

    assert worst({})[0] < 1
    gain = {"gpt_neox.final_layer_norm.weight": torch.linspace(0.99, 1.01, 64)}
    assert worst(gain)[0] > 1 and "gains from 0.99" in worst(gain)[1]
    assert worst(gain, reach=0.011)[0] < 1 < worst(gain, reach=0.005)[0]
    scaled = {writes: drawn[writes] * 1.2}
    assert worst(scaled)[0] > 1 and "attention.dense" in worst(scaled)[1]
    outlier = drawn["gpt_neox.embed_in.weight"].clone()
    outlier[3, 4] = 1.0
    assert "largest weight 1," in worst({"gpt_neox.embed_in.weight": outlier})[1]
