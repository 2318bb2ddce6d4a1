"""Encoding fits: calibration of their tests, recovery of planted alignment, speed and memory (`make bench-encoding`)."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests")]
from encoding_calibration import calibration_figures  # noqa: E402
from encoding_recovery import recovery_figures  # noqa: E402
from encoding_speed import THREADS, speed_figures  # noqa: E402
from reporting import report  # noqa: E402

LIBRARIES = ["himalaya", "numpy", "scikit-learn", "scipy", "torch"]


def main():
    """Measure all; exit status 1 when a figure falls short."""
    # Speed first, while nothing has warmed or filled the machine.
    rows = [*speed_figures(), *calibration_figures(), *recovery_figures()]
    return report("encoding", rows, LIBRARIES, threads=THREADS)


if __name__ == "__main__":
    sys.exit(main())
