"""A finished study as files that other programs and archives take: CSV, NIfTI and GIFTI maps, and an RO-Crate.

Maps have names of BIDS derivatives (BIDS 1.10), with a JSON file beside each that says what its values are:

    maps/sub-01/sub-01_space-MNI_desc-steadyStep1200_stat-gain_statmap.nii.gz
    maps/sub-01/sub-01_hemi-L_space-fsaverage5_desc-steadyStep1200_stat-gain_statmap.func.gii
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from triphase.api.crate import crate
from triphase.api.finished import Finished
from triphase.api.images import images
from triphase.core.artefacts import read_arrays, read_table
from triphase.core.errors import InputError
from triphase.core.folders import PROJECT
from triphase.core.provenance import VERSION

# What a reader opens, taken over as it is where the study has it.
PAGES = (
    "index.html",
    "summary.html",
    "summary.md",
    "tables.html",
    "data.html",
    "methods.md",
    "methods.bib",
    "phases.json",
    "across_models.json",
    "trajectories.parquet",
    "changes.parquet",
)
PARTS = {
    "volume": ("space-MNI", "nii.gz"),
    "left": ("hemi-L_space-fsaverage5", "func.gii"),
    "right": ("hemi-R_space-fsaverage5", "func.gii"),
}
SPACES = {"mni": "MNI152 template, mm", "fsaverage5": "fsaverage5, one value for each vertex"}
BIDS = "1.10.0"


def export(study: Finished, folder: str | Path) -> list[Path]:
    """Write a study's pages, figures, tables and maps into a new folder, which is an RO-Crate.

    Parameters
    ----------
    folder : is made; what is in it already is not touched

    Returns
    -------
    list of the files' paths, the crate's metadata last

    Raises
    ------
    InputError : the folder is not empty, or two names of the study would be one in BIDS
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: is there already, and not empty; name a folder to be made")
    folder.mkdir(parents=True, exist_ok=True)
    files = [*copies(study, folder), *tables(study, folder / "tables"), *maps(study, folder / "maps")]
    metadata = folder / "ro-crate-metadata.json"
    metadata.write_text(json.dumps(crate(study, folder, files), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return [*files, metadata]


def copies(study: Finished, folder: Path) -> Iterator[Path]:
    """Copy the study's pages and figures, and the workflow that made them."""
    sources = {study.folder / name: folder / name for name in PAGES}
    sources |= {path: folder / "figures" / path.name for path in sorted((study.folder / "figures").glob("*.*"))}
    sources[PROJECT / "Snakefile"] = folder / "Snakefile"
    for source, target in sources.items():
        if source.is_file():
            target.parent.mkdir(exist_ok=True)
            yield Path(shutil.copyfile(source, target))


def study_tables(study: Finished) -> dict[str, pd.DataFrame]:
    """The study's tables by name; those that it lacks are left out."""
    found = {"trajectories": study.table, "verdicts": study.verdicts.rename_axis("model").reset_index()}
    if (path := study.folder / "changes.parquet").is_file():
        found["changes"] = read_table(path)
    rows = [read_table(path) for path in sorted((study.folder / "specifications").glob("*.parquet"))]
    if rows:
        found["specifications"] = pd.concat(rows, ignore_index=True)
    return found


def tables(study: Finished, folder: Path) -> Iterator[Path]:
    """Write the study's tables as CSV: UTF-8, a missing value is an empty cell."""
    folder.mkdir()
    for name, table in study_tables(study).items():
        table.to_csv(folder / f"{name}.csv", index=False)
        yield folder / f"{name}.csv"


def maps(study: Finished, folder: Path) -> Iterator[Path]:
    """Write the gain of every subject, model and checkpoint as BIDS derivatives; none where voxels have no place."""
    sources = {model: study.folder / "maps" / f"{model}.zarr.zip" for model in study.models}
    sources = {model: path for model, path in sources.items() if path.is_file()}
    if not sources:
        return
    folder.mkdir()
    space, written = study.description["dataset"]["space"], dict[Path, str]()
    about = {
        "Name": f"Gain in r over nuisance of the study {study.folder.name}",
        "BIDSVersion": BIDS,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "triphase", "Version": VERSION}],
    }
    yield _json(folder / "dataset_description.json", about)
    for model, path in sources.items():
        gains = read_arrays(path)["gain"]
        for checkpoint in map(str, gains["checkpoint"].values):
            gain = gains.sel(checkpoint=checkpoint)
            said = {
                "Description": "r of the joint encoding model minus r of the nuisance features alone, held out",
                "Units": "r",
                "Model": model,
                "Checkpoint": checkpoint,
                "TrainingTokens": int(gain["tokens"]),
                "SpatialReference": SPACES[space],
            }
            for subject, parts in images(gain, space).items():
                label = f"sub-{_label(subject.removeprefix('sub-'))}"
                for part, image in parts.items():
                    where, suffix = PARTS[part]
                    name = f"{label}_{where}_desc-{_label(model)}{_label(checkpoint, True)}_stat-gain_statmap"
                    target, of = folder / label / f"{name}.{suffix}", f"{subject}, {model}, {checkpoint}"
                    if target in written:
                        raise InputError(
                            f"{target.name}: both of {written[target]} and of {of}; labels of BIDS are letters "
                            "and digits, in which names must differ"
                        )
                    written[target] = of
                    target.parent.mkdir(exist_ok=True)
                    image.to_filename(target)
                    yield target
                    yield _json(folder / label / f"{name}.json", said | {"Subject": subject})


def _label(name: str, capital: bool = False) -> str:
    """A name as a label of BIDS: letters and digits."""
    label = re.sub(r"[^A-Za-z0-9]", "", name)
    return label[:1].upper() + label[1:] if capital else label


def _json(path: Path, content: dict) -> Path:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
