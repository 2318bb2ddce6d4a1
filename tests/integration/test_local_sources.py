"""A folder of the user's own, as fMRIPrep writes it or with arrays, from its files to cleaned responses."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml
from project import ROOT, Project

from triphase.core.artefacts import read_arrays, read_table

TINY = yaml.safe_load((ROOT / "config/studies/tiny.yaml").read_text())
VOLUMES, TR = 80, 1.5
# MNI space, 8 mm.
AFFINE = np.array([[-8.0, 0, 0, 88], [0, 8, 0, -120], [0, 0, 8, -64], [0, 0, 0, 1]])
SHAPE = (23, 29, 23)
BIDS = "space-MNI152NLin2009cAsym_desc-"
MOTION = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]


def write_folder(folder):
    """Two runs of a subject: a volume in MNI space, surfaces and arrays, each with its own noise."""
    rng = np.random.default_rng(0)
    func, arrays, stimuli = folder / "derivatives/sub-01/func", folder / "responses/sub-01", folder / "stimuli"
    for place in (func, arrays, stimuli):
        place.mkdir(parents=True)
    for number, run in enumerate(["one", "two"]):
        pd.DataFrame({"word": ["a", run], "onset": [1.0, 5.0 + number], "offset": [2.0, 6.0 + number]}).to_csv(
            stimuli / f"{run}_words.tsv", sep="\t", index=False
        )
        motion = 0.05 * rng.normal(size=(VOLUMES, 6)).cumsum(axis=0) * [1, 1, 1, 0.01, 0.01, 0.01]
        table = pd.DataFrame(motion, columns=MOTION)
        table["csf"], table["csf_derivative1"] = rng.normal(size=(2, VOLUMES))
        table.loc[0, "csf_derivative1"] = np.nan
        stem = f"sub-01_task-{run}"
        table.to_csv(func / f"{stem}_desc-confounds_timeseries.tsv", sep="\t", index=False, na_rep="n/a")
        bold = nib.Nifti1Image(rng.normal(100, 5, (*SHAPE, VOLUMES)).astype(np.float32), AFFINE)
        bold.header.set_zooms((8, 8, 8, TR))
        bold.header.set_xyzt_units("mm", "sec")
        nib.save(bold, func / f"{stem}_{BIDS}preproc_bold.nii.gz")
        mask = np.zeros(SHAPE, np.uint8)
        mask[3 + number : 20, 5:25, 5:20] = 1
        nib.save(nib.Nifti1Image(mask, AFFINE), func / f"{stem}_{BIDS}brain_mask.nii.gz")
        for hemi in "LR":
            values = rng.normal(size=(VOLUMES, 10242)).astype(np.float32)
            image = nib.gifti.GiftiImage(darrays=[nib.gifti.GiftiDataArray(v) for v in values])
            nib.save(image, func / f"{stem}_hemi-{hemi}_space-fsaverage5_bold.func.gii")
        np.save(arrays / f"{run}.npy", rng.normal(size=(VOLUMES, 12)))


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("local"))
    write_folder(project.folder / "mine")
    return project


def clean(project, source, **dataset):
    overlay = {
        "study": source,
        "local_data": "mine",
        "dataset": {"name": "local", "source": source, "overrides": {"tr": TR}, "test_runs": ["two"], **dataset},
        "responses": {"confounds": ["trans_?", "rot_?", "csf*"], "confound_expansion": ["derivatives"]},
        "encoding": {"nuisance": ["word_rate", "position"]},
        "models": TINY["models"],
        "states": {"probes": {"concepts": []}},
        "tasks": {"evaluations": [], "adherence": []},
        "phases": {"headline": {"roi": "all", "tasks": [], "adherence": []}},
    }
    target = f"results/{source}/responses/sub-01.zarr.zip"
    done = project.snakemake(target, overlay=overlay)
    assert done.returncode == 0, done.stdout[-4000:]
    data = read_arrays(project.folder / target)
    assert data["run"].values.tolist() == ["one"] * VOLUMES + ["two"] * VOLUMES and data["valid"].values.all()
    assert len(read_table(project.folder / f"results/{source}/stimuli/words.parquet")) == 4
    return data


@pytest.mark.slow
def test_volumes_with_a_mask_per_run_and_regions_of_an_atlas(local):
    data = clean(local, "bids", atlas="dosenbach160")
    # The voxels inside both masks.
    assert data.sizes["voxel"] == 16 * 20 * 15
    assert {"Default", "Occipital", ""} < set(data["roi"].values.tolist())
    for record in data.attrs["runs"]:
        assert record["tr_found"] == TR and record["confounds"] == 16
        assert 0.1 < record["mean_fd"] < 0.6
    path = local.folder / f"mine/derivatives/sub-01/func/sub-01_task-one_{BIDS}preproc_bold.nii.gz"
    raw = nib.load(path).get_fdata()[4:20, 5:25, 5:20].reshape(-1, VOLUMES).T
    r = [np.corrcoef(data["responses"].values[:VOLUMES, i], raw[:, i])[0, 1] for i in range(0, raw.shape[1], 500)]
    # 16 confounds, 2 cosines and the trend of 80 volumes are gone, the rest is in place.
    assert np.mean(r) == pytest.approx(np.sqrt(1 - 19 / VOLUMES), abs=0.05)


@pytest.mark.slow
def test_surfaces_of_both_hemispheres(local):
    data = clean(local, "surface")
    assert data.sizes["voxel"] == 2 * 10242 and data["x"].values[:10242].mean() < 0 < data["x"].values[10242:].mean()


@pytest.mark.slow
def test_arrays(local):
    data = clean(local, "arrays")
    assert data.sizes["voxel"] == 12 and data.attrs["runs"][0]["mean_fd"] is None


def test_the_overlay_of_the_docs_is_enough(local):
    """Alone on the defaults, for every stage: the plan is whole, down to the figures."""
    snippet = (ROOT / "docs/how_to/own_data.md").read_text(encoding="utf-8").partition("enough for all stages")[2]
    overlay = yaml.safe_load(snippet.split("```yaml")[1].split("```")[0])
    overlay |= {"local_data": "mine"}
    overlay["dataset"]["test_runs"] = ["two"]
    (local.folder / "mine.yaml").write_text(yaml.safe_dump(overlay))
    jobs = local.planned("--nocolor", "--configfile", "mine.yaml")
    assert jobs["clean_responses"] == 1 and jobs["describe_data"] == 1 and jobs["fit_phases"] == 1
