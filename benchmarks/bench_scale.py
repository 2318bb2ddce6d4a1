"""Planning of large studies, start-up of jobs, kills, a cluster (`make bench-scale`).

Prints one line per figure, writes `benchmarks/results/scale.json`, and ends with status 1 when a figure falls short.
Figures are listed in `benchmarks/README.md`; each part is a module of its own. With names of parts as arguments only
those are measured, and the kept figures of the others stay, each with its date: on the same machine with the same
versions.
"""

import json
import os
import sys

from reporting import RESULTS, figure, report, surroundings
from scale_dag import dag_figures
from scale_restart import restart_figures
from scale_slurm import slurm_figures
from scale_startup import startup_figures

LIBRARIES = ["snakemake", "snakemake-executor-plugin-slurm", "torch", "transformers", "himalaya"]

# What is timed comes first.
PARTS = {"dag": dag_figures, "start-up": startup_figures, "slurm": slurm_figures, "restart": restart_figures}


def main(wanted):
    """Measure the parts that are wanted, all where none is named; exit status 1 when a figure falls short."""
    if unknown := set(wanted) - set(PARTS):
        sys.exit(f"{', '.join(unknown)}: not a part; these are {', '.join(PARTS)}")
    wanted = wanted or list(PARTS)
    before = {name: kept(name) for name in PARTS if name not in wanted}
    rows = [row for name, figures in PARTS.items() for row in (figures() if name in wanted else before[name])]
    rows.append(figure("gpu: figures of this part", "nothing here runs on a GPU", "", None))
    return report("scale", rows, LIBRARIES, load=os.getloadavg())


def kept(part):
    """Figures of a part as they were measured last; ends the program where that was elsewhere."""
    last = json.loads((RESULTS / "scale.json").read_text(encoding="utf-8"))
    if any(last[key] != value for key, value in surroundings(LIBRARIES).items()):
        sys.exit(f"{part}: measured on another machine or with other versions; measure all parts")
    return [row for row in last["figures"] if row["figure"].startswith(f"{part}: ")]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
