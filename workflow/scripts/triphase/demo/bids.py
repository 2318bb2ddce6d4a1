"""Writes the simulated listeners as a BIDS-like DataLad data set: text in git, images annexed, one tagged version."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from triphase.core.errors import InputError
from triphase.core.types import Entries, Section
from triphase.demo.listeners import Simulation
from triphase.responses.motion import FMRIPREP_MOTION
from triphase.sources.clones import prepare_environment, remove

GRID = 8  # mm
TASK = "listening"
README = """Simulated listeners of invented stories, made by the demo stage of the workflow triphase.

Nothing here was measured. {subjects} listeners heard {runs} runs each; stories: {stories}. `stimuli/` has one row per
word, `derivatives/preproc/` the responses (MNI space, {grid} mm, TR {tr:g} s), motion parameters and a label image of
the regions.
"""


@contextmanager
def new_dataset(path: str | Path, version: str, message: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """Make a DataLad data set: fill the folder that is yielded; it stands at `path`, saved and tagged, afterwards.

    A folder that an interrupted attempt left beside `path`, and a data set that stands at `path`, are removed.

    Yields
    ------
    folder : pathlib.Path
    report : gains `commit` (40 hexadecimal digits) when the block has ended
    """
    import datalad.api as dl
    from datalad.support.gitrepo import GitRepo

    prepare_environment()
    path = Path(path).absolute()
    part = path.with_name(f".{path.name}.part")
    remove(part)
    part.mkdir(parents=True)
    report: dict[str, str] = {}
    try:
        repository = GitRepo(str(part), create=True)
        dl.create(path=str(part), force=True, result_renderer="disabled")
        with open(part / ".gitattributes", "a", encoding="utf-8") as attributes:
            attributes.write("\n* annex.largefiles=nothing\n*.nii.gz annex.largefiles=anything\n")
        yield part, report
        dl.save(dataset=str(part), message=message, version_tag=version, result_renderer="disabled")
        report["commit"] = repository.get_hexsha()
        remove(path)
        os.replace(part, path)
    finally:
        remove(part)


def place_rois(rois: Entries) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Give every ROI its voxels: the nearest to its centre that are inside the brain and not taken by an ROI before it.

    Parameters
    ----------
    rois : name, voxels (how many) and centres (list of MNI coordinates in mm)

    Returns
    -------
    labels : ndarray of int16, (x, y, z); position of the ROI in the list plus 1; 0 elsewhere
    affine : ndarray, (4, 4)
    order : list of ndarray, (voxels, 3); grid indices of each ROI's voxels

    Raises
    ------
    InputError
        The brain has too few voxels for all ROIs.
    """
    from nilearn.datasets import load_mni152_brain_mask

    brain = load_mni152_brain_mask(resolution=GRID)
    inside = np.argwhere(np.asarray(brain.dataobj) > 0)
    needed = sum(roi["voxels"] for roi in rois)
    if needed > len(inside):
        raise InputError(f"dataset.simulate.rois: {needed} voxels asked for; the {GRID} mm brain has {len(inside)}.")
    position = inside @ brain.affine[:3, :3].T + brain.affine[:3, 3]
    free = np.ones(len(inside), dtype=bool)
    labels, order = np.zeros(brain.shape, dtype=np.int16), []
    for index, roi in enumerate(rois, start=1):
        distance = np.min([np.linalg.norm(position - centre, axis=1) for centre in roi["centres"]], axis=0)
        chosen = np.argsort(np.where(free, distance, np.inf), kind="stable")[: roi["voxels"]]
        free[chosen] = False
        order.append(inside[chosen])
        labels[tuple(inside[chosen].T)] = index
    return labels, brain.affine, order


def write_json_text(path: Path, content: Section) -> None:
    """A small JSON file inside the data set."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def write_tsv(path: Path, table: pd.DataFrame) -> None:
    """A tab-separated file as BIDS has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, sep="\t", index=False, na_rep="n/a", float_format="%.6g")


def write_image(path: Path, values: np.ndarray, affine: np.ndarray, tr: float | None = None) -> None:
    """A compressed NIfTI; `tr` in s for a time series."""
    import nibabel as nib

    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(values, affine)
    if tr:
        image.header.set_zooms((*image.header.get_zooms()[:3], tr))
        image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)


def write_common(folder: Path, simulation: Simulation, stories: Mapping[str, pd.DataFrame]) -> None:
    """What describes the whole data set: description, participants, README and the stories' transcripts."""
    by = {"Name": "triphase", "Description": "simulated", "Version": simulation.version}
    common: Section = {"BIDSVersion": "1.10.0", "GeneratedBy": [by]}
    description = {
        "Name": simulation.name,
        "DatasetType": "raw",
        "License": simulation.license,
        "HowToAcknowledge": simulation.citation,
    }
    write_json_text(folder / "dataset_description.json", description | common)
    derivative = {"Name": f"{simulation.name} preprocessed", "DatasetType": "derivative"}
    write_json_text(folder / "derivatives" / "preproc" / "dataset_description.json", derivative | common)
    write_json_text(folder / f"task-{TASK}_bold.json", {"TaskName": TASK, "RepetitionTime": simulation.tr})
    write_tsv(folder / "participants.tsv", pd.DataFrame({"participant_id": simulation.subjects}))
    counts = {"subjects": len(simulation.subjects), "runs": len(simulation.runs), "grid": GRID, "tr": simulation.tr}
    (folder / "README").write_text(README.format(stories=", ".join(stories), **counts), encoding="utf-8")
    for stimulus, words in stories.items():
        write_tsv(folder / "stimuli" / f"{stimulus}_words.tsv", words)


def write_listener(
    folder: Path,
    subject: str,
    simulation: Simulation,
    placed: tuple[np.ndarray, np.ndarray, list[np.ndarray]],
    responses: Mapping[str, np.ndarray],
    motion: Mapping[str, np.ndarray],
) -> None:
    """One listener's images, confounds, masks and events; `placed` is what `place_rois` returns."""
    labels, affine, order = placed
    cells = tuple(np.concatenate(order).T)
    preprocessed = folder / "derivatives" / "preproc" / subject / "func"
    stem = f"{subject}_task-{TASK}"
    write_image(preprocessed / f"{stem}_desc-brain_mask.nii.gz", (labels > 0).astype(np.uint8), affine)
    write_image(preprocessed / f"{stem}_dseg.nii.gz", labels, affine)
    names = [roi["name"] for roi in simulation.rois]
    write_tsv(preprocessed / f"{stem}_dseg.tsv", pd.DataFrame({"index": range(1, len(names) + 1), "name": names}))
    for run in simulation.runs:
        series = responses[run["name"]]
        image = np.zeros((*labels.shape, len(series)), dtype=np.float32)
        image[cells] = series.T
        write_image(preprocessed / f"{stem}_{run['name']}_desc-preproc_bold.nii.gz", image, affine, simulation.tr)
        confounds = pd.DataFrame(motion[run["name"]], columns=FMRIPREP_MOTION)
        write_tsv(preprocessed / f"{stem}_{run['name']}_desc-confounds_timeseries.tsv", confounds)
        event = {"onset": 0.0, "duration": simulation.duration, "trial_type": "story"}
        event["stim_file"] = f"{run['stimulus']}_words.tsv"
        write_tsv(folder / subject / "func" / f"{stem}_{run['name']}_events.tsv", pd.DataFrame([event]))
