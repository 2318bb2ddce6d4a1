"""Planning of large studies, start-up of jobs, kills, a cluster (`make bench-scale`).

Prints one line per figure, writes `benchmarks/results/scale.json`, and ends with status 1 when a figure falls short.
Figures are listed in `benchmarks/README.md`; each part is a module of its own.
"""

import os
import sys

from reporting import figure, report
from scale_dag import dag_figures
from scale_restart import restart_figures
from scale_slurm import slurm_figures
from scale_startup import startup_figures

LIBRARIES = ["snakemake", "snakemake-executor-plugin-slurm", "torch", "transformers", "himalaya"]


def main():
    """Measure all; exit status 1 when a figure falls short."""
    # What is timed comes first.
    rows = [*dag_figures(), *startup_figures(), *slurm_figures(), *restart_figures()]
    rows.append(figure("gpu: figures of this part", "nothing here runs on a GPU", "", None))
    return report("scale", rows, LIBRARIES, load=os.getloadavg())


if __name__ == "__main__":
    sys.exit(main())
