"""NIfTI images: (x, y, z, time), on the grid of one mask."""

from __future__ import annotations

from collections.abc import Mapping

from triphase.config.readers import READERS
from triphase.core.errors import InputError
from triphase.core.lazy import np
from triphase.core.types import Section
from triphase.responses.masks import brain_mask
from triphase.responses.readers.images import (
    check_comparable,
    check_placed,
    common_mask,
    grid_of,
    on_grid,
    open_image,
    read_part,
    read_volume,
    same_grid,
    whole_labels,
)
from triphase.responses.readers.recording import (
    SLAB_BYTES,
    Recording,
    only,
    refuse_repeat,
    roi_names,
    table_of,
    unlabelled,
)


@READERS.register(name="nifti", suffixes=(".nii", ".nii.gz"), files=("mask", "rois", "roi_table"))
class NiftiReader:
    """4D images of a subject."""

    def __init__(self, example: list[str], paths: Mapping[str, list[str]], source: Section):
        """Settle which voxels are read, and where they lie.

        Parameters
        ----------
        paths : dict of role to list of path: `mask`, 3D images, non-zero inside (of several, one per run, the voxels
            inside all); `rois`, a 3D label image, 0 is no ROI; `roi_table`, a table with columns index and name.
            Without a mask the voxels that `rois` labels, without both the brain on the grid of the responses
        source : dict with `space` and `brain`, as in `masks.brain_mask`
        """
        rois, masks, labels = only(paths, "rois") or "", paths.get("mask", []), None
        if masks:
            inside, self.grid = common_mask(masks)
        if rois:
            values, own = read_volume(rois)
            labels = whole_labels(values, rois)
            if masks:
                labels = on_grid(labels, own, self.grid)
            else:
                inside, self.grid = labels != 0, own
        elif not masks:
            inside, _ = brain_mask(example[0], source["brain"], source["space"])
            self.grid = grid_of(open_image(example[0]), example[0])
        check_placed(self.grid, source["space"])
        if not inside.any():
            raise InputError(f"{self.grid.where}: no voxel is inside the mask")
        indices = np.argwhere(inside)
        # Where each voxel lies in a volume as it is stored: x fastest.
        self.offsets = np.ravel_multi_index(indices.T, self.grid.shape, order="F")
        names = unlabelled(len(indices))
        if labels is not None:
            names = roi_names(labels[inside], rois, only(paths, "roi_table"))
        self.table = table_of(names, self.grid.places(indices))

    def open(self, paths: list[str], run: Section) -> Recording:
        """The `Recording` of a run: `paths` holds its one image."""
        (path,) = paths
        refuse_repeat(run, path)
        image = open_image(path)
        if len(image.shape) != 4:
            raise InputError(f"{path}: {len(image.shape)} dimensions; a run's image has 4 (x, y, z, time)")
        if (kind := image.get_data_dtype()).kind not in "biuf":
            raise InputError(
                f"{path}: values of type {kind}; a response is one number a voxel and volume: of complex ones, take "
                "the magnitude"
            )
        grid = grid_of(image, path)
        check_comparable(grid, self.grid)
        same_grid(grid, self.grid)
        # Bits 3 to 5 of the code: 16 is ms, 24 is us; nibabel has no name for others.
        unit = {16: 1e-3, 24: 1e-6}.get(int(image.header["xyzt_units"]) & 0x38, 1.0)
        tr = float(image.header["pixdim"][4]) * unit
        return Recording(path, image.shape[3], tr if 0 < tr < np.inf else None, lambda: self._read(path))

    def _read(self, path):
        image = open_image(path)
        volumes = image.shape[3]
        values = np.empty((volumes, len(self.offsets)), np.float32)
        # Scaled values come in double precision.
        step = max(1, SLAB_BYTES // (8 * int(np.prod(self.grid.shape))))
        for start in range(0, volumes, step):
            slab = read_part(image, path, (..., slice(start, start + step)))
            flat = slab.reshape(-1, slab.shape[3], order="F")
            for i in range(flat.shape[1]):
                values[start + i] = flat[:, i][self.offsets]
        return values
