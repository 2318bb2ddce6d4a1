"""Folders as people have them: what fMRIPrep wrote is found, what is no run is told, several images need a choice."""

import pytest
from project import ROOT

from triphase.config.datasets import load_registry, resolve_dataset
from triphase.config.schema import Study
from triphase.config.schema.overlay import defaults, json_schema
from triphase.core.errors import InputError
from triphase.sources.manifest import check_local, subject_files

REGISTRY = load_registry(ROOT / "resources/registry/datasets.yaml")
NOTHING = defaults(json_schema(Study))["dataset"]
MNI = "space-MNI152NLin2009cAsym"


def write(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()


def run_files(stem, grid=MNI):
    """What fMRIPrep writes of one run: images with mask, surfaces, grayordinates, confounds, and JSON."""
    tails = [f"{grid}_desc-preproc_bold.nii.gz", f"{grid}_desc-preproc_bold.json", f"{grid}_desc-brain_mask.nii.gz"]
    tails += [f"{grid}_boldref.nii.gz", "desc-confounds_timeseries.tsv", "space-fsLR_den-91k_bold.dtseries.nii"]
    tails += [f"hemi-{hemi}_space-fsaverage5_bold.func.gii" for hemi in "LR"]
    return [f"{stem}_{tail}" for tail in tails]


def resolve(folder, source="bids", bids=None, **choices):
    overrides = {"tr": 1.5} | ({"bids": bids} if bids else {})
    choice = NOTHING | {"name": "local", "source": source, "overrides": overrides} | choices
    return resolve_dataset(choice, REGISTRY, study="x", local_data=str(folder))


def names(entries):
    return [entry["name"] for entry in entries]


def files_of(found, subject=0):
    ((_, files),) = subject_files(found["source"], None, found["subjects"][subject], found["runs"])
    return files


BASES = ["derivatives/fmriprep", "derivatives", "", "fmriprep", "derivatives/fmriprep-23.2.0"]


@pytest.mark.parametrize("source", ["bids", "surface", "cifti"])
@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("session", ["", "ses-1"])
def test_kind_local_finds_what_fmriprep_wrote(tmp_path, base, session, source):
    for subject in ("sub-01", "sub-02"):
        for run in ("task-story_run-1", "task-story_run-2"):
            parts = [part for part in (subject, session) if part]
            write(tmp_path / base, *run_files("/".join([*parts, "func", "_".join([*parts, run])])))
    found = resolve(tmp_path, source)
    assert names(found["subjects"]) == ["sub-01", "sub-02"]
    assert names(found["runs"]) == ["story_run-1", "story_run-2"] and not found["unread"] and not found["left_out"]
    files = files_of(found, 1)
    wanted = {"bids": {"response", "mask", "confounds"}, "cifti": {"response", "confounds"}}
    wanted["surface"] = {"response_L", "response_R", "confounds"}
    assert set(files) == wanted[source]
    check_local([path for entries in files.values() for path in entries.values()], tmp_path)
    assert "tasks story" in found["found"][0]


def test_kind_local_sessions_name_runs_only_where_they_must(tmp_path):
    for session in ("ses-1", "ses-2"):
        write(tmp_path, *run_files(f"sub-01/{session}/func/sub-01_{session}_task-story"))
    found = resolve(tmp_path)
    assert names(found["runs"]) == ["ses-1_story", "ses-2_story"]
    assert files_of(found)["response"]["ses-2_story"].startswith("sub-01/ses-2/func/sub-01_ses-2_task-story_space")
    assert names(resolve(tmp_path, bids={"sessions": ["2"]})["runs"]) == ["story"]


def test_kind_local_several_grids_need_a_choice(tmp_path):
    stem = "derivatives/fmriprep/sub-01/func/sub-01_task-story"
    write(tmp_path, *run_files(stem), *run_files(stem, "space-MNI152NLin6Asym_res-2"))
    found = resolve(tmp_path)
    assert found["source"]["files"]["mask"] == f"{{run}}_{MNI}_desc-brain_mask.nii.gz"
    other = resolve(tmp_path, bids={"space": "MNI152NLin6Asym", "res": 2})
    assert files_of(other)["mask"]["story"] == f"{stem}_space-MNI152NLin6Asym_res-2_desc-brain_mask.nii.gz"
    assert f"also there: {MNI}" in other["found"][0]
    write(tmp_path, *run_files(stem, f"{MNI}_res-2"))
    with pytest.raises(
        InputError, match="2 grids: space-MNI152NLin2009cAsym, space-MNI152NLin2009cAsym_res-2; name one"
    ):
        resolve(tmp_path)
    assert resolve(tmp_path, bids={"res": "2"})["source"]["files"]["response"].endswith(
        "res-2_desc-preproc_bold.nii.gz"
    )


def test_kind_local_echoes_parts_and_rest_are_no_runs_and_are_told(tmp_path):
    func = "derivatives/fmriprep/sub-01/func"
    write(tmp_path, *run_files(f"{func}/sub-01_task-story"), f"{func}/sub-01_task-rest_{MNI}_desc-preproc_bold.nii.gz")
    write(
        tmp_path,
        f"{func}/sub-01_task-story_echo-2_desc-preproc_bold.nii.gz",
        "sub-01/func/sub-01_task-story_bold.nii.gz",
    )
    write(tmp_path, f"{func}/sub-01_task-story_part-phase_{MNI}_desc-preproc_bold.nii.gz")
    found = resolve(tmp_path)
    assert names(found["runs"]) == ["story"]
    told = "\n".join(found["unread"])
    assert len(found["unread"]) == 3 and "(rest)" in told and "(an echo)" in told and "(a part)" in told


def test_kind_silent_loss_names_that_do_not_fit_are_told(tmp_path):
    base = "derivatives/fmriprep"
    write(tmp_path, *run_files(f"{base}/sub-01/func/sub-01_task-story"))
    for subject in ("sub c", "süb-d"):
        write(tmp_path, f"{base}/{subject}/func/{subject}_task-story_{MNI}_desc-preproc_bold.nii.gz")
    write(tmp_path, f"{base}/sub-01/func/sub-01_task-story_run 9_{MNI}_desc-preproc_bold.nii.gz")
    write(tmp_path, f"{base}/sub-01/func/sub-02_task-story_{MNI}_desc-preproc_bold.nii.gz")
    found = resolve(tmp_path)
    assert names(found["subjects"]) == ["sub-01"] and len(found["unread"]) == 4
    told = "\n".join(found["unread"])
    assert all(text in told for text in ("sub c", "süb-d", "run 9", "it lies in the folder sub-01"))
    write(
        tmp_path, "responses/A/one.npy", "responses/sub c/one.npy", "responses/A/run 9.npy", "responses/süb-d/one.npy"
    )
    arrays = resolve(tmp_path, "arrays")
    assert (
        names(arrays["subjects"]) == ["A"] and len(arrays["unread"]) == 3 and "run 9.npy" in "".join(arrays["unread"])
    )


def test_kind_local_several_tasks_are_runs_of_which_a_study_chooses(tmp_path):
    for task in ("story", "movie", "localizer"):
        write(tmp_path, *run_files(f"sub-01/func/sub-01_task-{task}"))
    assert names(resolve(tmp_path)["runs"]) == ["localizer", "movie", "story"]
    assert names(resolve(tmp_path, bids={"tasks": ["story", "movie"]})["runs"]) == ["movie", "story"]
    assert names(resolve(tmp_path, runs=["story"])["runs"]) == ["story"]


def test_kind_local_two_folders_of_one_run_need_a_choice(tmp_path):
    for base in ("derivatives/fmriprep", "derivatives/old"):
        write(tmp_path, *run_files(f"{base}/sub-01/func/sub-01_task-story"))
    with pytest.raises(InputError, match="are images of one run; name the folder .*bids .folder"):
        resolve(tmp_path)
    found = resolve(tmp_path, bids={"folder": "derivatives/old"})
    assert files_of(found)["response"]["story"].startswith("derivatives/old/sub-01/func/")


def test_kind_local_nothing_there_says_what_is(tmp_path):
    write(tmp_path, "sub-01/func/sub-01_task-story_space-MNI152NLin6Asym_desc-preproc_bold.nii.gz")
    with pytest.raises(InputError, match="'surface'.*fsaverage5.*"):
        resolve(tmp_path, "surface")
    with pytest.raises(InputError, match="it has space-MNI152NLin6Asym"):
        resolve(tmp_path, bids={"space": "MNI152NLin2009cAsym"})


def test_kind_local_zeros_before_a_number_make_no_other_run(tmp_path):
    for subject, runs in {"01": ("run-1", "run-2"), "02": ("run-01", "run-02")}.items():
        for run in runs:
            write(tmp_path, *run_files(f"sub-{subject}/func/sub-{subject}_task-story_{run}"))
            write(tmp_path, f"responses/s{subject}/{run}.npy")
    found = resolve(tmp_path)
    assert names(found["runs"]) == ["story_run-1", "story_run-2"] and not found["left_out"]
    assert files_of(found, 1)["response"]["story_run-2"].startswith("sub-02/func/sub-02_task-story_run-02_")
    arrays = resolve(tmp_path, "arrays")
    assert names(arrays["runs"]) == ["run-1", "run-2"]
    assert files_of(arrays, 0)["response"]["run-1"] == "responses/s01/run-1.npy"
    assert files_of(arrays, 1)["response"]["run-1"] == "responses/s02/run-01.npy"
    write(tmp_path, *run_files("sub-01/func/sub-01_task-story_run-01"), "responses/s02/run-1.npy")
    for source, expected in {
        "bids": "sub-01 has the runs 'story_run-01' and 'story_run-1'",
        "arrays": "s02 has",
    }.items():
        with pytest.raises(InputError, match=f"{expected}.*by zeros alone.*rename"):
            resolve(tmp_path, source)


def test_kind_local_sessions_and_choices_look_past_zeros(tmp_path):
    for subject, session in (("01", "1"), ("01", "2"), ("02", "01"), ("02", "02")):
        stem = f"sub-{subject}/ses-{session}/func/sub-{subject}_ses-{session}_task-story"
        write(tmp_path, *run_files(stem, f"{MNI}_res-02"))
    assert names(resolve(tmp_path, bids={"res": 2})["runs"]) == ["ses-1_story", "ses-2_story"]


def test_kind_local_images_on_their_own_grid_have_no_space_in_their_name(tmp_path):
    stem = "sub-01/func/sub-01_task-story"
    tails = ("desc-preproc_bold.nii.gz", "desc-brain_mask.nii.gz", "desc-confounds_timeseries.tsv", "bold.nii.gz")
    write(tmp_path, *(f"{stem}_{tail}" for tail in tails))
    files = files_of(resolve(tmp_path, "native"))
    assert files["response"] == {"story": f"{stem}_desc-preproc_bold.nii.gz"}
    assert files["mask"] == {"story": f"{stem}_desc-brain_mask.nii.gz"}


def test_kind_local_several_descriptions_need_a_choice(tmp_path):
    stem = "sub-01/func/sub-01_task-story"
    tails = [f"space-fsLR_den-91k_desc-{desc}_bold.dtseries.nii" for desc in ("denoised", "denoisedSmoothed")]
    write(tmp_path, *(f"{stem}_{tail}" for tail in tails))
    with pytest.raises(InputError, match=r"named in 2 ways: .*dataset/overrides/bids \(desc"):
        resolve(tmp_path, "cifti")
    found = resolve(tmp_path, "cifti", bids={"desc": "denoised"})
    assert files_of(found)["response"] == {"story": f"{stem}_{tails[0]}"}


@pytest.mark.parametrize(
    ("task", "rest"),
    [("rest", True), ("restingState", True), ("restEyesOpen", True), ("REST1", True), ("restaurant", False)],
)
def test_kind_local_a_restaurant_is_no_rest(tmp_path, task, rest):
    write(tmp_path, *run_files("sub-01/func/sub-01_task-story"), *run_files(f"sub-01/func/sub-01_task-{task}"))
    assert (task in names(resolve(tmp_path)["runs"])) == (not rest)
