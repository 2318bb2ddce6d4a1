"""What the pages of findings and tables are made from."""

from dataclasses import dataclass

import pandas as pd
import xarray as xr


@dataclass(frozen=True)
class Sources:
    """What the page is made from, as read from the study's results; `power` and `specifications` are by model."""

    study: str
    dataset: dict
    table: pd.DataFrame
    boot: xr.Dataset
    phases: dict
    power: dict[str, pd.DataFrame]
    specifications: dict[str, pd.DataFrame]
    across: dict
    integrity: pd.DataFrame
    ceilings: pd.DataFrame
