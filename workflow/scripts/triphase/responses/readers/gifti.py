"""GIFTI surfaces: (vertex) per time point, one file per hemisphere (`{hemi}` in the path: L and R) or a single one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from triphase.config.readers import READERS
from triphase.core.errors import InputError, one_line
from triphase.core.lazy import np
from triphase.core.texts import composed
from triphase.core.types import Section
from triphase.responses.readers.images import inside_of, open_image, whole_labels
from triphase.responses.readers.recording import Recording, refuse_repeat, roi_names, table_of, unlabelled

# Metadata give the time step in milliseconds (FreeSurfer, Workbench), now and then in seconds: no TR is over 50 s.
MILLISECONDS_FROM = 50
FSAVERAGE5_VERTICES = 10242
# Intents (NIfTI's codes) of arrays that are of vertices, but no values of theirs.
NO_VALUES = {1006: "displacements", 1008: "points", 1009: "triangles", 2003: "colours", 2004: "colours"}


class Surface(NamedTuple):
    """A mask or label surface: its file, values (vertex,), names by label, and the image itself."""

    path: str
    values: np.ndarray
    names: dict[int, str]
    image: Any


@READERS.register(name="gifti", suffixes=(".gii",), files=("mask", "rois", "roi_table"), hemispheres=True)
class GiftiReader:
    """Functional surfaces of a subject; the right hemisphere's vertices follow those of the left."""

    def __init__(self, example: list[str], paths: Mapping[str, list[str]], source: Section):
        """Settle which vertices are read.

        Parameters
        ----------
        paths : dict of role to list of path; `mask` (non-zero inside) and `rois` (a label surface, whose own names
            count unless there is a `roi_table`), each a single file or, as `mask_L` and `mask_R`, one per hemisphere
        source : dict with `space`; vertices of fsaverage5 lie where nilearn's pial surface has them, others have no
            coordinates
        """
        self.where = example
        opened = [_series(path) for path in example]
        self.sizes = [len(series) for series, _ in opened]
        # What each file says of its side; two files are left and right.
        self.sides = [_side(image) for _, image in opened] if len(example) == 1 else ["left", "right"]
        self._check_sides(example, [image for _, image in opened])
        masks = self._surfaces(paths, "mask")
        parts = [inside_of(surface.values, surface.path) for surface in masks]
        self.inside = np.concatenate(parts) if parts else np.ones(sum(self.sizes), bool)
        if not self.inside.any():
            raise InputError(f"{masks[0].path}: no vertex is inside the mask")
        names = unlabelled(int(self.inside.sum()))
        if rois := self._surfaces(paths, "rois"):
            names = self._names(rois, _files(paths, "roi_table"))
        coordinates = None
        if source["space"] == "fsaverage5":
            if self.sizes != [FSAVERAGE5_VERTICES] * 2:
                raise InputError(
                    f"{example[0]}: {self.sizes[0]} vertices; fsaverage5 has {FSAVERAGE5_VERTICES} in each of two "
                    "hemispheres: set dataset.source.space to none, or give both as {hemi}"
                )
            coordinates = _fsaverage5()[self.inside]
        self.table = table_of(names, coordinates)

    def _names(self, rois, tables):
        """Names of all vertices inside; each file's labels are named by its own table, for keys are used again."""
        if len(tables) not in (0, 1, len(rois)):
            raise InputError(f"{tables[0]}: {len(tables)} files of roi_table for {len(rois)} hemisphere(s)")
        tables = (tables or [None]) * (len(rois) if len(tables) < 2 else 1)
        ends = np.cumsum(self.sizes)
        return np.concatenate(
            [
                roi_names(whole_labels(surface.values, surface.path)[inside], surface.path, table, surface.names)
                for surface, table, inside in zip(rois, tables, np.split(self.inside, ends[:-1]), strict=True)
            ]
        )

    def _check_sides(self, files, images):
        """InputError where a file says that it is of the other hemisphere."""
        for path, image, wanted in zip(files, images, self.sides, strict=True):
            if wanted and (side := _side(image)) and side != wanted:
                raise InputError(
                    f"{path}: by its own metadata a surface of the {side} hemisphere, where the {wanted} one is meant "
                    "({hemi} stands for L, then R)"
                )

    def _surfaces(self, paths, role):
        """The files of a role over the hemispheres, each a `Surface`; none without."""
        files = _files(paths, role)
        if files and len(files) != len(self.sizes):
            raise InputError(f"{files[0]}: {len(files)} file(s) of {role} for {len(self.sizes)} hemisphere(s)")
        surfaces = []
        for path, size in zip(files, self.sizes, strict=False):
            series, image = _series(path)
            if series.shape != (size, 1):
                what = f"{len(series)} vertices, but the response has {size}"
                if len(series) == size:
                    what = f"{series.shape[1]} maps; a mask or label surface has one: take one out (wb_command "
                    what += "-metric-merge OUT -metric IN -column NUMBER)"
                raise InputError(f"{path}: {what}")
            surfaces.append(Surface(path, series[:, 0], _label_names(image, path), image))
        if files:
            self._check_sides(files, [surface.image for surface in surfaces])
        return surfaces

    def open(self, paths: list[str], run: Section) -> Recording:
        """The `Recording` of a run."""
        for path in paths:
            refuse_repeat(run, path)
        found = [_series(path) for path in paths]
        self._check_sides(paths, [image for _, image in found])
        for path, (series, _), size, where in zip(paths, found, self.sizes, self.where, strict=True):
            if len(series) != size:
                raise InputError(f"{path}: {len(series)} vertices, but {where} has {size}; all runs need the same")
        lengths = [series.shape[1] for series, _ in found]
        if len(set(lengths)) > 1:
            raise InputError(f"{paths[1]}: {lengths[1]} time points, but {paths[0]} has {lengths[0]}")
        return Recording(paths[0], lengths[0], _time_step(found[0][1]), lambda: self._read(paths))

    def _read(self, paths):
        whole = np.concatenate([_series(path)[0] for path in paths])
        return np.ascontiguousarray(whole[self.inside].T, dtype=np.float32)


def _files(paths, role):
    return [path for key in (role, f"{role}_L", f"{role}_R") for path in paths.get(key, [])]


def _side(image):
    """The hemisphere that a surface says it is of: left, right, or None."""
    metas = [image.meta, *(array.meta for array in image.darrays)]
    said = {meta.get("AnatomicalStructurePrimary", "") for meta in metas}
    sides = {side for side in ("left", "right") if f"Cortex{side.capitalize()}" in said}
    return sides.pop() if len(sides) == 1 else None


def _label_names(image, path):
    """Names of a surface's labels by key, as its own table has them."""
    names: dict[int, str] = {}
    for label in image.labeltable.labels:
        name = composed(getattr(label, "label", None) or "").strip()
        if names.setdefault(label.key, name) != name:
            raise InputError(
                f"{path}: its label {label.key} is {name!r} and {names[label.key]!r}; give each its own key"
            )
    return names


def _series(path):
    """Values of a surface file as (vertex, time), and the image."""
    image = open_image(path, "GIFTI surface")
    if what := next((NO_VALUES[array.intent] for array in image.darrays if array.intent in NO_VALUES), None):
        raise InputError(
            f"{path}: holds {what}, and not one number a vertex; give a .func.gii, .shape.gii or .label.gii"
        )
    try:
        arrays = [array.data for array in image.darrays]
        values = arrays[0] if len(arrays) == 1 and arrays[0].ndim == 2 else np.stack(arrays, axis=1)
        if values.ndim != 2 or not values.size:
            raise ValueError(f"shape {values.shape}")
    except (AttributeError, IndexError, ValueError) as error:
        raise InputError(f"{path}: holds no values per vertex ({one_line(error)}); get the file again") from None
    return values, image


def _time_step(image):
    for meta in (image.meta, image.darrays[0].meta):
        try:
            step = float(meta.get("TimeStep", 0))
        except ValueError:
            continue
        if step > 0:
            return step / 1000 if step >= MILLISECONDS_FROM else step
    return None


def _fsaverage5():
    from nilearn.datasets import load_fsaverage

    parts = load_fsaverage("fsaverage5")["pial"].parts
    return np.concatenate([parts[side].coordinates for side in ("left", "right")])
