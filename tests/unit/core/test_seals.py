"""Damaged artefacts: whatever happens to a file, it reads as it was written, or an error names it and the remedy."""

import os
import shutil
import zipfile

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from triphase.core.artefacts import (
    SEAL,
    ArraySpec,
    read_arrays,
    read_json,
    read_table,
    read_variables,
    stream_arrays,
    write_arrays,
    write_json,
    write_table,
)
from triphase.core.seals import DamagedError, check_png, place_of
from triphase.report.figures.style import save

VALUES = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)


def write_stream(path):
    with stream_arrays(path, ArraySpec("x", ("t", "v"), VALUES.shape, chunks=(16, 8), compressed=False)) as stream:
        stream.append(VALUES)
        stream.finish(xr.Dataset(coords={"roi": ("v", list("abcdefgh"))}, attrs={"tr": 2}))


def write_figure(path):
    figure, panel = plt.subplots(figsize=(1, 1))
    panel.plot([1, 2])
    save(figure, str(path))


def read_figure(path):
    content = path.read_bytes()
    check_png(content, path)
    return content


# How a file of each kind is written and read.
KINDS = {
    "a.json": (lambda path: write_json(path, {"x": [1.5, None, "ü"], "y": {"z": 1}}), read_json),
    "a.parquet": (
        lambda path: write_table(
            path, pd.DataFrame({"n": range(50), "name": ["x", None] * 25, "value": VALUES[0, 0]}), texts={"s": "a b"}
        ),
        lambda path: (lambda table: (table.to_dict("list"), table.attrs))(read_table(path)),
    ),
    "a.zarr.zip": (
        lambda path: write_arrays(
            path, xr.Dataset({"r": (("t", "v"), VALUES)}, {"t": np.arange(40)}, {"k": [1]}), chunks={"r": (20, 8)}
        ),
        lambda path: read_arrays(path).to_dict(),
    ),
    "b.zarr.zip": (write_stream, lambda path: read_arrays(path).to_dict()),
    "a.png": (write_figure, read_figure),
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder with one file of each kind, and what they hold."""
    folder = tmp_path_factory.mktemp("work") / "results" / "mine"
    for name, (write, _) in KINDS.items():
        write(folder / name)
    return folder, {name: repr(read(folder / name)) for name, (_, read) in KINDS.items()}


def damaged(content, kind, where, size):
    """The content of a file after one accident."""
    at = int(where * (len(content) - 1))
    if kind == "cut":
        return content[:at]
    if kind == "zeroed":
        return content[:at] + bytes(len(content[at : at + size])) + content[at + size :]
    if kind == "flipped":
        return content[:at] + bytes([content[at] ^ 1 << size % 8]) + content[at + 1 :]
    return content[:at] + b"\xff" * size + content[at:]


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["cut", "zeroed", "flipped", "inserted"]),
    where=st.floats(0, 1),
    size=st.sampled_from([1, 3, 8, 512, 4096]),
)
def test_a_damaged_file_is_named_with_its_remedy_or_holds_what_was_written(study, name, kind, where, size):
    folder, held = study
    path = folder.parent.parent / "damaged" / "results" / "mine" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # what is mapped into memory must not be cut under its reader
    path.write_bytes(damaged((folder / name).read_bytes(), kind, where, size))
    try:
        found = repr(KINDS[name][1](path))
    except DamagedError as error:
        assert str(path) in str(error) and f"snakemake --forcerun results/mine/{name}" in str(error)
        assert "delete it" in str(error) and "\n" not in str(error)
    else:
        assert found == held[name] or path.suffix == ".png"  # what stands behind the end of a picture is not shown


@pytest.mark.parametrize("name", KINDS)
def test_a_file_of_another_place_is_no_result_of_this_one(study, name):
    folder, _ = study
    other = folder.parent / "yours" / name
    other.parent.mkdir(exist_ok=True)
    shutil.copy(folder / name, other)
    with pytest.raises(DamagedError, match=f"written as mine/{name}"):
        KINDS[name][1](other)


@pytest.mark.parametrize("name", KINDS)
def test_a_folder_that_was_moved_reads_as_before(study, name, tmp_path):
    folder, held = study
    for place in ("elsewhere/results", "kept"):
        path = tmp_path / place / "mine" / name
        path.parent.mkdir(parents=True)
        shutil.copy(folder / name, path)
        assert repr(KINDS[name][1](path)) == held[name]


def test_what_was_never_sealed_is_no_result(study):
    folder = study[0].parent / "unsealed"
    folder.mkdir()
    (folder / "a.json").write_text("{}")
    pd.DataFrame({"a": [1]}).to_parquet(folder / "a.parquet")
    with zipfile.ZipFile(folder / "a.zarr.zip", "w") as archive:
        archive.writestr("zarr.json", "{}")
    for name in ("a.json", "a.parquet", "a.zarr.zip"):
        with pytest.raises(DamagedError):
            KINDS[name][1](folder / name)


def test_a_member_that_is_not_read_costs_nothing_and_one_that_is_names_itself(study, tmp_path):
    path = tmp_path / "a.zarr.zip"
    content = bytearray((study[0] / "a.zarr.zip").read_bytes())
    with zipfile.ZipFile(study[0] / "a.zarr.zip") as archive:
        at = archive.getinfo("r/c/1/0").header_offset + 60
    content[at] ^= 1
    path.write_bytes(content)
    (places,) = read_variables(path, "t")
    assert (places == np.arange(40)).all()
    with pytest.raises(DamagedError, match="r/c/1/0"):
        read_variables(path, "r")


def test_a_mapping_of_people_has_no_seal_and_is_read(tmp_path):
    write_json(tmp_path / "lock.json", {"a": 1}, seal=False)
    assert SEAL not in (tmp_path / "lock.json").read_text() and read_json(tmp_path / "lock.json") == {"a": 1}
    (tmp_path / "lock.json").write_text("{")
    with pytest.raises(DamagedError, match="no JSON"):
        read_json(tmp_path / "lock.json")


def test_the_place_is_what_stands_below_results():
    assert place_of("/a/results/b/results/mine/x.json") == "mine/x.json"
    assert place_of("results/mine/deep/x.json") == "mine/deep/x.json"
    assert place_of("elsewhere/x.json") == "x.json"


@pytest.mark.parametrize("wanted", [True, False])
def test_a_result_and_its_folder_are_on_the_disk_before_and_after_it_gets_its_name(tmp_path, monkeypatch, wanted):
    seen = []
    monkeypatch.setenv("TRIPHASE_FSYNC", str(int(wanted)))
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append(os.fstat(descriptor).st_ino))
    rename = os.replace
    monkeypatch.setattr(os, "replace", lambda *paths: (seen.append("renamed"), rename(*paths)))
    write_json(tmp_path / "a.json", {})
    file, folder = (tmp_path / "a.json").stat().st_ino, tmp_path.stat().st_ino
    assert seen == ([file, "renamed", folder] if wanted else ["renamed"])
