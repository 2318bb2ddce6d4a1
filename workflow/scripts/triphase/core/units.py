"""Units: bytes in words, and what training costs."""

UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
GB = UNITS["GB"]
# Operations per parameter and token, forward and backward pass (Kaplan et al. 2020).
TRAINING_FLOP = 6


def in_units(size: float) -> str:
    """A number of bytes in words: 1.5 GB."""
    unit = next((unit for unit, scale in UNITS.items() if size < 1000 * scale), "TB")
    return f"{size / UNITS[unit]:.{0 if unit == 'B' else 1}f} {unit}"
