"""CIFTI-2 dense time series (.dtseries.nii): (time, grayordinate), surfaces and subcortical voxels in one file."""

from __future__ import annotations

from collections.abc import Mapping

from triphase.config.readers import READERS
from triphase.core.errors import InputError, one_line
from triphase.core.lazy import np
from triphase.core.texts import composed
from triphase.core.types import Section
from triphase.responses.readers.images import inside_of, open_image, read_part, whole_labels
from triphase.responses.readers.recording import (
    SLAB_BYTES,
    Recording,
    only,
    refuse_repeat,
    roi_names,
    table_of,
    unlabelled,
)


@READERS.register(name="cifti", suffixes=(".dtseries.nii",), files=("mask", "rois", "roi_table"))
class CiftiReader:
    """Dense time series of a subject."""

    def __init__(self, example: list[str], paths: Mapping[str, list[str]], source: Section):
        """Settle which grayordinates are read.

        Parameters
        ----------
        paths : dict of role to list of path; `mask`, a dense scalar or label file, non-zero inside; `rois`, a dense
            label file, whose own names count unless there is a `roi_table`; both on the grayordinates of the responses
        """
        self.where = example[0]
        _, _, self.brain = _open(self.where)
        self.inside = np.ones(len(self.brain), bool)
        if mask := only(paths, "mask"):
            self.inside = inside_of(self._map(mask)[0], mask)
            if not self.inside.any():
                raise InputError(f"{mask}: no grayordinate is inside the mask")
        names = unlabelled(int(self.inside.sum()))
        if rois := only(paths, "rois"):
            values, known = self._map(rois)
            names = roi_names(whole_labels(values, rois)[self.inside], rois, only(paths, "roi_table"), known)
        self.table = table_of(names, self._coordinates()[self.inside])

    def _coordinates(self):
        """Place (mm) of the subcortical voxels; vertices have none here."""
        xyz = np.full((len(self.brain), 3), np.nan)
        voxels = self.brain.volume_mask
        if voxels.any():
            affine = self.brain.affine
            xyz[voxels] = self.brain.voxel[voxels] @ affine[:3, :3].T + affine[:3, 3]
        return xyz

    def _map(self, path):
        """The first map of a scalar or label file, and its label names."""
        image, first, brain = _open(path)
        self._same(brain, path)
        known = {}
        if hasattr(first, "label"):
            known = {key: composed(name or "").strip() for key, (name, _) in first.label[0].items()}
        return read_part(image, path, (0, slice(None))), known

    def _same(self, brain, path):
        if brain != self.brain:
            raise InputError(
                f"{path}: its {len(brain)} grayordinates are not the {len(self.brain)} of {self.where}; "
                "all files of a subject need the same"
            )

    def open(self, paths: list[str], run: Section) -> Recording:
        """The `Recording` of a run: `paths` holds its one file."""
        import nibabel as nib

        (path,) = paths
        refuse_repeat(run, path)
        image, series, brain = _open(path)
        self._same(brain, path)
        if not isinstance(series, nib.cifti2.SeriesAxis):
            raise InputError(f"{path}: its rows are no time points; a run is a dense time series (.dtseries.nii)")
        tr = float(series.step) if series.unit == "SECOND" and series.step > 0 else None
        return Recording(path, len(series), tr, lambda: self._read(path))

    def _read(self, path):
        image, series, _ = _open(path)
        values = np.empty((len(series), int(self.inside.sum())), np.float32)
        step = max(1, SLAB_BYTES // (8 * len(self.inside)))
        for start in range(0, len(series), step):
            values[start : start + step] = read_part(image, path, slice(start, start + step))[:, self.inside]
        return values


def _open(path):
    """The image, its first axis, and the axis of its grayordinates."""
    import nibabel as nib

    image = open_image(path, "CIFTI file")
    if not isinstance(image, nib.Cifti2Image) or len(image.shape) != 2:
        raise InputError(f"{path}: not a dense CIFTI-2 file (.dtseries.nii); get the file again, or set another reader")
    try:
        first, brain = (image.header.get_axis(i) for i in (0, 1))
    except (nib.cifti2.Cifti2HeaderError, ValueError, KeyError, IndexError) as error:
        raise InputError(f"{path}: its header is damaged ({one_line(error)}); get the file again") from None
    if not isinstance(brain, nib.cifti2.BrainModelAxis):
        raise InputError(f"{path}: its columns are no grayordinates; a run is a dense time series (.dtseries.nii)")
    return image, first, brain
