import os
import zipfile

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from triphase.artefacts import (
    open_arrays,
    read_arrays,
    read_json,
    read_table,
    replacing,
    write_arrays,
    write_json,
    write_table,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "table.json"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert read_json(path) == {"a": 1}
    assert os.listdir(tmp_path) == ["table.json"]


def test_nan_is_no_json(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert not list(tmp_path.iterdir())


def test_arrays_come_back_equal_with_attributes(tmp_path):
    dataset = xr.Dataset(
        {"x": (("layer", "word"), np.arange(6, dtype=np.float32).reshape(2, 3)), "flag": ("word", [True, False, True])},
        coords={"run": ("word", np.array(["a", "雲", "longer"], dtype=object)), "layer": [0, 1]},
        attrs={"tr": 2.0, "hashes": {"s": "00"}},
    )
    write_arrays(tmp_path / "x.zarr.zip", dataset, chunks={"x": (1, 3)})
    back = read_arrays(tmp_path / "x.zarr.zip")
    xr.testing.assert_equal(back.drop_vars("run"), dataset.drop_vars("run"))
    assert list(back["run"].values) == ["a", "雲", "longer"]
    assert back.attrs == dataset.attrs
    names = zipfile.ZipFile(tmp_path / "x.zarr.zip").namelist()
    assert len(names) == len(set(names)), "an entry was written twice"
    with open_arrays(tmp_path / "x.zarr.zip") as lazy:
        assert lazy["x"].encoding["chunks"] == (1, 3), "one layer does not read alone"


def test_zero_length_dimensions_are_kept(tmp_path):
    write_arrays(tmp_path / "x.zarr.zip", xr.Dataset({"x": (("time", "voxel"), np.zeros((4, 0), np.float32))}))
    assert read_arrays(tmp_path / "x.zarr.zip")["x"].shape == (4, 0)


def test_table_metadata_comes_back(tmp_path):
    frame = pd.DataFrame({"word": ["a", "雲"], "n": pd.array([1, None], dtype="Int64")})
    write_table(tmp_path / "t.parquet", frame, texts={"s": "a 雲"}, n=3)
    back = read_table(tmp_path / "t.parquet")
    assert back.attrs == {"texts": {"s": "a 雲"}, "n": 3}
    assert back["n"].isna().tolist() == [False, True]
