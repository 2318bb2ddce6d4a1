"""The config of a study, and of a synthesis: every key with its type, default, bounds and meaning, in one place."""

from triphase.config.schema.study import Study
from triphase.config.schema.synthesis import Synthesis

__all__ = ["Study", "Synthesis"]
