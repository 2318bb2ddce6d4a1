"""Subjects, runs and images of a folder of BIDS derivatives, as fMRIPrep writes them, found by the names of files.

Found are derivatives/sub-*/, derivatives/fmriprep/sub-*/ and the fMRIPrep folder itself, with or without sessions. What
differs between images of one run (space, resolution, density) is chosen by `bids` of the data set's entry where there
are several; echoes, parts (phase) and rest are no runs.

Snakemake imports this at every start, so nothing heavy is imported here.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from triphase.core.errors import InputError
from triphase.core.messages import listed
from triphase.core.types import Section

ENTITY = re.compile(r"([a-zA-Z]+)-([a-zA-Z0-9+]+)")
# What says on which grid an image lies, and no more of which run it is.
GRID = ("hemi", "space", "cohort", "res", "den")
# Ends of the names of responses, by reader.
ENDS = {
    "nifti": ("_bold.nii.gz", "_bold.nii"),
    "gifti": (".func.gii",),
    "cifti": ("_bold.dtseries.nii",),
}
# What a source's `space` is called in names; of images on their own grid fMRIPrep names none.
SPACES = {"mni": r"MNI\w+", "native": "|T1w|func|boldref", "fsaverage5": "fsaverage5", "none": r"\w+"}
# Names of tasks in which nothing is heard: rest, restingState, restEyesOpen, REST1; not restaurant.
REST = re.compile("[Rr]est(ing)?([Ss]tate)?(?![a-z])|REST(?![A-Z])")
# fMRIPrep's own default is taken where there are several templates and none is named.
PREFERRED = "MNI152NLin2009cAsym"
# Folders that hold no responses, or none that are preprocessed.
PASSED = {"anat", "figures", "fmap", "dwi", "perf", "eeg", "meg", "log", "logs", "work", "sourcedata", "freesurfer"}
MISNAMED = "not named as BIDS says, sub-01_task-x_..., of letters and numbers"
WHERE = "derivatives/[fmriprep/]sub-*/[ses-*/]func/*_desc-preproc_bold.nii.gz"

Named = TypeVar("Named")


@dataclass(frozen=True)
class Image:
    """One image of a run.

    path : below the folder; entities : of its name; stem : path up to the run's own entities; image : the rest of it
    """

    path: str
    entities: Mapping[str, str]
    stem: str
    image: str

    @property
    def grid(self) -> str:
        """The entities of its grid as they stand in the name, for any hemisphere."""
        return "_".join(f"{key}-{value}" for key, value in self.entities.items() if key in GRID and key != "hemi")


@dataclass(frozen=True)
class Found:
    """What a folder holds.

    Attributes
    ----------
    runs : dict of subject to list of run, both in the order of people
    files : dict of subject to dict of run to what {run} stands for; empty where a template's placeholders do
    templates : what else stands in the source's templates: {image} and {grid}
    unread : files that look like responses and are none of the study, each with the reason
    told : lines that say what there is
    """

    runs: Mapping[str, Sequence[str]]
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)
    unread: Sequence[str] = ()
    told: Sequence[str] = ()


def natural(name: str) -> list[str | int]:
    """Sort key that compares the numbers in a name as numbers."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"([0-9]+)", name))]


def find_images(source: Section, choice: Section, folder: str | Path) -> Found:
    """Subjects, runs and images of a folder that a source reads.

    Parameters
    ----------
    source : dict with name, reader and space
    choice : `bids` of the entry: folder, space, res, den, tasks, sessions, where named
    folder : the user's own

    Raises
    ------
    InputError : nothing found, or several images of one run and no choice between them
    """
    root = Path(folder, choice.get("folder", ""))
    images, unread, others = [], [], set()
    for path in walk(root, ENDS[source["reader"]]):
        image = parse(path, choice.get("folder", ""))
        if isinstance(image, str):
            # Of raw data beside the derivatives nothing is said.
            if image == MISNAMED or re.search(r"_(space|desc)-", path):
                unread.append(f"{path} ({image})")
        elif not fits(image, source, choice):
            others.add(image.grid or "no space")
        else:
            images.append(image)
    if not images:
        seen = f"; it has {listed(sorted(others), 8)}" if others else ""
        seen += f"; not read: {listed(unread, 3)}" if unread else ""
        raise InputError(
            f"local_data: no file of the folder {folder} fits the path {WHERE!r} of "
            f"the source {source['name']!r} (space {source['space']}, reader {source['reader']}){seen}; name what is "
            "there in dataset/overrides/bids, choose another source, or put the files there"
        )
    images = chosen_grid(images, source, folder)
    runs = by_name(images)
    told = [
        f"local_data: {len(runs)} subjects, tasks {listed(sorted({i.entities['task'] for i in images}), 8)}, "
        f"images {images[0].grid or 'on their own grid'}"
        + (f"; also there: {listed(sorted(others), 8)}" if others else "")
    ]
    first = images[0]
    image = re.sub(r"hemi-[LR]", "hemi-{hemi}", first.image)
    return Found(
        {subject: list(heard) for subject, heard in runs.items()},
        {subject: {name: each.stem for name, each in heard.items()} for subject, heard in runs.items()},
        {"image": image, "grid": first.grid},
        sorted(unread),
        told,
    )


def walk(root: Path, ends: tuple[str, ...]) -> Iterator[str]:
    """Files below a folder whose names end so, as paths below it, in order."""
    for parent, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if name not in PASSED and not name.startswith("."))
        for name in sorted(files):
            if name.endswith(ends):
                yield Path(parent, name).relative_to(root).as_posix()


def parse(path: str, below: str = "") -> Image | str:
    """The image that a path names; or why it is none, as text."""
    *folders, name = path.split("/")
    parts = name.split(".")[0].split("_")
    suffix = parts.pop() if not ENTITY.fullmatch(parts[-1]) else ""
    matches = [ENTITY.fullmatch(part) for part in parts]
    entities = {match[1]: match[2] for match in matches if match}
    if len(entities) != len(parts) or "sub" not in entities or "task" not in entities or parts[0][:4] != "sub-":
        return MISNAMED
    for key in ("sub", "ses"):
        inside = [folder for folder in folders if folder.startswith(f"{key}-")]
        if inside and inside[-1] != f"{key}-{entities.get(key)}":
            return f"it lies in the folder {inside[-1]}"
    if REST.match(entities["task"]):
        return "rest"
    for key, what in {"echo": "an echo", "part": "a part"}.items():
        if key in entities:
            return what
    if suffix not in ("bold", ""):
        return f"its suffix is {suffix}"
    cut = next((place for place, part in enumerate(parts) if part.split("-")[0] in (*GRID, "desc")), len(parts))
    stem = "/".join(filter(None, [below.strip("/"), *folders, "_".join(parts[:cut])]))
    return Image(
        "/".join(filter(None, [below.strip("/"), path])), entities, stem, name[len("_".join(parts[:cut])) + 1 :]
    )


def fits(image: Image, source: Section, choice: Section) -> bool:
    """Whether an image is preprocessed, in the source's space, and what the entry chooses."""
    have = image.entities
    if not re.fullmatch(SPACES[source["space"]], have.get("space", "")):
        return False
    wanted = {"desc": "preproc"} if source["reader"] == "nifti" else {}
    wanted |= {key: str(choice[key]) for key in ("space", "res", "den", "desc") if key in choice}
    if any(natural(have.get(key, "")) != natural(text) for key, text in wanted.items()):
        return False
    return all(
        key not in choice or have.get(one) in choice[key] for key, one in {"tasks": "task", "sessions": "ses"}.items()
    )


def chosen_grid(images: list[Image], source: Section, folder: str | Path) -> list[Image]:
    """The images of one grid; InputError where there are several, and fMRIPrep's own template does not decide."""
    grids = {image.grid for image in images}
    if len(grids) > 1 and (mine := [i for i in images if i.entities["space"] == PREFERRED]):
        images = mine
    grids = {image.grid for image in images}
    if len(grids) > 1:
        raise InputError(
            f"local_data: the folder {folder} has images of the source {source['name']!r} in {len(grids)} grids: "
            f"{', '.join(sorted(grids))}; name one in dataset/overrides/bids (space, res or den)"
        )
    forms = {re.sub(r"hemi-[LR]", "hemi-", image.image) for image in images}
    if len(forms) > 1:
        raise InputError(
            f"local_data: the images of the source {source['name']!r} in the folder {folder} are named in {len(forms)} "
            f"ways: {', '.join(sorted(forms))}; name one in dataset/overrides/bids (desc, or its folder), or give them "
            "one name, as one version of fMRIPrep does"
        )
    return images


def by_name(images: list[Image]) -> dict[str, dict[str, Image]]:
    """Images by subject and run: a run is named by its task and what follows, with its session where it must be."""
    stems = len({image.stem for image in images})
    plain = _named(images, sessions=False)
    if sum(map(len, plain.values())) < stems:
        plain = _named(images, sessions=True)
    if sum(map(len, plain.values())) < stems:
        taken = {image.stem for heard in plain.values() for image in heard.values()}
        lost = next(image for image in images if image.stem not in taken)
        kept = plain[f"sub-{lost.entities['sub']}"][_name(lost, True)]
        raise InputError(
            f"local_data: {kept.path} and {lost.path} are images of one run; name the folder that counts in "
            "dataset/overrides/bids (folder)"
        )
    named = {subject: {run: plain[subject][run] for run in sorted(plain[subject], key=natural)} for subject in plain}
    return under_one_name({subject: named[subject] for subject in sorted(named, key=natural)})


def under_one_name(runs: Mapping[str, Mapping[str, Named]]) -> dict[str, dict[str, Named]]:
    """Runs whose names differ by leading zeros alone (run-1, run-01) under one name, the first: dict of subject.

    Raises
    ------
    InputError : a subject has two such
    """
    first: dict[str, str] = {}
    found: dict[str, dict[str, Named]] = {}
    for subject, heard in runs.items():
        mine = found.setdefault(subject, {})
        for name, value in heard.items():
            common = first.setdefault(str(natural(name)), name)
            if common in mine:
                raise InputError(
                    f"local_data: {subject} has the runs {common!r} and {name!r}, which differ by zeros alone: they "
                    "are one run, or one of them is misnamed; rename it, or take the one that does not count out of "
                    "the folder"
                )
            mine[common] = value
    return found


def _name(image: Image, sessions: bool) -> str:
    own = os.path.basename(image.stem).split("_")[1:]
    session = [part for part in own if part.startswith("ses-")] if sessions else []
    rest = [part.removeprefix("task-") for part in own if not part.startswith("ses-")]
    return "_".join(session + rest)


def _named(images: list[Image], sessions: bool) -> dict[str, dict[str, Image]]:
    named: dict[str, dict[str, Image]] = {}
    for image in images:
        named.setdefault(f"sub-{image.entities['sub']}", {})[_name(image, sessions)] = image
    return named
