"""Rows of measures, held against what the table of measures says of each."""

import numpy as np

from triphase.table.measures import MEASURES


def assert_as_described(rows):
    """Every row of a tidy table has a described measure, a value in its range, and the columns that belong to it."""
    unknown = set(rows["measure"]) - set(MEASURES)
    assert not unknown, unknown
    for name, own in rows.groupby("measure"):
        measure = MEASURES[name]
        raw = own[~own["normalised"]] if "normalised" in own else own
        low, high = measure.bounds
        slack = 1e-6 * max(1.0, raw["value"].abs().max())
        assert raw["value"].dropna().between(low - slack, high + slack).all(), name
        assert np.isfinite(raw["value"].dropna()).all(), name
        assert not (own["se"] < 0).any() and not (own["n"] < 0).any(), name
        assert own["layer"].notna().all() if measure.per_layer else True, name
        for column in ("target", "setting"):
            assert (own[column].notna() == bool(getattr(measure, column))).all(), (name, column)
