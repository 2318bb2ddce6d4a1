"""A run that is killed or finds its disk full loses nothing: taken up again, it ends as one that nobody disturbed."""

import random
import subprocess

import numpy as np
import pytest
import yaml
from killed_runs import count_results, differing_results, kill_at, kill_run, start_run
from patience import wait_until
from project import ROOT, Project

from triphase.core.artefacts import read_arrays

pytestmark = pytest.mark.slow

TINY = ROOT / "config/studies/tiny.yaml"


def test_a_killed_run_is_taken_up_and_ends_as_an_undisturbed_one(tiny_as_run, tmp_path):
    project = Project(tmp_path / "project")
    n_whole, chosen = count_results(tiny_as_run), random.Random(7)
    for part in range(3):
        # Once in each third of the run.
        kill_at(project, int(n_whole * (part + chosen.random()) / 3), chosen.random())
    done = project.snakemake(study="tiny")
    assert done.returncode == 0, done.stdout[-3000:]
    assert differing_results(tiny_as_run / "results/tiny", project.folder / "results/tiny") == []
    assert project.planned(study="tiny") == {}


def test_a_second_run_of_the_same_study_is_refused(tmp_path):
    project = Project(tmp_path / "project")
    running = start_run(project)
    try:
        locks = project.folder / ".snakemake/locks"
        wait_until(lambda: locks.is_dir() and any(locks.iterdir()))
        second = project.snakemake(study="tiny")
        assert second.returncode != 0 and "Directory cannot be locked" in second.stdout, second.stdout[-2000:]
        assert "Traceback" not in second.stdout
    finally:
        kill_run(running)


def test_two_studies_run_side_by_side(tiny_as_run, tmp_path):
    project = Project(tmp_path / "project")
    # The other study is the same with another name, a configuration of its own.
    (project.folder / "other.yaml").write_text(yaml.safe_dump(yaml.safe_load(TINY.read_text()) | {"study": "other"}))
    target = "results/other/encoding/neox/step16/1.zarr.zip"
    running = start_run(project, target.replace("other", "tiny"))
    done = project.snakemake(target, "--configfile", "other.yaml")
    said, _ = running.communicate()
    assert done.returncode == 0, done.stdout[-3000:]
    assert running.returncode == 0, said[-3000:]
    expected = read_arrays(tiny_as_run / "results/tiny/encoding/neox/step16/1.zarr.zip")
    for study in ("tiny", "other"):
        found = read_arrays(project.folder / target.replace("other", study))
        for name in expected.variables:
            np.testing.assert_array_equal(found[name].values, expected[name].values)


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own of 6 MB; skips where nothing may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_room(tiny_as_run, small_disk, tmp_path):
    project = Project.copy_of(tiny_as_run, tmp_path / "project")
    activations = project.folder / "results/tiny/activations"
    expected = read_arrays(activations / "neox/step16.zarr.zip")
    (activations / "neox/step16.zarr.zip").unlink()
    # The activations lie on the small disk, which something else fills.
    subprocess.run(["cp", "-a", f"{activations}/.", small_disk], check=True)
    subprocess.run(["rm", "-r", activations], check=True)
    activations.symlink_to(small_disk)
    filling = small_disk / "filling"
    with open(filling, "wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    target = "results/tiny/activations/neox/step16.zarr.zip"
    done = project.snakemake(target, study="tiny")
    assert done.returncode != 0
    lines = [line for line in done.stdout.splitlines() if line.startswith("extract_activations: error: ")]
    assert lines and "is full; make room and run again" in lines[0], done.stdout[-3000:]
    assert not (activations / "neox/step16.zarr.zip").exists()
    assert (activations / "neox/step0.zarr.zip").exists()
    filling.unlink()
    done = project.snakemake(target, study="tiny")
    assert done.returncode == 0, done.stdout[-3000:]
    found = read_arrays(activations / "neox/step16.zarr.zip")
    np.testing.assert_array_equal(found["activations"].values, expected["activations"].values)
