"""The oracle of the house finds what differs between two results folders, and nothing else."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from project import ROOT

from triphase.core.artefacts import write_arrays, write_json, write_table

sys.path.insert(0, str(ROOT / "benchmarks"))
from house_compare import Allowed, Translation, compare_folders  # noqa: E402
from house_translation import TRANSLATION, measure_columns, new_config  # noqa: E402


@pytest.fixture
def folders(tmp_path):
    """Two equal folders of results, the rows of one table in another order."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(3, 50)).astype("f4")
    table = pd.DataFrame(
        {
            "layer": [1, 2, None],
            "roi": ["all", "all", None],
            "measure": ["r", "r", "accuracy"],
            "value": [0.1, 0.2, 80.0],
            "n": [50, 50, 20],
        }
    ).astype({"layer": "Int64"})
    for name in ("before", "after"):
        folder = tmp_path / name
        write_arrays(folder / "scores.zarr.zip", xr.Dataset({"r": (("layer", "voxel"), scores)}, attrs={"share": 0.5}))
        write_table(folder / "table.parquet", table if name == "before" else table[::-1], lost=["step4"], seed=0)
        write_json(folder / "phases.json", {"neox": {"verdict": "supported", "slopes": [0.3, 1e-9], "n": 5}})
    return tmp_path / "before", tmp_path / "after"


def changed(folder, edit):
    content = json.loads((folder / "phases.json").read_text())
    edit(content["neox"])
    write_json(folder / "phases.json", content)


def test_equal_folders_are_equal(folders):
    found = compare_folders(*folders, Translation())
    assert (found.unexplained, found.exceptions, found.new, found.largest) == ([], {}, [], 0)
    # Scores, value, n, attributes (2 of the table, 1 of the scores) and JSON.
    assert found.values == found.identical == 150 + 3 + 3 + 3 + 4
    assert found.verdicts == [("phases.json::neox.verdict", "supported", "supported")]


@pytest.mark.parametrize(("change", "is_found"), [(1e-3, True), (3e-6, True), (5e-7, False)])
def test_a_change_is_found_by_its_share_of_the_largest_value(folders, change, is_found):
    with_change = xr.Dataset({"r": (("layer", "voxel"), np.ones((3, 50)))}, attrs={"share": 0.5})
    write_arrays(folders[0] / "scores.zarr.zip", with_change)
    with_change["r"][1, 7] += change
    write_arrays(folders[1] / "scores.zarr.zip", with_change)
    found = compare_folders(*folders, Translation())
    assert ["1 of 150 numbers differ" in line for line in found.unexplained] == [True] * is_found
    assert found.largest == pytest.approx(change)
    assert found.where == "scores.zarr.zip::r"
    # An exception holds as far as it says.
    for within, explained in ((None, True), (1e-2, True), (1e-7, False)):
        allowed = Allowed(r"^scores\.zarr\.zip::r$", "a reordered sum", within)
        found = compare_folders(*folders, Translation(exceptions=(allowed,)))
        if is_found:
            assert found.exceptions == ({"a reordered sum": 1} if explained else {})
            assert bool(found.unexplained) != explained


def test_each_measure_and_each_key_has_a_scale_of_its_own(folders):
    table = pd.read_parquet(folders[1] / "table.parquet")
    table.loc[table["measure"] == "r", "value"] += 1e-5
    write_table(folders[1] / "table.parquet", table, lost=["step4"], seed=0)
    changed(folders[1], lambda entry: entry.update(slopes=[0.3, 2e-9]))
    # Accuracies of 80 hide no change of r; a slope beside 0.3 is 0 either way.
    (line,) = compare_folders(*folders, Translation()).unexplained
    assert line.startswith("table.parquet::value: 2 of 3 numbers differ")


def test_another_verdict_count_or_text_is_found(folders):
    changed(folders[1], lambda entry: entry.update(verdict="not supported", n=6))
    found = compare_folders(*folders, Translation())
    assert [line.split(": ")[0] for line in found.unexplained] == ["phases.json::neox.verdict", "phases.json::neox.n"]
    assert found.verdicts == [("phases.json::neox.verdict", "supported", "not supported")]


def test_what_is_lost_is_found(folders):
    table = pd.read_parquet(folders[1] / "table.parquet")
    write_table(folders[1] / "table.parquet", table[table["measure"] == "r"].drop(columns="n"), seed=0)
    (folders[1] / "scores.zarr.zip").unlink()
    lines = compare_folders(*folders, Translation()).unexplained
    assert lines == [
        "scores.zarr.zip: is not made any more",
        "table.parquet::value[measure=accuracy]: the row is not there any more",
        "table.parquet::n: is not there any more",
        "table.parquet::@lost[0]: 'step4' is not there any more",
    ]


def test_measures_are_told_by_columns_now(tmp_path):
    before, after = (pd.DataFrame({"value": [0.1, 0.2, 0.3], "n": [4, 5, 6]}) for _ in range(2))
    before["measure"] = ["gain", "gain_over_lexical", "probe_learning/pos/0.1"]
    after = after.assign(
        measure=["gain", "gain", "probe_learning"],
        target=[None, None, "pos"],
        setting=[None, None, 0.1],
        scaling=["zscore", "zscore", None],
        delays=["headline", "headline", None],
        nuisance=["N1", "N2", None],
        normalised=False,
        main=[True, False, True],
    )
    write_table(tmp_path / "before/trajectories.parquet", before)
    write_table(tmp_path / "after/trajectories.parquet", after)
    found = compare_folders(tmp_path / "before", tmp_path / "after", TRANSLATION)
    assert (found.unexplained, found.new) == ([], [])
    assert measure_columns("induction_head/3") == {"measure": "induction_head", "target": "3"}


def test_a_moved_key_keeps_its_value():
    old = {
        "dataset": {"url": "here", "version": None, "overrides": {}},
        "retrieve": {"jobs": 4},
        "states": {"cka": {"references": ["first"], "n": 1000}, "mechanism": None},
        "models": [{"name": "m", "train": {"steps": 8, "saves": [0, 8], "corpus": {"kind": "text", "path": "p"}}}],
        "tasks": {
            "batch_size": 64,
            "evaluations": [{"name": "a"}, {"name": "b", "root": "local_data", "data": "b.jsonl"}],
        },
    }
    assert new_config(old) == {
        "dataset": {"overrides": {"url": "here"}},
        "execution": {"transfers": 4, "task_batch": 64},
        "states": {"references": ["first"], "mechanism": None},
        "models": [{"name": "m", "train": {"saves": [0, 8], "corpus": {"path": "p"}}}],
        "tasks": {"evaluations": [{"name": "a"}, {"name": "b", "data": "{local_data}/b.jsonl"}]},
    }
