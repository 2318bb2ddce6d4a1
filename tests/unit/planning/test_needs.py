"""What jobs ask for, by hand, and as much again for each attempt."""

import json
from types import SimpleNamespace

import pytest

from triphase.encoding.memory import UNKNOWN
from triphase.planning.needs import Needs

WILDCARDS = SimpleNamespace(model="large")


@pytest.fixture
def needs():
    models = {"large": {"name": "large", "bytes": 3_000_000_000}, "own": {"name": "own", "bytes": None}}
    return Needs(models, {"alphas": [0, 6, 10], "boot_draws": 1000, "static": {"vectors": None, "components": 9}})


@pytest.fixture
def job(tmp_path):
    """Inputs of a job that holds a checkpoint of 12 GB of weights, in a folder with other files."""
    files = {"a.safetensors": {"bytes": 12_000_000_000}, "tokenizer.json": {"bytes": 5_000_000_000}}
    (tmp_path / "made.json").write_text(json.dumps({"files": files, "weights": ["a.safetensors"]}))
    return SimpleNamespace(checkpoint=tmp_path / "made.json")


def test_bytes_are_the_manifests_once_it_is_there(needs, job, tmp_path):
    absent = SimpleNamespace(checkpoint=tmp_path / "absent.json")
    assert needs.weight_bytes(WILDCARDS, job) == 12_000_000_000
    assert needs.weight_bytes(WILDCARDS, absent) == 3_000_000_000
    assert needs.weight_bytes(SimpleNamespace(model="own"), absent) == 0


@pytest.mark.parametrize("attempt", [1, 2])
def test_memory_and_minutes_grow_with_the_weights_and_the_attempt(needs, job, attempt):
    assert needs.model_memory(WILDCARDS, job, attempt) == attempt * (4000 + 26400)
    # 12 GB at 10 MB/s are 20 minutes.
    assert needs.with_download(60)(WILDCARDS, job, attempt) == attempt * 80


def test_a_fit_without_inputs_yet_asks_for_what_is_assumed(needs, tmp_path):
    inputs = SimpleNamespace(shared=tmp_path / "shared.zarr.zip", activations=tmp_path / "activations.zarr.zip")
    assert needs.fit_memory(WILDCARDS, inputs, 2) == 2 * UNKNOWN
