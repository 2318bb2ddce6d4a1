"""What exports need of a finished study."""

from pathlib import Path
from typing import Any, Protocol

import pandas as pd


class Finished(Protocol):
    """A finished study, such as `triphase.open` gives: its folder, and what its files hold."""

    @property
    def folder(self) -> Path:
        """Its results."""

    @property
    def models(self) -> list[str]:
        """Names of the models."""

    @property
    def table(self) -> pd.DataFrame:
        """The tidy table."""

    @property
    def verdicts(self) -> pd.DataFrame:
        """One row per model."""

    @property
    def phases(self) -> dict[str, dict[str, Any]]:
        """Course and verdict of every model."""

    @property
    def description(self) -> dict[str, Any]:
        """What was found of the data set."""
