"""Tasks and internal states: known answers, agreement with references, speed (`make bench-states`).

Prints one line per figure, writes `benchmarks/results/states.json`, and ends with status 1 when a figure falls short.
Figures are listed in `benchmarks/README.md`; each part is a module of its own.
"""

import logging
import os
import sys
import warnings

# Set before torch is imported. Progress bars and the harness's own remarks would hide the figures.
os.environ.update({"TQDM_DISABLE": "1", "TOKENIZERS_PARALLELISM": "false"})
warnings.simplefilter("ignore")
logging.disable(logging.WARNING)

from reporting import figure, report  # noqa: E402
from states_geometry import states_figures  # noqa: E402
from states_mechanism import mechanism_figures  # noqa: E402
from tasks_harness import task_figures  # noqa: E402
from tasks_of_harness import harness_figures  # noqa: E402

LIBRARIES = ["torch", "transformers", "lm_eval", "datasets", "numpy", "scikit-learn"]


def main():
    """Measure all; exit status 1 when a figure falls short."""
    rows = [*task_figures(), *harness_figures(), *states_figures(), *mechanism_figures()]
    rows.append(figure("gpu: figures of this part", "nothing here runs on a GPU alone", "", None))
    return report("states", rows, LIBRARIES, load=os.getloadavg())


if __name__ == "__main__":
    sys.exit(main())
