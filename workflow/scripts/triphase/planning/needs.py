"""What jobs ask for: memory and minutes, by the size of their model or of their fit.

The methods are resource functions: Snakemake gives them a job's wildcards and inputs, and which attempt it is; where an
attempt did not suffice, the next asks for as much again. Snakemake imports this at every start: nothing heavy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from triphase.checkpoints.snapshots import weight_bytes
from triphase.core.seals import DamagedError
from triphase.core.types import Section
from triphase.encoding.memory import fit_megabytes

# MB of a job with a model beside its weights, and MB for a byte of them: they are held in float32, and a repository may
# keep them in half as many bytes.
BESIDE_WEIGHTS, MB_PER_BYTE = 4000, 2.2e-6
# A checkpoint may have to be fetched first, at 10 MB/s.
BYTES_PER_MINUTE = 600e6


@dataclass(frozen=True)
class Needs:
    """What the jobs of a study ask for.

    Attributes
    ----------
    models : models by name
    encoding : that section of the config
    """

    models: dict[str, Section]
    encoding: Section

    def weight_bytes(self, wildcards: Any, input: Any) -> int:
        """Bytes of a checkpoint's weights by its manifest; by the registry before it is there, as in a dry run."""
        try:
            return weight_bytes(input.checkpoint)
        except (FileNotFoundError, DamagedError):  # the job itself names what is damaged
            return self.models[wildcards.model].get("bytes") or 0

    def model_memory(self, wildcards: Any, input: Any, attempt: int) -> int:
        """MB of a job that holds a model."""
        return attempt * (BESIDE_WEIGHTS + int(MB_PER_BYTE * self.weight_bytes(wildcards, input)))

    def with_download(self, minutes: int) -> Callable[[Any, Any, int], int]:
        """Resource function: minutes of a job that may have to fetch a checkpoint before it works for `minutes`."""

        def total(wildcards: Any, input: Any, attempt: int) -> int:
            return attempt * (minutes + int(self.weight_bytes(wildcards, input) / BYTES_PER_MINUTE))

        return total

    def fit_memory(self, wildcards: Any, input: Any, attempt: int) -> int:
        """MB of a fit by the size of its design."""
        sizes = {"n_alphas": self.encoding["alphas"][2], "n_draws": self.encoding["boot_draws"]}
        if (static := self.encoding["static"]) and not static["vectors"]:
            sizes["n_static"] = static["components"]
        return attempt * fit_megabytes(input.shared, input.activations, **sizes)
