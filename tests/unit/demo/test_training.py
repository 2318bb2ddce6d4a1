"""Small models trained on the spot: whole revisions in the cache layout, reproducible, held-out text kept out."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import train_model
import yaml
from jobs import run
from project import ROOT

from triphase.checkpoints.find import find_checkpoint
from triphase.checkpoints.loading import load_model, load_tokenizer
from triphase.core.artefacts import write_table
from triphase.core.errors import InputError
from triphase.demo.hub import new_repository
from triphase.demo.novel import check_held_out, later_chapters
from triphase.demo.tokenizers import train_tokenizer
from triphase.demo.training import build, corpus, learning_rate, train, windows
from triphase.stimuli.transcripts import read_transcript
from triphase.stimuli.words import build_words

pytestmark = pytest.mark.model

RECIPE = {
    "seed": 3,
    "architecture": "gpt_neox",
    "layers": 1,
    "width": 16,
    "heads": 2,
    "context": 24,
    "batch": 4,
    "learning_rate": 0.01,
    "warmup": 2,
    "saves": [0, 4, 12],
    "tokenizer": {"kind": "bpe", "vocabulary": 400},
    "corpus": {"words": 3000, "mixture": {"stories": 0.7, "facts": 0.3}},
}
TEXT = "Contents\n\nPART ONE\n\none two three four\nfive six\n\nPART TWO\n\nseven eight nine\n\nEND\n\nlicence\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model trained by the script: (hub folder, manifest)."""
    folder = tmp_path_factory.mktemp("demo")
    paths = SimpleNamespace(words=[], model=str(folder / "models" / "small.json"))
    run(train_model, paths, repository="triphase/small", recipe=RECIPE, local_data=None)
    return folder / "hub", json.loads((folder / "models" / "small.json").read_text())


def test_every_revision_loads_offline_with_its_own_weights(trained):
    hub, manifest = trained
    assert manifest["cache_dir"] == str(hub) and set(manifest["revisions"]) == {"step0", "step4", "step12"}
    weights = {}
    for revision, commit in manifest["revisions"].items():
        found = find_checkpoint("triphase/small", revision, cache_dir=hub)
        assert found["commit"] == commit and found["layers"] == 1 and found["hidden_size"] == 16
        model, tokenizer = load_model(found, execution={"device": "cpu"}), load_tokenizer(found)
        assert model.config.max_position_embeddings == 24 and tokenizer.bos_token == tokenizer.eos_token
        weights[revision] = model.get_input_embeddings().weight.detach().numpy().copy()
    assert not np.allclose(weights["step0"], weights["step4"])
    assert not np.allclose(weights["step4"], weights["step12"])


def test_layout_is_the_cache_s(trained):
    hub, manifest = trained
    folder = hub / "models--triphase--small"
    for revision, commit in manifest["revisions"].items():
        assert (folder / "refs" / revision).read_text() == commit and len(commit) == 40
        names = {path.name for path in (folder / "snapshots" / commit).iterdir()}
        assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= names
        for path in (folder / "snapshots" / commit).iterdir():
            assert path.is_symlink() and path.resolve().parent == (folder / "blobs").resolve()
    assert all(len(path.name) == 64 for path in (folder / "blobs").iterdir())
    tokenizers = {path.resolve() for path in folder.glob("snapshots/*/tokenizer.json")}
    assert len(tokenizers) == 1


def test_same_recipe_same_weights(trained, tmp_path):
    hub, manifest = trained
    again = train(RECIPE, "triphase/small", tmp_path, None, {})
    assert again == manifest["revisions"]
    one, two = (find_checkpoint("triphase/small", "step12", cache_dir=cache) for cache in (hub, tmp_path))
    assert one["fingerprint"] == two["fingerprint"]
    other = train({**RECIPE, "seed": 4}, "triphase/small", tmp_path, None, {})
    assert set(other.values()).isdisjoint(again.values())
    assert find_checkpoint("triphase/small", "step12", cache_dir=tmp_path)["fingerprint"] != one["fingerprint"]


def test_an_interrupted_training_leaves_nothing_that_looks_whole(tmp_path):
    left = tmp_path / ".models--a--b.part"
    left.mkdir()
    (left / "old").write_text("from a killed attempt")
    with pytest.raises(KeyboardInterrupt), new_repository(tmp_path, "a/b") as repository:
        assert not (repository.folder / "old").exists()
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_revision_names_may_hold_slashes(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "config.json").write_text("{}")
    with new_repository(tmp_path / "hub", "a/b") as repository:
        repository.add("stage1/step5", source)
        (commit,) = repository.revisions.values()
    folder = tmp_path / "hub" / "models--a--b"
    assert (folder / "refs" / "stage1" / "step5").read_text() == commit
    assert (folder / "snapshots" / commit / "config.json").read_text() == "{}"


def test_a_commit_is_decided_by_the_files(tmp_path):
    def commit(content, revision="step1", name="model.safetensors"):
        source = tmp_path / "source"
        source.mkdir(exist_ok=True)
        (source / name).write_bytes(content)
        with new_repository(tmp_path / "hub", "a/b") as repository:
            repository.add(revision, source)
            return repository.revisions[revision]

    first = commit(b"weights")
    assert len(first) == 40 and set(first) <= set("0123456789abcdef") and commit(b"weights") == first
    others = {commit(b"changed"), commit(b"weights", "step2"), commit(b"weights", name="other")}
    assert len(others) == 3 and first not in others


@pytest.mark.parametrize(("architecture", "name"), [("gpt_neox", "GPTNeoX"), ("olmo2", "Olmo2"), ("llama", "Llama")])
def test_architectures(architecture, name):
    model = build(architecture, vocabulary=50, layers=2, width=16, heads=2, context=8, end=0)
    assert type(model).__name__ == f"{name}ForCausalLM" and model.config.num_hidden_layers == 2


@pytest.mark.parametrize("kind", ["bpe", "wordpiece"])
def test_tokenizers_lose_nothing(kind):
    tokenizer = train_tokenizer(kind, ["the cat sat on the mat\n"] * 50, 300)
    for text in ("the cat", "naïve 漢字\ttab  two\nlines", "x" * 300, "🙂"):
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        assert tokenizer.decode(encoded["input_ids"]) == text
        assert tokenizer.eos_token_id not in encoded["input_ids"]
        covered = {i for start, end in encoded["offset_mapping"] for i in range(start, end)}
        assert covered == set(range(len(text)))


def test_tokenizers_differ_in_kind():
    texts = ["lower lowest newer newest wider widest " * 20]
    one, two = (train_tokenizer(kind, texts, 275) for kind in ("bpe", "wordpiece"))
    assert type(one.backend_tokenizer.model).__name__ == "BPE"
    assert type(two.backend_tokenizer.model).__name__ == "WordPiece"


def test_windows_start_with_the_end_token_and_repeat_the_corpus():
    tokenizer = train_tokenizer("bpe", ["one two three four five\n"], 280)
    batches = list(windows(tokenizer, ["one two three four five\n"] * 9, 8, 5, 3, seed=1))
    assert len(batches) == 3 and batches[0].shape == (5, 8)
    assert (np.stack(batches)[:, :, 0] == tokenizer.eos_token_id).all()


def test_learning_rate_rises_then_falls_to_a_tenth():
    rates = [learning_rate(step, peak=1.0, warmup=10, steps=100) for step in range(101)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == rates[10] == pytest.approx(1.0)
    assert (np.diff(rates[10:]) < 0).all() and rates[100] == pytest.approx(0.1)
    assert rates[55] == pytest.approx(0.55)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "gpt5"}, "train.architecture: 'gpt5'"),
        ({"width": 18, "heads": 4}, "train.width: 18"),
        ({"tokenizer": {"kind": "words", "vocabulary": 300}}, "train.tokenizer.kind: 'words'"),
        (
            {"corpus": {"path": "absent.txt", "from": "X"}},
            "train.corpus.path: .*absent.txt can't be read .No such file",
        ),
        ({"context": 100_000}, "train.corpus: the training text has"),
    ],
)
def test_impossible_recipes_name_the_key(change, message, tmp_path):
    with pytest.raises(InputError, match=message):
        train({**RECIPE, **change}, "triphase/small", tmp_path / "hub", tmp_path, {})
    assert not list((tmp_path / "hub").glob("*"))


def test_a_folder_that_is_not_set_is_named():
    with pytest.raises(InputError, match="train/corpus/path: 'novel.txt' lies below local_data, which is not set"):
        corpus({"path": "novel.txt", "from": "X"}, 1, None, {})


def test_later_chapters(tmp_path):
    path = tmp_path / "novel.txt"
    path.write_text(TEXT)
    assert later_chapters(path, "PART TWO", "END") == ["PART TWO\n", "seven eight nine\n"]


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [("PART NINE", None, "0 lines"), ("PART", None, "2 lines"), ("PART TWO", "PART ONE", "must stand before")],
)
def test_headings_must_be_clear(tmp_path, first, last, message):
    path = tmp_path / "novel.txt"
    path.write_text(TEXT)
    with pytest.raises(InputError, match=message):
        later_chapters(path, first, last)


def test_a_copied_passage_is_found():
    stimuli = {"other": "nothing", "one": "she was beginning to get very tired of sitting by her sister's bank"}
    check_held_out(["very tired of sitting by her SISTER’S, was Alice"], stimuli)  # seven words in a row
    with pytest.raises(InputError, match="very tired of sitting by her sister's bank.*stimulus 'one'"):
        check_held_out(["x", "so very tired of sitting;", "by _her_ SISTER’S “bank”"], stimuli)


@pytest.fixture
def transcript(real_data, tmp_path):
    """The word table of the published transcript, and its text."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(real_data / "openneuro/ds002322.bundle"), str(clone)], check=True)
    registry = yaml.safe_load((ROOT / "resources/registry/datasets.yaml").read_text())["datasets"]
    (words,) = [entry["transcripts"][0] for entry in registry if entry["name"] == "ds002322"]
    table, _ = read_transcript(clone / words["path"], words)
    table, texts, _ = build_words({"alice-1": table}, [{"name": "run-1", "stimulus": "alice-1"}])
    write_table(tmp_path / "words.parquet", table, texts=texts)
    return str(tmp_path / "words.parquet")


def test_alice_may_train_on_the_later_chapters_and_not_on_the_one_heard(real_data, transcript, tmp_path):
    recipe = {**RECIPE, "saves": [1], "tokenizer": {"kind": "bpe", "vocabulary": 300}}
    text = {"path": "alice/alice-gutenberg.txt", "from": "CHAPTER II", "to": "End of Project"}
    paths = SimpleNamespace(words=transcript, model=str(tmp_path / "demo" / "models" / "alice.json"))

    def main(corpus):
        told = {"recipe": {**recipe, "corpus": corpus}, "local_data": real_data}
        run(train_model, paths, repository="triphase/alice", **told)

    main(text)
    assert Path(paths.model).is_file()
    with pytest.raises(InputError, match="8 words in a row of the stimulus 'alice-1'"):
        main({**text, "from": "CHAPTER I"})
    assert not Path(paths.model).exists()
    documents = later_chapters(real_data / text["path"], text["from"], text["to"])
    assert 22_000 < len(" ".join(documents).split()) < 27_000
    assert "The Pool of Tears" in documents[0] and "Gutenberg" not in "".join(documents)
