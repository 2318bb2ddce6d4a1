"""Long rows of voxels, or of anything else, a few at a time."""


def slices(total: int, size: int) -> list[slice]:
    """Slices of at most `size` that cover `total` elements, in order."""
    return [slice(begin, min(begin + size, total)) for begin in range(0, total, size)]
