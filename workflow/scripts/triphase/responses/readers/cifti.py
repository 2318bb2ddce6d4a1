"""CIFTI-2 dense time series (.dtseries.nii): (time, grayordinate), surfaces and subcortical voxels in one file."""

from __future__ import annotations

from collections.abc import Mapping

from triphase.config.readers import READERS
from triphase.core.errors import InputError, one_line
from triphase.core.lazy import np, pd
from triphase.core.messages import listed
from triphase.core.texts import composed
from triphase.core.types import Section
from triphase.responses.readers.images import Grid, inside_of, open_image, read_part, same_grid, whole_labels
from triphase.responses.readers.recording import (
    SLAB_BYTES,
    Recording,
    only,
    refuse_repeat,
    roi_names,
    table_of,
    unlabelled,
)

# Of the maps of a file that a message names.
MOST_MAPS = 6


@READERS.register(name="cifti", suffixes=(".dtseries.nii",), files=("mask", "rois", "roi_table"))
class CiftiReader:
    """Dense time series of a subject."""

    def __init__(self, example: list[str], paths: Mapping[str, list[str]], source: Section):
        """Settle which grayordinates are read.

        Parameters
        ----------
        paths : dict of role to list of path; `mask`, a dense scalar or label file, non-zero inside; `rois`, a dense
            label file, whose own names count unless there is a `roi_table`. Both are laid over the responses vertex by
            vertex and voxel by voxel, whatever the order of their structures, and what they lack (an atlas of the
            cortex alone) is outside
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
        """The map of a scalar or label file on the responses' grayordinates, 0 where it has none, and label names."""
        image, first, brain = _open(path)
        if len(first) != 1:
            names = listed([str(name) for name in getattr(first, "name", ())], MOST_MAPS)
            raise InputError(
                f"{path}: {len(first)} maps{f' ({names})' if names else ''}; a mask or label file has one: take it out "
                "(wb_command -cifti-merge OUT -cifti IN -column NAME)"
            )
        known = {}
        if hasattr(first, "label"):
            known = {key: composed(name or "").strip() for key, (name, _) in first.label[0].items()}
        rows = self._rows(brain, path)
        values = read_part(image, path, (0, slice(None)))
        return np.where(rows >= 0, values[rows], 0), known

    def _rows(self, brain, path):
        """Of every grayordinate of the responses, its place in another file: int array, -1 where it has none."""
        if brain == self.brain:
            return np.arange(len(brain))
        for name, vertices in brain.nvertices.items():
            own = self.brain.nvertices.get(name, vertices)
            if own != vertices:
                raise InputError(
                    f"{path}: {name} has {vertices} vertices, and {own} in {self.where}; both have to be on one mesh: "
                    "resample one (wb_command -cifti-resample)"
                )
        if brain.volume_mask.any() and self.brain.volume_mask.any():
            theirs = Grid(self.brain.volume_shape, self.brain.affine, self.where)
            same_grid(Grid(brain.volume_shape, brain.affine, path), theirs)
        places = [pd.MultiIndex.from_arrays([axis.name, axis.vertex, *axis.voxel.T]) for axis in (brain, self.brain)]
        rows = places[0].get_indexer(places[1])
        if not (rows >= 0).any():
            raise InputError(
                f"{path}: none of its {len(brain)} grayordinates is one of the {len(self.brain)} of {self.where}; both "
                "have to be of the same structures"
            )
        return rows

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
        what = "parcels" if isinstance(brain, nib.cifti2.ParcelsAxis) else "no grayordinates"
        raise InputError(
            f"{path}: its columns are {what}; a run is a dense time series (.dtseries.nii), and parcels are given as "
            "`rois`, a dense label file; or write the array as .npy, for the reader npy with `columns`"
        )
    return image, first, brain
