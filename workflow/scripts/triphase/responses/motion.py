"""Movement of the head, from the six parameters that were estimated when volumes were realigned."""

import numpy as np
import pandas as pd

FMRIPREP_MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
# Radius of the sphere on which rotations are taken as displacements (Power et al. 2012), mm.
HEAD_RADIUS = 50.0
# Mean framewise displacement (mm) from which a run is named as one with much motion (Power et al. 2014).
MUCH_MOTION = 0.5


def framewise_displacement(motion: np.ndarray) -> np.ndarray:
    """Movement of the head from each volume to the next (Power et al. 2012), in mm.

    Parameters
    ----------
    motion : array (volume, 6), translations in mm and rotations in radians; these count as arcs on a sphere of 50 mm

    Returns
    -------
    array (volume,), NaN for the first
    """
    change = np.abs(np.diff(np.asarray(motion, dtype=float), axis=0))
    return np.r_[np.nan, change[:, :3].sum(axis=1) + HEAD_RADIUS * change[:, 3:].sum(axis=1)]


def motion_parameters(table: pd.DataFrame, rotations_first: bool = False) -> np.ndarray | None:
    """The six motion parameters of a confound table, or None where it has none that can be told.

    fMRIPrep's by name. Six columns without names are taken for SPM's (rp_*.txt): translations in mm, then rotations in
    radians; or for FSL's (.par) where rotations come first.
    """
    if set(FMRIPREP_MOTION) <= set(table.columns):
        return table[list(FMRIPREP_MOTION)].to_numpy(float)
    if list(table.columns) != [str(number) for number in range(1, 7)]:
        return None
    return np.roll(table.to_numpy(float), 3, axis=1) if rotations_first else table.to_numpy(float)
