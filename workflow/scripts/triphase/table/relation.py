"""How surprisal and alignment go together over the checkpoints of one run: descriptive, without a test."""

import numpy as np
import pandas as pd

from triphase.table.selection import Selection
from triphase.table.tidy import ALIGNMENT

# A correlation of fewer checkpoints is nearly any number.
FEWEST_CHECKPOINTS = 5


def surprisal_relation(table: pd.DataFrame) -> pd.DataFrame:
    """Spearman correlation of surprisal of the stimulus with alignment over a run's checkpoints, and of their changes.

    Two curves that both follow training correlate whatever connects them, so the correlation of the changes from one
    checkpoint to the next stands beside it. Neighbouring checkpoints are not independent: there is no p-value.

    Parameters
    ----------
    table : DataFrame
        Tidy rows with `surprisal` and `alignment`.

    Returns
    -------
    DataFrame with model, subject, roi, measure (`surprisal_relation`, `surprisal_relation_changes`), value, n
    (checkpoints; changes); NaN for fewer than `FEWEST_CHECKPOINTS`, or where one of both is constant
    """
    surprisal = Selection("surprisal").rows(table).set_index(["model", "checkpoint"])["value"].rename("bits")
    curves = Selection(ALIGNMENT).rows(table).join(surprisal, on=["model", "checkpoint"], how="inner")
    rows = []
    for (model, subject, roi), own in curves.sort_values("tokens").groupby(["model", "subject", "roi"]):
        pair = own[["bits", "value"]].astype(float).dropna()
        for measure, values in (("surprisal_relation", pair), ("surprisal_relation_changes", pair.diff().iloc[1:])):
            rows.append((model, subject, roi, measure, _spearman(values.to_numpy()), len(values)))
    return pd.DataFrame(rows, columns=["model", "subject", "roi", "measure", "value", "n"])


def _spearman(values: np.ndarray) -> float:
    """Rank correlation of two columns; NaN for fewer than `FEWEST_CHECKPOINTS` rows or a constant column."""
    ranks = pd.DataFrame(values).rank()
    if len(ranks) < FEWEST_CHECKPOINTS or (ranks.std() == 0).any():
        return np.nan
    return float(ranks[0].corr(ranks[1]))
