"""The embedded DataLad data set: what lies where, what is annexed, tag, and a clean start after an interruption."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import simulate_dataset
from jobs import run

from triphase.core.errors import InputError
from triphase.demo.bids import new_dataset, place_rois
from triphase.demo.dataset import tell_stories
from triphase.demo.listeners import Simulation, simulate_listener

RUNS = [{"name": "run-1", "stimulus": "one", "test": False}, {"name": "run-2", "stimulus": "two", "test": True}]
ROIS = [
    {"name": "Lang", "voxels": 12, "kind": "language", "centres": [[-56, -34, 2]]},
    {"name": "Aud", "voxels": 8, "kind": "sensory", "centres": [[-44, -16, 8], [44, -16, 8]]},
]
SIMULATION = Simulation("small", "0.1.0", "CC0", "nobody", 2.0, ["sub-01"], RUNS, seed=2, volumes=40, rois=ROIS)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small data set: (folder, manifest)."""
    folder = tmp_path_factory.mktemp("demo")
    paths = SimpleNamespace(dataset=str(folder / "dataset.json"))
    about = {"name": "small", "version": "0.1.0", "license": "CC0", "citation": "nobody", "tr": 2.0, "runs": RUNS}
    simulate = {"seed": 2, "volumes": 40, "rois": ROIS}
    run(simulate_dataset, paths, dataset=about | {"simulate": simulate}, subjects=[{"name": "sub-01"}])
    return folder / "dataset", json.loads((folder / "dataset.json").read_text())


def git(folder, *arguments):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    result = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, env=environment
    )
    return result.stdout.strip()


def test_version_is_tagged_and_the_tree_is_clean(made):
    folder, manifest = made
    assert git(folder, "rev-list", "-n", "1", "0.1.0") == manifest["commit"] == git(folder, "rev-parse", "HEAD")
    assert git(folder, "status", "--porcelain") == ""


def test_images_are_annexed_and_text_is_in_git(made):
    folder, _ = made
    annexed = set(git(folder, "annex", "find").splitlines())
    images = {str(path.relative_to(folder)) for path in folder.rglob("*.nii.gz") if ".git" not in path.parts}
    assert annexed == images and len(images) == 4
    for name in ("participants.tsv", "dataset_description.json", "README", "stimuli/one_words.tsv"):
        assert (folder / name).is_file() and not (folder / name).is_symlink()


def test_images_hold_the_simulated_responses(made):
    import nibabel as nib

    folder, _ = made
    responses, motion, _ = simulate_listener("sub-01", tell_stories(SIMULATION), SIMULATION)
    labels, affine, order = place_rois(ROIS)
    base = folder / "derivatives" / "preproc" / "sub-01" / "func" / "sub-01_task-listening"
    assert np.isfinite(responses["run-2"]).all()
    image = nib.load(f"{base}_run-2_desc-preproc_bold.nii.gz")
    assert image.header.get_zooms() == (8.0, 8.0, 8.0, 2.0)
    np.testing.assert_array_equal(image.affine, affine)
    np.testing.assert_array_equal(image.get_fdata()[tuple(np.concatenate(order).T)].T, responses["run-2"])
    names = pd.read_csv(f"{base}_dseg.tsv", sep="\t").set_index("index")["name"]
    regions = np.asarray(nib.load(f"{base}_dseg.nii.gz").dataobj)
    assert {names[label]: int((regions == label).sum()) for label in (1, 2)} == {"Lang": 12, "Aud": 8}
    mask = np.asarray(nib.load(f"{base}_desc-brain_mask.nii.gz").dataobj)
    np.testing.assert_array_equal(mask > 0, labels > 0)
    written = pd.read_csv(f"{base}_run-2_desc-confounds_timeseries.tsv", sep="\t")
    np.testing.assert_allclose(written.to_numpy(), motion["run-2"], rtol=1e-4, atol=1e-9)


def test_truth_is_nowhere_in_the_data_set(made):
    folder, _ = made
    text = "".join(
        path.read_text() for path in folder.rglob("*") if path.suffix in (".tsv", ".json") and path.is_file()
    )
    for word in ("weights", "latent", "kind", "sensory", "seed"):
        assert word not in text


def test_a_half_written_data_set_is_not_taken_for_whole(tmp_path):
    target = tmp_path / "dataset"
    left = tmp_path / ".dataset.part"
    left.mkdir()
    (left / "old").write_text("from a killed attempt")
    with pytest.raises(RuntimeError), new_dataset(target, "1", "message") as (folder, _):
        assert not (folder / "old").exists()
        (folder / "new").write_text("x")
        raise RuntimeError
    assert not target.exists() and not left.exists()


def test_works_without_a_git_identity(tmp_path, monkeypatch):
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{role}_NAME", raising=False)
        monkeypatch.delenv(f"GIT_{role}_EMAIL", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    with new_dataset(tmp_path / "dataset", "1", "message") as (folder, _):
        (folder / "scan.nii.gz").write_bytes(b"x")
    assert git(tmp_path / "dataset", "log", "-1", "--format=%an <%ae>") == "triphase <triphase@localhost>"


def test_a_second_run_replaces_the_data_set(made, tmp_path):
    target = tmp_path / "dataset"
    commits = []
    for content in "ab":
        with new_dataset(target, "1", "message") as (folder, report):
            (folder / "scan.nii.gz").write_bytes(content.encode())
        commits.append(report["commit"])
    assert (target / "scan.nii.gz").read_bytes() == b"b" and commits[0] != commits[1]


def test_rois_take_the_nearest_free_voxels():
    labels, affine, order = place_rois([{**roi, "centres": [[0, 0, 0]]} for roi in ROIS])
    distance = [np.linalg.norm(cells @ affine[:3, :3].T + affine[:3, 3], axis=1) for cells in order]
    assert distance[0].max() <= distance[1].min() + 1e-6
    assert (labels > 0).sum() == 20


def test_too_many_voxels_are_refused():
    with pytest.raises(InputError, match=r"dataset.simulate.rois: 99999 voxels"):
        place_rois([{"name": "Q", "voxels": 99999, "kind": "control", "centres": [[0, 0, 0]]}])
