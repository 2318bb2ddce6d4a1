"""Phases: simulated curves, real curves of published models, statistics of a large study (`make bench-phases`).

Prints one line per figure, writes `benchmarks/results/phases.json`, and ends with status 1 when a figure falls short.
Figures are listed in `benchmarks/README.md`; each part is a module of its own.
"""

import os
import sys

# Set before numpy is imported: the parts share the cores among their own processes.
os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})

from phases_real import real_figures  # noqa: E402
from phases_scale import scale_figures  # noqa: E402
from phases_simulation import simulation_figures  # noqa: E402
from reporting import figure, report  # noqa: E402

LIBRARIES = ["numpy", "scipy", "pandas", "xarray"]


def main():
    """Measure all; exit status 1 when a figure falls short."""
    rows = [*real_figures(), *scale_figures(), *simulation_figures()]
    rows.append(figure("gpu: figures of this part", "nothing here runs on a GPU", "", None))
    return report("phases", rows, LIBRARIES, load=os.getloadavg())


if __name__ == "__main__":
    sys.exit(main())
