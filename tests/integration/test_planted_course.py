"""Planted courses through the whole workflow: checkpoints between random and trained, listeners who follow neither."""

import numpy as np
import pytest
import yaml
from planted_course import Audience, Plan, Scale, blend, build, course, study_config, write_listeners
from project import Project

from triphase.core.artefacts import read_json, read_table
from triphase.table.selection import Selection
from triphase.table.tidy import ALIGNMENT

VERDICTS = {"triple": "supported", "stays": "not supported", "rise-fall": "not supported"}
RUNS = [f"run-{number:02d}" for number in range(1, 16)]
PLAN = Plan(
    audience=Audience(subjects=1, voxels=40, signal=0.6, tr=2.0, volumes=100),
    runs=RUNS,
    test_runs=RUNS[-6:],
    steps=[0, *(2**power for power in range(12))],
    courses={kind: (kind, 0.5) for kind in VERDICTS},
    layer=1,
    components=6,
    recipes=[
        {
            "seed": 7, "architecture": "gpt_neox", "layers": 2, "width": 48, "heads": 4, "context": 48, "batch": 8,
            "learning_rate": 0.01, "warmup": 30, "saves": [0, 400], "tokenizer": {"kind": "bpe", "vocabulary": 1200},
            "corpus": {"words": 60000, "mixture": {"stories": 1.0}},
        }
    ],
    encoding={
        "scalings": ["zscore"], "delays": [4, 6, 8], "delays_as": "mean", "lexical": None, "alphas": [-1, 3, 5],
        "band_weights": [0.7], "permutations": 99, "boot_draws": 500,
    },
    lattice=np.linspace(0, 1, 8),
    many=4,
)  # fmt: skip


def test_courses_turn_where_they_should():
    assert course("triple", 11, 0.4)[[0, 3, 6, 10]].tolist() == [0, 1, 0.6, 1]
    assert course("stays", 11)[3:].tolist() == [1] * 8
    assert course("rise-fall", 11, 0.2)[[3, 6, 8, 10]].tolist() == [1, 0.8, 0.8, 0.8]


def test_a_scale_is_inverted():
    scale = Scale(np.array([0, 0.2, 1]), np.array([0.1, 0.5, 0.6]))
    assert scale.weight_at([0, 0.4, 0.8, 0.9, 1]) == pytest.approx([0, 0.1, 0.2, 0.6, 1])
    with pytest.raises(ValueError, match="does not grow"):
        Scale(np.array([0, 0.5, 1]), np.array([0.1, 0.3, 0.3]))


def test_weights_are_mixed(tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    for name, value in {"random": 1.0, "trained": 3.0}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(name)
        save_file({"a": torch.full((2,), value)}, tmp_path / name / "model.safetensors")
    target = blend(tmp_path / "random", tmp_path / "trained", 0.25, tmp_path / "mixed")
    assert load_file(target / "model.safetensors")["a"].tolist() == [1.5, 1.5]
    assert (target / "config.json").read_text() == "trained"


@pytest.fixture(scope="module")
def instrument(tmp_path_factory):
    """Checkpoints of all courses, and a folder with the responses of one listener."""
    folder = tmp_path_factory.mktemp("planted")
    made = build(PLAN, folder)
    write_listeners(folder / "mine", made.stories, made.listeners(seed=1))
    return made


@pytest.mark.slow
@pytest.mark.parametrize("kind", VERDICTS)
def test_the_verdict_is_that_of_the_planted_course(instrument, tmp_path, kind):
    config = study_config(PLAN, instrument.folder.parent / "mine", instrument.folder, [kind])
    (tmp_path / "planted.yaml").write_text(yaml.safe_dump(config))
    done = Project(tmp_path).snakemake("results/planted/phases.json", "--configfile", "planted.yaml")
    assert done.returncode == 0, done.stdout[-5000:]
    results = tmp_path / "results/planted"
    found = read_json(results / "phases.json")[kind]
    assert found["verdict"] == VERDICTS[kind], found["reason"]
    table = read_table(str(results / "trajectories.parquet"), [kind])
    curve = Selection(ALIGNMENT, roi="all").rows(table).sort_values("step")["value"].to_numpy()[1:]
    planted = course(kind, len(curve), 0.5)
    first = int(planted.argmax())
    rise = curve[first] - curve[0]
    assert rise > 0.02
    # The planted levels, up to what this listener and those of the scale differ by.
    assert (curve - curve[0]) / rise == pytest.approx(planted, abs=0.15)
    assert ("fall" in found["pattern"]) == (planted[first:].min() < 1)
