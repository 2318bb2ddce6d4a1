"""Readers of brain responses and of confounds: images and plain text behind one interface.

A reader offers `table` (one row per voxel: roi, x, y, z) and `read(path)`, which gives one run as (time, voxel) float32
and the TR of the file where it has one.
"""

import csv
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from triphase.errors import InputError


def open_responses(source, files):
    """The reader for a subject's responses.

    Parameters
    ----------
    source : dict
        The entry of `dataset.responses.sources`; one with `columns` is plain text.
    files : dict of role to dict of key to {path}: `files` of the subject's manifest
    """
    if source.get("columns"):
        return TextResponses(source["columns"])
    paths = {role: entries[""]["path"] for role, entries in files.items() if "" in entries}
    example = next(iter(files["response"].values()))["path"]
    return ImageResponses(example, mask=paths.get("mask"), rois=paths.get("rois"), roi_table=paths.get("roi_table"))


class TextResponses:
    """Plain text: one row per volume, one column per ROI, separated by white space."""

    def __init__(self, columns):
        """Columns : list of str, names of the ROIs in order."""
        self.columns = list(columns)
        self.table = pd.DataFrame({"roi": self.columns, "x": np.nan, "y": np.nan, "z": np.nan})

    def read(self, path):
        """One run as (time, roi), and None: a text file says nothing of its TR."""
        values = read_numbers(path)
        if values.shape[1] != len(self.columns):
            raise InputError(
                f"{path}: {values.shape[1]} columns, but the source's `columns` names {len(self.columns)}: "
                + ", ".join(self.columns)
            )
        return values.astype(np.float32), None


class ImageResponses:
    """NIfTI images of a subject, on the grid of one mask."""

    def __init__(self, example, *, mask=None, rois=None, roi_table=None):
        """Settle which voxels are read, and where they lie.

        Parameters
        ----------
        example : path of one of the subject's 4D images, whose grid serves where there is no mask
        mask : path of a 3D image, non-zero inside; without one the voxels that `rois` labels, without both the brain of
            the MNI152 template on the grid of `example`
        rois : path of a 3D label image; 0 is no ROI
        roi_table : path of a table with columns index and name (tab-separated)
        """
        labels = None
        if rois is not None:
            labels, affine = _volume(rois)
            self.where = rois
        if mask is not None:
            inside, affine = _volume(mask)
            self.where = mask
            if labels is not None and labels.shape != inside.shape:
                raise InputError(f"{rois}: shape {labels.shape}, but the mask {mask} has {inside.shape}")
            inside = inside != 0
        elif labels is not None:
            inside = labels != 0
        else:
            inside, affine = _template_brain(example)
            self.where = example
        if not inside.any():
            raise InputError(f"{self.where}: no voxel is inside the mask")
        self.inside, self.affine = inside, affine
        indices = np.argwhere(inside)
        x, y, z = (indices @ affine[:3, :3].T + affine[:3, 3]).T
        names = np.full(len(indices), "", dtype=object)
        if labels is not None:
            names = _roi_names(np.rint(labels[inside]).astype(int), rois, roi_table)
        self.table = pd.DataFrame({"roi": names, "x": x, "y": y, "z": z})

    def read(self, path):
        """One run as (time, voxel) float32, and the TR of its header in s (None where the header has none)."""
        import nibabel as nib

        image = _open_image(path)
        if len(image.shape) != 4:
            raise InputError(f"{path}: {len(image.shape)} dimensions; a run's image has 4 (x, y, z, time)")
        if image.shape[:3] != self.inside.shape:
            raise InputError(f"{path}: grid {image.shape[:3]}, but {self.where} has {self.inside.shape}")
        if not np.allclose(image.affine, self.affine, atol=0.01):
            raise InputError(f"{path}: its affine is not that of {self.where}; resample one to the other's grid")
        try:
            values = np.asarray(image.dataobj, dtype=np.float32)[self.inside].T
        except (OSError, EOFError, ValueError, zlib.error, nib.filebasedimages.ImageFileError) as error:
            raise InputError(f"{path}: truncated or damaged image ({error}); get the file again") from None
        unit = {"msec": 1e-3, "usec": 1e-6}.get(image.header.get_xyzt_units()[1], 1.0)
        tr = float(image.header.get_zooms()[3]) * unit
        return np.ascontiguousarray(values), tr or None


def _open_image(path):
    import nibabel as nib

    try:
        return nib.load(path)
    except (OSError, EOFError, zlib.error, nib.filebasedimages.ImageFileError) as error:
        raise InputError(f"{path}: not a readable NIfTI image ({error}); get the file again") from None


def _volume(path):
    image = _open_image(path)
    try:
        values = np.asarray(image.dataobj)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(f"{path}: truncated or damaged image ({error}); get the file again") from None
    if values.ndim != 3:
        raise InputError(f"{path}: {values.ndim} dimensions; a mask or label image has 3")
    return values, image.affine


def _template_brain(example):
    from nilearn.datasets import load_mni152_brain_mask
    from nilearn.image import index_img, resample_to_img

    grid = index_img(_open_image(example), 0)
    mask = resample_to_img(
        load_mni152_brain_mask(), grid, interpolation="nearest", copy_header=True, force_resample=True
    )
    return np.asarray(mask.dataobj) != 0, grid.affine


def _roi_names(labels, rois, roi_table):
    if roi_table is None:
        return np.array([f"roi-{value}" if value else "" for value in labels], dtype=object)
    try:
        table = pd.read_csv(roi_table, sep="\t", quoting=csv.QUOTE_NONE, encoding="utf-8-sig")
        names = dict(zip(table["index"].astype(int), table["name"].astype(str), strict=True))
    except (KeyError, ValueError) as error:
        raise InputError(f"{roi_table}: needs the columns index (whole number) and name ({error})") from None
    if unnamed := sorted(set(labels.tolist()) - set(names) - {0}):
        raise InputError(f"{roi_table}: no row for the label {unnamed[0]}, which {rois} holds")
    return np.array([names[value] if value else "" for value in labels], dtype=object)


def read_numbers(path):
    """A table of plain numbers without a header as (row, column) float64."""
    try:
        return np.loadtxt(path, ndmin=2, encoding="utf-8")
    except ValueError as error:
        raise InputError(f"{path}: not a table of numbers in rows of equal length ({error})") from None


def read_confounds(path):
    """Confounds of one run as (time, confound) float64, from a .tsv table with a header or from plain columns."""
    if Path(path).suffix != ".tsv":
        return read_numbers(path)
    try:
        table = pd.read_csv(path, sep="\t", quoting=csv.QUOTE_NONE, encoding="utf-8-sig", na_values=["n/a"])
        return table.to_numpy(float)
    except ValueError as error:
        raise InputError(f"{path}: not a table of numbers with one header ({error})") from None


def match_rows(confounds, volumes, dropped, path):
    """Confounds of the volumes that the response file holds.

    Parameters
    ----------
    confounds : array (time, confound); either one row per volume of the response, or from volume 0 of the scan on
    volumes, dropped : int, volumes in the response file, and missing from its start
    path : str, for the message
    """
    if len(confounds) == volumes + dropped:
        confounds = confounds[dropped:]
    elif len(confounds) != volumes:
        also = f" (or {volumes + dropped}, with the {dropped} dropped volumes)" if dropped else ""
        raise InputError(f"{path}: {len(confounds)} rows, but the response has {volumes} volumes{also}")
    wrong = ~np.isfinite(confounds)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise InputError(
            f"{path}: column {column + 1} has no number for volume {row}; a confound needs one for every volume"
        )
    return confounds
