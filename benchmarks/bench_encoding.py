"""Encoding fits: speed and memory, calibration of their tests, recovery of alignment (`make bench-encoding`)."""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests/helpers")]
from encoding_calibration import cost_figures, discovery_figures, null_figures, paired_figures, shift_figure  # noqa: E402
from encoding_recovery import recovery_figures  # noqa: E402
from encoding_sides import side_figures  # noqa: E402
from encoding_sizes import size_figures  # noqa: E402
from encoding_speed import THREADS, speed_figures  # noqa: E402
from reporting import report  # noqa: E402

LIBRARIES = ["himalaya", "numpy", "scikit-learn", "scipy", "torch"]
SIMULATIONS = (
    null_figures,
    paired_figures,
    discovery_figures,
    recovery_figures,
    shift_figure,
    size_figures,
    side_figures,
)


def simulated_figures():
    """Calibration and recovery, which are not timed: as many processes as cores, one thread each."""
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(THREADS, mp_context=get_context("spawn")) as pool:
        for found in [pool.submit(part) for part in SIMULATIONS]:
            rows = found.result()
            yield from rows if isinstance(rows, list) else [rows]


def main():
    """Measure all; exit status 1 when a figure falls short."""
    # Times first, while the machine is at rest.
    rows = [*speed_figures(), *cost_figures(), *simulated_figures()]
    return report("encoding", rows, LIBRARIES, threads=THREADS)


if __name__ == "__main__":
    sys.exit(main())
