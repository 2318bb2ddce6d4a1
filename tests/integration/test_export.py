"""What is exported holds the numbers of the study, under names that other programs know; nothing is pushed."""

import json
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import triphase
from triphase.api.export import export
from triphase.api.hub import push
from triphase.command.main import main
from triphase.core.artefacts import write_arrays
from triphase.core.errors import InputError

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def study(tiny_as_run):
    return triphase.open(tiny_as_run / "results/tiny")


@pytest.fixture(scope="module")
def exported(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "tiny"
    return folder, [path.relative_to(folder).as_posix() for path in study.export(folder)]


def test_tables_are_those_of_the_study(study, exported):
    folder, _ = exported
    table = pd.read_csv(folder / "tables/trajectories.csv", keep_default_na=False, na_values=[""])
    np.testing.assert_allclose(table["value"], study.table["value"].astype(float), rtol=1e-12)
    assert table["measure"].tolist() == study.table["measure"].tolist()
    verdicts = pd.read_csv(folder / "tables/verdicts.csv")
    assert verdicts["reason"].tolist() == [found["reason"] for found in study.phases.values()]


def test_maps_have_names_of_bids_and_the_studys_values(study, exported):
    folder, files = exported
    name = "maps/sub-01/sub-01_space-MNI_desc-neoxStep64_stat-gain_statmap"
    assert {f"{name}.nii.gz", f"{name}.json", "maps/dataset_description.json"} <= set(files)
    image = nibabel.load(folder / f"{name}.nii.gz")
    expected = study.maps("neox", "step64")["sub-01"]["volume"]
    np.testing.assert_array_equal(image.get_fdata(), expected.get_fdata())
    np.testing.assert_allclose(image.affine, expected.affine)
    said = json.loads((folder / f"{name}.json").read_text())
    assert said["TrainingTokens"] == 40960 and said["Units"] == "r" and said["Checkpoint"] == "step64"
    about = json.loads((folder / "maps/dataset_description.json").read_text())
    assert about["DatasetType"] == "derivative" and about["GeneratedBy"][0]["Name"] == "triphase"


def test_the_crate_describes_every_file_and_the_run(exported):
    folder, files = exported
    graph = json.loads((folder / "ro-crate-metadata.json").read_text())["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    assert len(entities) == len(graph), "an identifier stands twice"
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    described = {part["@id"] for part in entities["./"]["hasPart"]}
    assert described == there - {"ro-crate-metadata.json"} == set(files) - {"ro-crate-metadata.json"}
    run = entities["#run"]
    assert run["@type"] == "CreateAction" and run["instrument"]["@id"] == "Snakefile"
    assert {result["@id"] for result in run["result"]} == described - {"Snakefile"}
    assert "ComputationalWorkflow" in entities["Snakefile"]["@type"]
    # Whatever is referred to is described, or lies outside the crate.
    for entity in graph:
        for value in entity.values():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict) and not one["@id"].startswith("https://w3id.org/ro/crate"):
                    assert one["@id"] in entities or "://" in one["@id"], one


def test_surfaces_are_gifti_and_names_that_would_be_one_are_refused(study, tmp_path):
    places = {name: ("target", [0.0, 1.0]) for name in "xyz"} | {"subject": ("target", ["sub-01"] * 2)}
    gain = xr.DataArray(
        np.ones((2, 2), np.float32), dims=("checkpoint", "target"), coords={"checkpoint": ["step1", "step-1"], **places}
    ).assign_coords(tokens=("checkpoint", [1, 2]))
    (tmp_path / "maps").mkdir()

    def surface(names):
        write_arrays(tmp_path / "maps/m.zarr.zip", xr.Dataset({"gain": gain.assign_coords(checkpoint=names)}))
        description = {"dataset": study.description["dataset"] | {"space": "fsaverage5"}}
        return SimpleNamespace(
            folder=tmp_path, models=["m"], description=description, table=study.table, verdicts=study.verdicts,
            phases=study.phases,
        )  # fmt: skip

    (tmp_path / "phases.json").write_text("{}")
    names = [path.name for path in export(surface(["step1", "step2"]), tmp_path / "good")]
    assert "sub-01_hemi-L_space-fsaverage5_desc-mStep2_stat-gain_statmap.func.gii" in names
    with pytest.raises(InputError, match="sub-01, m, step1 and of sub-01, m, step-1"):
        export(surface(["step1", "step-1"]), tmp_path / "bad")


def test_a_folder_with_something_in_it_is_left_alone(study, exported):
    with pytest.raises(InputError, match="not empty"):
        study.export(exported[0])


def test_what_is_pushed_is_tables_with_a_card_and_nothing_of_this_machine(study):
    calls = []

    class Hub:
        def create_repo(self, repository, **how):
            calls.append((repository, how))

        def upload_folder(self, folder_path, **how):
            calls.append({path.name: path.read_bytes() for path in Path(folder_path).iterdir()})
            return SimpleNamespace(commit_url="https://example.org/commit")

    assert push(study, "me/tiny", api=Hub()) == "https://example.org/commit"
    (made, how), files = calls
    assert made == "me/tiny" and how == {"repo_type": "dataset", "private": True, "exist_ok": True}
    assert {"README.md", "trajectories.parquet", "verdicts.parquet", "changes.parquet"} <= set(files)
    card = files["README.md"].decode()
    assert "config_name: trajectories" in card and study.phases["neox"]["reason"] in card
    assert not [name for name, content in files.items() if str(study.folder.parents[1]).encode() in content]
    assert study.table.attrs["layers"], "what is in memory keeps its facts"
    with pytest.raises(InputError, match="owner/name"):
        push(study, "tiny", api=Hub())


def test_the_command_writes_the_export(study, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(study.folder.parents[1])
    assert main(["export", "config/studies/tiny.yaml", "--to", str(tmp_path / "x")]) == 0
    assert capsys.readouterr().out.endswith(f"files in {tmp_path / 'x'}\n")
    assert (tmp_path / "x/ro-crate-metadata.json").is_file()
