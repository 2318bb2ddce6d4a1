"""The studies of the paper's question plan without a network: one grid of tokens, all people, both languages."""

import pytest
import yaml
from project import ROOT

from triphase.config.resolve import resolve_config

STUDIES = sorted((ROOT / "config/studies").glob("triple_*.yaml"))


@pytest.fixture(params=STUDIES, ids=lambda path: path.stem)
def study(request, real_data):
    return resolve_config(yaml.safe_load(request.param.read_text()) | {"local_data": str(real_data)}, ROOT)


def test_models_share_a_grid_of_tokens(study):
    assert {model["name"] for model in study["models"]} == {"olmo2-7b", "olmo-0724-7b", "amber"}
    for model in study["models"]:
        tokens = [entry["tokens"] for entry in model["checkpoints"]]
        # About 13 checkpoints after step 0 are needed for a verdict.
        assert len(tokens) >= 15
        for entry in model["checkpoints"]:
            assert any(0.7 < entry["tokens"] / asked < 1.4 for asked in entry["asked_tokens"]), entry


def test_all_people_and_every_title_take_part(study):
    assert len(study["dataset"]["subjects"]) == 6 and len(study["dataset"]["runs"]) == 43
    tests = [run for run in study["dataset"]["runs"] if run["test"]]
    assert len({run["group"] for run in tests}) == len({run["group"] for run in study["dataset"]["runs"]})


def test_all_three_perspectives_are_declared(study):
    assert study["phases"]["headline"]["tasks"] and study["phases"]["headline"]["adherence"]


def test_the_japanese_study_plans(project, real_data):
    jobs = project.planned("--config", f"local_data={real_data}", study="triple_ja")
    assert jobs["extract_activations"] == jobs["evaluate_tasks"] == 47
    assert jobs["fetch_responses"] == 6 and jobs["fit_encoding"] == 4 * 47
