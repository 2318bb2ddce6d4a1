"""The config of a study: every key with its type, default, bounds and meaning, in one place."""

from triphase.config.schema.study import Study

__all__ = ["Study"]
