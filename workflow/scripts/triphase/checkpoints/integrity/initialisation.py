"""What the tensors of an untrained model hold, and how far a checkpoint can have come from there.

Gains of norms start at 1 and biases at 0, exactly. Other tensors are drawn, and their standard deviation is known:
`std` for all of them, or that of a scheme by its name (`triphase.config.initialisations`).
"""

import re
from collections.abc import Sequence

import numpy as np

from triphase.checkpoints.integrity.mark import Fingerprint, rounding_of
from triphase.config.initialisations import INITIALISATIONS
from triphase.core.types import Section

GAIN = re.compile(r"(norm|ln_\w+)\.weight$", re.IGNORECASE)
# Six standard errors of a normal sample's deviation, and what draws cut at 3 deviations, rows of zeros for padding and
# storage in 16 bits change; gains and biases, which have no such room, tell a trained model at once.
ERRORS, FLAT = 6.0, 0.05


class Start:
    """Expected content of each tensor at step 0, by its place.

    kind : array of str ("gain", "bias", "drawn" or "" where nothing is known); std : float array, of those drawn
    """

    def __init__(
        self, initialisation: Section, config: Section, names: Sequence[str], shapes: Sequence[tuple[int, ...]]
    ) -> None:
        self.kind = np.array([_kind(name, shape, initialisation) for name, shape in zip(names, shapes, strict=True)])
        self.gain = float(initialisation.get("gains", 1))
        self.bias = float(initialisation.get("biases", 0))
        stds = [_std(name, initialisation, config) for name in names]
        self.std = np.where(self.kind == "drawn", stds, np.nan)
        self.kind[(self.kind == "drawn") & ~np.isfinite(self.std)] = ""

    def departures(self, mark: Fingerprint, reach: float = 0.0, kept: float = 1.0) -> list[tuple[float, str]]:
        """How far a checkpoint's tensors lie outside what is possible after moving at most `reach` from step 0.

        Parameters
        ----------
        mark : Fingerprint whose tensors are those of this object
        reach : float, largest possible change of a coordinate beyond decay
        kept : float, share of a weight that decay alone would leave

        Returns
        -------
        list of (float, str)
            Excess as a multiple of what is allowed (> 1: impossible) and what was seen, for every tensor that is known.
        """
        rounding = np.array([rounding_of(dtype) for dtype in mark.dtypes])
        found = []
        for at in np.flatnonzero(self.kind != ""):
            low, high, name = mark.minimum[at], mark.maximum[at], mark.names[at]
            if self.kind[at] == "drawn":
                found.append(self._drawn(mark, at, reach, kept))
                continue
            value = self.gain if self.kind[at] == "gain" else self.bias
            floor = min(value, value * kept) - reach
            ceiling = max(value, value * kept) + reach
            room = reach + (1 - kept) * abs(value) + rounding[at] * max(abs(floor), abs(ceiling)) + 1e-12
            outside = max(floor - low, high - ceiling, 0.0)
            what = "gains" if self.kind[at] == "gain" else "biases"
            # At step 0 the room is what storage rounds by, so that the ratio is large as soon as anything has moved.
            found.append(
                (
                    1 + outside / room if outside > rounding[at] else outside / room,
                    f"{name}: {what} from {low:.4g} to {high:.4g}, not {value:g} ± {reach:.3g}",
                )
            )
        return found

    def _drawn(self, mark, at, reach, kept):
        size, std = mark.count[at], self.std[at]
        tolerance = std * (ERRORS / np.sqrt(2 * size) + FLAT)
        rms = np.hypot(mark.mean[at], mark.std[at])
        floor, ceiling = kept * (std - tolerance) - reach, std + tolerance + reach
        outside = max(floor - rms, rms - ceiling, 0.0)
        room = tolerance + reach + (1 - kept) * std
        # Of `size` normal draws none lies this far out, but once in a billion tensors.
        widest = std * np.sqrt(2 * np.log(size * 1e9)) * (1 + FLAT) + reach
        largest = max(abs(mark.minimum[at]), abs(mark.maximum[at]))
        beyond = max(largest - widest, 0.0)
        text = f"{mark.names[at]}: root mean square {rms:.4g}, not {std:.4g} ± {tolerance + reach:.2g}"
        if beyond / widest > outside / room:
            return 1 + beyond / widest, f"{mark.names[at]}: largest weight {largest:.4g}, at most {widest:.3g} possible"
        return (1 + outside / room, text) if outside else (abs(rms - std) / room, text)


def _kind(name, shape, initialisation):
    if GAIN.search(name) and len(shape) == 1:
        return "gain" if "gains" in initialisation else ""
    if name.endswith(".bias") and len(shape) == 1:
        return "bias" if "biases" in initialisation else ""
    return "drawn" if len(shape) >= 2 else ""


def _std(name, initialisation, config):
    if "std" in initialisation or "weights" not in initialisation:
        return initialisation.get("std", np.nan)
    std = INITIALISATIONS.find(initialisation["weights"], "initialisation/weights").function(name, config)
    return np.nan if std is None else std
