"""What runs along with a series when checkpoints are left out."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from triphase.core.artefacts import read_arrays, write_arrays
from triphase.core.errors import InputError
from triphase.encoding.analyses import Analysis
from triphase.table.draws import alignment_series, draws_dataset, leave_out, step0_rows
from triphase.table.selection import Selection
from triphase.table.tidy import typed
from triphase.table.unique import unique_series

MAIN = {"scaling": "zscore", "delays": "headline", "nuisance": "N1"}
SERIES = [{"model": model, "checkpoint": name} for model in ("a", "b") for name in ("step0", "step1")]


def test_lists_lose_the_same_checkpoints_as_the_series():
    series, tables, tasks = leave_out({("a", "step1"), ("b", "step0")}, SERIES, list("wxyz"), [1, 2, 3, 4])
    assert series == [SERIES[0], SERIES[3]] and tables == ["w", "z"] and tasks == [1, 4]
    assert leave_out(set(), SERIES, list("wxyz"))[1] == list("wxyz")


def test_a_model_without_a_checkpoint_is_an_error():
    with pytest.raises(InputError, match="no checkpoint of 'b' is left; .*`integrity: warn`"):
        leave_out({("b", "step0"), ("b", "step1")}, SERIES)


@pytest.fixture
def fitted(tmp_path):
    """Encoding files of three checkpoints of one model at layer 2, and the tidy rows that belong to them."""
    files, rows = {}, []
    for place, step in enumerate((0, 10, 20)):
        key = "m", f"step{step}", 2
        boot = xr.Dataset(
            {"boot_r": (("listener", "region", "draw"), 10.0 * place + np.arange(3.0)[None, None]),
             "boot_gain": (("listener", "region", "analysis", "draw"), place + np.arange(3.0)[None, None, None]),
             "freedom": 6.0},
            coords={"listener": ["s"], "region": ["A"], "trained_on": ("analysis", [""])}
            | {key: ("analysis", [value]) for key, value in MAIN.items()},
        )  # fmt: skip
        files[key] = tmp_path / f"{step}.zarr.zip"
        write_arrays(files[key], boot)
        for measure, value in (("r", 10.0 * place), ("alignment", place)):
            rows.append([*key, step, step * 100, "s", "A", measure, value, 5])
    columns = ["model", "checkpoint", "layer", "step", "tokens", "subject", "roi", "measure", "value", "n"]
    return typed(pd.DataFrame(rows, columns=columns).assign(**MAIN)), files


def test_alignment_over_step0_is_paired_with_the_models_own_start(fitted):
    drawn = alignment_series(*fitted)
    over = [row for row in drawn if row["reference"] == "step 0"]
    assert [row["value"] for row in over] == [0, 10, 20]
    np.testing.assert_array_equal([row["boot"] for row in over], [[0] * 3, [10] * 3, [20] * 3])
    rows = step0_rows(drawn)
    assert rows["se"].tolist() == [0, 0, 0], "draws that are common to both cancel"
    assert rows["layer"].tolist() == [2, 2, 2] and rows["n"].tolist() == [5, 5, 5]


def test_without_step_0_nothing_is_said_over_it(fitted):
    table, files = fitted
    drawn = alignment_series(table[table["step"] > 0], files)
    assert len(drawn) == 2 and step0_rows(drawn).empty


def test_unique_variance_is_drawn_at_the_headline_layer_alone(fitted):
    table, files = fitted
    aligned = table[table["measure"] == "alignment"].assign(measure="unique_variance", nuisance="N2")
    parts = [aligned.assign(target=part, value=value) for part, value in (("model", 0.2), ("identity", 0.1))]
    elsewhere = parts[0].assign(layer=3)
    for path in files.values():
        drawn = np.arange(6.0).reshape(1, 1, 2, 3)
        unique = {"boot_unique": (("listener", "region", "part", "draw"), drawn), "part": ["model", "identity"]}
        write_arrays(path, read_arrays(path).assign(unique))
    drawn = unique_series(typed(pd.concat([table, *parts, elsewhere])), files)
    assert {(row["checkpoint"], row["target"], row["layer"]) for row in drawn} == {
        (name, part, 2) for name in ("step0", "step10", "step20") for part in ("model", "identity")
    }
    boots = {row["target"]: row["boot"].tolist() for row in drawn}
    assert boots == {"model": [0, 1, 2], "identity": [3, 4, 5]}
    assert {row["freedom"] for row in drawn} == {6.0} and {row["nuisance"] for row in drawn} == {"N2"}
    assert unique_series(table, files) == []


def test_draws_keep_the_keys_of_their_rows(fitted):
    dataset = draws_dataset(alignment_series(*fitted), "x", 0)
    main = Selection("alignment").draws(dataset)
    assert main["step"].values.tolist() == [0, 10, 20] and main["value"].values.tolist() == [0, 1, 2]
    over = Selection("alignment", analysis=Analysis("zscore", "headline", reference="step 0")).draws(dataset)
    assert over["value"].values.tolist() == [0, 10, 20] and dataset.sizes["series"] == 6
