"""Planning of large studies, start-up of jobs, kills, a cluster (`make bench-scale`).

Prints one line per figure, writes `benchmarks/results/scale.json`, and ends with status 1 when a figure falls short.
Figures are listed in `benchmarks/README.md`; each part is a module of its own. With names of parts as arguments only
those are measured, and the kept figures of the others stay, each with its date: on the same machine with the same
versions.
"""

import os
import sys

from reporting import figure, measured, report
from scale_dag import dag_figures
from scale_restart import restart_figures
from scale_slurm import slurm_figures
from scale_startup import startup_figures

LIBRARIES = ["snakemake", "snakemake-executor-plugin-slurm", "torch", "transformers", "himalaya"]

# What is timed comes first.
PARTS = {"dag": dag_figures, "start-up": startup_figures, "slurm": slurm_figures, "restart": restart_figures}


def main(wanted):
    """Measure the parts that are wanted, all where none is named; exit status 1 when a figure falls short."""
    rows = measured("scale", PARTS, wanted, LIBRARIES)
    rows.append(figure("gpu: figures of this part", "nothing here runs on a GPU", "", None))
    return report("scale", rows, LIBRARIES, load=os.getloadavg())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
