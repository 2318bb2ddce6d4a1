"""What `MappedZip` needs of zarr's private API: these fail where a version of zarr has changed it."""

import inspect
import mmap
import zipfile

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec
from zarr.storage import ZipStore

from triphase.core.zipstore import MappedZip

VALUES = np.arange(24, dtype=np.float32).reshape(4, 6)


@pytest.fixture
def path(tmp_path):
    """A file with an array whose chunks lie uncompressed in it."""
    with MappedZip(tmp_path / "a.zip", mode="w") as store:
        array = store.create_array("x", shape=VALUES.shape, dtype="float32", chunks=(2, 6), compressors=None)
        array[:] = VALUES
        zarr.create_group(store, zarr_format=3, attributes={"late": True})
    return tmp_path / "a.zip"


def test_the_private_methods_are_there_with_their_arguments():
    assert list(inspect.signature(ZipStore._get).parameters) == ["self", "key", "prototype", "byte_range"]
    assert list(inspect.signature(ZipStore._set).parameters) == ["self", "key", "value"]
    assert list(inspect.signature(ZipStore._sync_open).parameters) == ["self"]
    assert {"_zf", "compression"} <= set(ZipStore.__annotations__)


def test_arrays_are_read_where_they_lie(path, monkeypatch):
    read, inner = [], MappedZip._get
    monkeypatch.setattr(MappedZip, "_get", lambda *given, **named: read.append(inner(*given, **named)) or read[-1])
    with MappedZip(path, mode="r") as store:
        assert (zarr.open_array(store, path="x", mode="r")[:] == VALUES).all()
        assert store._is_open and store._zf.mode == "r"
        chunks = [found.as_numpy_array() for found in read if found is not None]
        assert [bytes(chunk) for chunk in chunks[-2:]] == [VALUES[:2].tobytes(), VALUES[2:].tobytes()]
        for chunk in chunks[-2:]:
            while isinstance(chunk, np.ndarray):
                chunk = chunk.base
            assert isinstance(getattr(chunk, "obj", chunk), mmap.mmap)


def test_an_array_stands_before_its_group_and_no_entry_is_there_twice(path):
    names = zipfile.ZipFile(path).namelist()
    assert names[0] == "x/zarr.json" and sorted(names) == ["x/c/0/0", "x/c/1/0", "x/zarr.json", "zarr.json"]
    with ZipStore(path, mode="r") as store:
        group = zarr.open_group(store, mode="r")
        assert group.attrs["late"] and (group["x"][:] == VALUES).all()


def test_chunks_of_zeros_are_written(tmp_path):
    with MappedZip(tmp_path / "a.zip", mode="w") as store:
        store.create_array("x", shape=(4,), dtype="float32", chunks=(2,), compressors=None)[:] = np.zeros(4)
    assert sorted(zipfile.ZipFile(tmp_path / "a.zip").namelist()) == ["x/c/0", "x/c/1", "x/zarr.json"]


def test_members_that_are_compressed_or_asked_for_in_part_are_read_as_zarr_does(tmp_path):
    with MappedZip(tmp_path / "a.zip", mode="w") as store:
        options = {"shape": VALUES.shape, "dtype": "float32", "chunks": (1, 3), "shards": (2, 6)}
        store.create_array("x", compressors=BloscCodec(), **options)[:] = VALUES
    with MappedZip(tmp_path / "a.zip", mode="r") as store:
        assert (zarr.open_array(store, path="x", mode="r")[1, 2:5] == VALUES[1, 2:5]).all()
