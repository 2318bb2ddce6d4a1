"""Cleaning of a run by plain least squares, to compare with."""

import numpy as np

TR = 2.0
HIGH_PASS = 0.01


def residuals(values, regressors):
    """What least squares on an intercept and some regressors leaves."""
    design = np.column_stack([np.ones(len(values)), regressors])
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]


def zscore(values):
    return (values - values.mean(axis=0)) / values.std(axis=0, ddof=1)
