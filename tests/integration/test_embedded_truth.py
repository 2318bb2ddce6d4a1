"""The embedded study's planted truth is recovered by the workflow's own scripts (one simulator seed)."""

import os

import pytest
from embedded_truth import compare, load_config, run_scripts, train_models


@pytest.mark.slow
def test_truth_is_recovered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # data sets are cloned below the working directory
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    config = load_config()
    train_models(config, tmp_path)
    table = compare(config, *run_scripts(config, tmp_path, tmp_path / "demo" / "hub"))
    print(table.round(3).to_string(index=False))
    assert table["ok"].all(), f"not recovered:\n{table[~table['ok']].to_string(index=False)}"
