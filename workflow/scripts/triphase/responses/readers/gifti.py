"""GIFTI surfaces: (vertex) per time point, one file per hemisphere (`{hemi}` in the path: L and R) or a single one."""

from __future__ import annotations

from collections.abc import Mapping

from triphase.config.readers import READERS
from triphase.core.errors import InputError, one_line
from triphase.core.lazy import np
from triphase.core.types import Section
from triphase.responses.readers.images import open_image
from triphase.responses.readers.recording import Recording, refuse_repeat, roi_names, table_of, unlabelled

# Metadata give the time step in milliseconds (FreeSurfer, Workbench), now and then in seconds: no TR is over 50 s.
MILLISECONDS_FROM = 50
FSAVERAGE5_VERTICES = 10242


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
        self.sizes = [len(_series(path)[0]) for path in example]
        inside = self._surfaces(paths, "mask")
        self.inside = np.ones(sum(self.sizes), bool) if inside is None else inside[0] != 0
        if not self.inside.any():
            raise InputError(f"{inside[1][0]}: no vertex is inside the mask")
        names = unlabelled(int(self.inside.sum()))
        if (rois := self._surfaces(paths, "rois")) is not None:
            labels, files, known = rois
            table = paths.get("roi_table")
            names = roi_names(np.rint(labels[self.inside]).astype(int), files[0], table[0] if table else None, known)
        coordinates = None
        if source["space"] == "fsaverage5":
            if self.sizes != [FSAVERAGE5_VERTICES] * 2:
                raise InputError(
                    f"{example[0]}: {self.sizes[0]} vertices; fsaverage5 has {FSAVERAGE5_VERTICES} in each of two "
                    "hemispheres: set dataset.source.space to none, or give both as {hemi}"
                )
            coordinates = _fsaverage5()[self.inside]
        self.table = table_of(names, coordinates)

    def _surfaces(self, paths, role):
        """Values (vertex,) of a role's files over the hemispheres, the files and their label names; None without."""
        files = [path for key in (role, f"{role}_L", f"{role}_R") for path in paths.get(key, [])]
        if not files:
            return None
        if len(files) != len(self.sizes):
            raise InputError(f"{files[0]}: {len(files)} file(s) of {role} for {len(self.sizes)} hemisphere(s)")
        values, known = [], {}
        for path, size in zip(files, self.sizes, strict=True):
            series, image = _series(path)
            if series.shape != (size, 1):
                raise InputError(
                    f"{path}: {series.shape[1]} maps of {len(series)} vertices, but the response has {size}; a "
                    "mask or label surface has one map"
                )
            values.append(series[:, 0])
            known |= {label.key: label.label for label in image.labeltable.labels}
        return np.concatenate(values), files, known

    def open(self, paths: list[str], run: Section) -> Recording:
        """The `Recording` of a run."""
        for path in paths:
            refuse_repeat(run, path)
        found = [_series(path) for path in paths]
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


def _series(path):
    """Values of a surface file as (vertex, time), and the image."""
    image = open_image(path, "GIFTI surface")
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
