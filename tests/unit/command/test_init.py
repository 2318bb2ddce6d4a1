"""`triphase init` recognises what a folder holds, says what it cannot know, and writes a study that is accepted."""

import json
import subprocess
import sys

import nibabel
import numpy as np
import pytest
import yaml
from project import ROOT

from triphase.command.look import look_at
from triphase.command.main import main
from triphase.command.overlay import overlay
from triphase.config.resolve import resolve_config
from triphase.core.errors import InputError

REGISTRY = ROOT / "resources/registry/datasets.yaml"
WORDS = "word\tonset\toffset\nthe\t1.0\t1.2\ncat\t1.3\t1.8\n"
IMAGE = "derivatives/{subject}/func/{subject}_task-{run}_space-MNI152NLin2009cAsym_desc-{kind}.nii.gz"


@pytest.fixture
def arrays(tmp_path):
    """Two people, two runs, transcripts, and three checkpoints of one's own."""
    folder = tmp_path / "listening"
    for subject in ("anna", "ben"):
        for run in ("one", "two"):
            path = folder / "responses" / subject / f"{run}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, np.zeros((20, 3), np.float32))
    (folder / "stimuli").mkdir()
    for run in ("one", "two"):
        (folder / "stimuli" / f"{run}_words.tsv").write_text(WORDS)
    for step in (0, 500, 1000):
        checkpoint = folder / "models/mine" / f"iter_{step:04}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "config.json").write_text(json.dumps({"num_hidden_layers": 8, "hidden_size": 16}))
        (checkpoint / "tokenizer.json").write_text("{}")
        (checkpoint / "model.safetensors").write_bytes(b"")
    return folder


def written(folder, tmp_path):
    return yaml.safe_load(overlay(look_at(folder, REGISTRY), "mine", tmp_path / "mine.yaml", "schema.json"))


def test_arrays_transcripts_and_checkpoints_are_recognised(arrays):
    found = look_at(arrays, REGISTRY)
    assert found.brain.source == "arrays" and found.brain.subjects == {"anna": ["one", "two"], "ben": ["one", "two"]}
    assert found.transcript.name == "words" and not found.transcript.missing
    (series,) = found.models
    assert series.path == str(arrays / "models/mine/iter_{step}") and (series.steps, series.depth) == (
        [0, 500, 1000],
        8,
    )


def test_what_files_do_not_say_is_told(arrays):
    (arrays / "stimuli/two_words.tsv").unlink()
    (arrays / "stimuli/one_words.tsv").write_text("token\tstart\tend\na\t0\t1\n")
    (arrays / "responses/ben/two.npy").rename(arrays / "responses/ben/three.npy")
    told = "\n".join(look_at(arrays, REGISTRY).unknown)
    for words in (
        "repetition time",
        "runs three, two",
        "token, start, end",
        "language that was heard",
        "tokens a step",
    ):
        assert words in told, words


def test_the_study_is_accepted_with_one_line_changed(arrays, tmp_path):
    study = written(arrays, tmp_path)
    study["models"][0]["tokens_per_step"] = 2048
    resolved = resolve_config(study, ROOT)
    assert [subject["name"] for subject in resolved["dataset"]["subjects"]] == ["anna", "ben"]
    assert [run["name"] for run in resolved["dataset"]["runs"] if run["test"]] == ["two"]
    assert resolved["phases"]["headline"]["roi"] == "all" and resolved["models"][0]["layers"] == [2, 4, 6, 8]


def test_images_give_their_repetition_time_and_regions(tmp_path):
    folder = tmp_path / "bids"
    for run in ("story_run-1", "story_run-2"):
        path = folder / IMAGE.format(subject="sub-01", run=run, kind="preproc_bold")
        path.parent.mkdir(parents=True, exist_ok=True)
        image = nibabel.Nifti1Image(np.zeros((2, 2, 2, 5), np.float32), np.eye(4))
        image.header.set_zooms((2, 2, 2, 1.5))
        image.to_filename(path)
        (folder / "stimuli").mkdir(exist_ok=True)
        (folder / "stimuli" / f"{run}_words.tsv").write_text(WORDS)
    found = look_at(folder, REGISTRY)
    assert (found.brain.source, found.brain.tr) == ("bids", 1.5)
    # What stands beside the image is believed before its header.
    path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps({"RepetitionTime": 1.5}))
    study = written(folder, tmp_path)
    assert study["dataset"]["atlas"] == "dosenbach160" and study["phases"]["headline"]["roi"] == "language"
    assert study["models"][0]["family"] == "pythia"
    resolve_config(study, ROOT)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_a_folder_with_nothing_known_is_refused_with_what_would_be(tmp_path, make):
    make(tmp_path / "empty")
    with pytest.raises(
        InputError, match=r"not a folder|recognised by these paths: .*responses/\{subject\}/\{run\}\.npy"
    ):
        look_at(tmp_path / "empty", REGISTRY)


def test_the_command_writes_once_and_only_in_the_project(arrays, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["init", str(arrays)]) == 1 and "no Snakefile here" in capsys.readouterr().err
    monkeypatch.chdir(ROOT)
    file = tmp_path / "mine.yaml"
    assert main(["init", str(arrays), "--study", "mine", "--file", str(file)]) == 0
    assert "CHANGE" in file.read_text() and "triphase check" in capsys.readouterr().out
    assert main(["init", str(arrays), "--file", str(file)]) == 1 and "is there already" in capsys.readouterr().err


def test_a_study_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "broken.yaml").write_text("study: [")
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from triphase.command.main import main; sys.exit(main(sys.argv[1:]))",
         "open", str(tmp_path / "broken.yaml")],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1 and "broken.yaml: no study could be read" in done.stderr
