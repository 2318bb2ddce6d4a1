import os
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from triphase.core.artefacts import (
    ArraySpec,
    open_arrays,
    read_arrays,
    read_json,
    read_table,
    read_variables,
    replacing,
    stream_arrays,
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


@pytest.mark.parametrize("kind", ["json", "table", "arrays", "stream"])
def test_full_disk_is_one_message_and_leaves_nothing(tmp_path, kind):
    code = f"""
import resource, sys
sys.path[:0] = {sys.path!r}
import numpy as np, pandas as pd, xarray as xr
from triphase.core import artefacts
from triphase.core.errors import InputError

values = np.random.default_rng(0).normal(size=(3000, 50)).astype(np.float32)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    if {kind!r} == "json":
        artefacts.write_json("out", {{"values": values.tolist()}})
    elif {kind!r} == "table":
        artefacts.write_table("out", pd.DataFrame(values))
    elif {kind!r} == "arrays":
        artefacts.write_arrays("out", xr.Dataset({{"x": (("time", "voxel"), values)}}))
    else:
        with artefacts.stream_arrays("out", artefacts.ArraySpec("x", ("time", "voxel"), values.shape)) as stream:
            stream.append(values)
            stream.finish(xr.Dataset())
except InputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.startswith("out: the disk, the quota"), done
    assert not list(tmp_path.iterdir())


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


def stream(path, parts, columns, chunks, finish=True):
    rows = sum(len(part) for part in parts)
    spec = ArraySpec("x", ("time", "voxel"), (rows, columns), chunks, attributes={"units": "1"})
    with stream_arrays(path, spec) as x:
        for part in parts:
            x.append(part)
        if finish:
            run = np.repeat([f"run-{i}" for i in range(len(parts))], [len(part) for part in parts]) if parts else []
            x.finish(
                xr.Dataset(coords={"run": ("time", run), "valid": ("voxel", np.ones(columns, bool))}, attrs={"n": 3})
            )


@settings(max_examples=30)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(1, 7), st.integers(1, 5), st.integers(1, 4))
def test_streamed_rows_come_back_and_no_chunk_is_written_twice(tmp_path_factory, lengths, columns, rows, wide):
    path = tmp_path_factory.mktemp("stream") / "x.zarr.zip"
    values = np.random.default_rng(0).normal(size=(sum(lengths), columns)).astype(np.float32)
    parts = np.split(values, np.cumsum(lengths)[:-1])
    stream(path, parts, columns, (rows, wide))
    back = read_arrays(path)
    np.testing.assert_array_equal(back["x"], values)
    assert back["x"].dims == ("time", "voxel") and back["x"].attrs == {"units": "1"} and back.attrs == {"n": 3}
    assert set(back.coords) == {"run", "valid"}
    names = zipfile.ZipFile(path).namelist()
    assert len(names) == len(set(names))


def test_a_stream_that_ends_early_leaves_nothing(tmp_path):
    values = np.ones((4, 2), np.float32)
    with pytest.raises(ValueError, match="without `finish`"):
        stream(tmp_path / "x.zarr.zip", [values], 2, (3, 2), finish=False)
    with pytest.raises(ValueError, match="4 of 5 rows"):
        with stream_arrays(tmp_path / "x.zarr.zip", ArraySpec("x", ("t", "v"), (5, 2))) as x:
            x.append(values)
            x.finish(xr.Dataset())
    with pytest.raises(ValueError, match="8 rows for 5"):
        with stream_arrays(tmp_path / "x.zarr.zip", ArraySpec("x", ("t", "v"), (5, 2))) as x:
            x.append(values)
            x.append(values)
    assert not list(tmp_path.iterdir())


def test_single_rows_and_single_variables_are_read_alone(tmp_path):
    frame = pd.DataFrame({"model": ["a", "b", "a", None], "value": [1.0, 2.0, 3.0, 4.0]})
    write_table(tmp_path / "t.parquet", frame, layers=[["a", 3]])
    mine = read_table(tmp_path / "t.parquet", ["a"])
    assert mine["value"].tolist() == [1, 3]
    assert read_table(tmp_path / "t.parquet", ["b", None])["value"].tolist() == [2, 4]
    assert mine.attrs == {"layers": [["a", 3]]}
    values, names = np.arange(6.0).reshape(2, 3), ["x", "é"]
    write_arrays(tmp_path / "z.zarr.zip", xr.Dataset({"v": (("name", "i"), values)}, coords={"name": names}))
    found, axis = read_variables(tmp_path / "z.zarr.zip", "v", "name")
    assert np.array_equal(found, values)
    assert [str(name) for name in axis] == names


def test_what_a_killed_process_left_is_removed_by_the_next_that_writes(tmp_path):
    left, recent, other = (
        tmp_path / name for name in (".a.json.11.part.json", ".a.json.12.part.json", ".b.json.11.part.json")
    )
    for path in (left, recent, other):
        path.write_text("{")
    for path in (left, other):
        os.utime(path, (0, 0))
    # Stands for whatever cannot be opened, as a file of another user.
    closed = tmp_path / ".a.json.13.part.json"
    closed.mkdir()
    write_json(tmp_path / "a.json", {})
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", recent.name, other.name, closed.name}
