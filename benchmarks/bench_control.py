"""A control whose answer is known: weights between random and trained, along planted courses (`make bench-control`).

`courses`: rates of each verdict over 20 realisations a course, in one process; `workflow`: one realisation of all
courses through Snakemake itself, with tasks. Verdicts of the realisations are kept in
`benchmarks/results/control_cases.jsonl` as they come, and a run that was interrupted is taken up there. With names of
parts as arguments only those are measured. Prints one line per figure, writes `benchmarks/results/control.json`, and
ends with status 1 when a figure falls short. Figures are listed in `benchmarks/README.md`.
"""

import os
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path

os.environ.update({"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "DATALAD_LOG_LEVEL": "warning"})
warnings.simplefilter("ignore")

import control_courses  # noqa: E402
import control_workflow  # noqa: E402
from planted_course import build  # noqa: E402
from reporting import measured, report  # noqa: E402

LIBRARIES = ["numpy", "torch", "transformers", "himalaya", "snakemake"]


def main(wanted):
    """Measure, print, write; the exit status."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        instrument = cache(lambda: build(control_courses.PLAN, folder))
        parts = {
            "courses": lambda: control_courses.figures(instrument()),
            "workflow": lambda: control_workflow.figures(instrument(), folder),
        }
        return report("control", measured("control", parts, wanted, LIBRARIES), LIBRARIES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
