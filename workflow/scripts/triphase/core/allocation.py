"""How the C library hands out memory to arrays."""

import ctypes

# Of glibc's malloc.h, and the largest threshold that it takes.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, LARGEST = -1, -3, 2**25


def keep_freed_memory() -> None:
    """Let glibc keep up to 1 GB of what is freed; does nothing under another C library.

    A fit makes and drops arrays of megabytes by the thousand. By default each gets pages of its own from the kernel,
    which zeroes them first: a tenth of a small fit.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_MMAP_THRESHOLD, LARGEST)
    mallopt(M_TRIM_THRESHOLD, 2**30)
