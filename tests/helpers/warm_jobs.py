"""Snakemake whose jobs are forks of one process that has imported the libraries: most of a small job is that.

`python warm_jobs.py <arguments of snakemake>` in a project's folder runs the same workflow, with the same rules,
scripts, inputs and params as `snakemake` does. Only how a script's process comes to be differs, so that environments
(`--use-conda`) are not entered. It is for runs that are repeated often.
"""

import multiprocessing
import os
import runpy
import sys
from contextlib import nullcontext

from snakemake.benchmark import benchmarked

FORKS = multiprocessing.get_context("forkserver")
LIBRARIES = [
    "torch", "transformers", "transformers.models.gpt_neox.modeling_gpt_neox", "himalaya.ridge",
    "himalaya.kernel_ridge", "lm_eval", "lm_eval.models.huggingface", "datasets", "zarr", "xarray", "pandas",
    "pyarrow.parquet",
    "scipy.stats", "scipy.linalg", "nibabel", "nilearn.signal", "nilearn.masking", "datalad.api", "matplotlib.pyplot",
    "snakemake.iocontainers", "snakemake.logging",
]  # fmt: skip


def execute_script(self, fname, edit=False):
    """In place of `PythonScript.execute_script`: the script's file, run in a fork."""
    process = FORKS.Process(target=_be_script, args=(fname, dict(os.environ), os.getcwd()))
    process.start()
    with benchmarked(process.pid, self.bench_record) if self.bench_record is not None else nullcontext():
        process.join()
    if process.exitcode:
        raise RuntimeError(f"{self.path.get_path_or_uri(secret_free=True)} ended with {process.exitcode}")


def _be_script(fname, environment, folder):
    os.chdir(folder)
    os.environ.update(environment)
    sys.argv = [fname]
    runpy.run_path(fname, run_name="__main__")


def main(arguments):
    """Be snakemake."""
    from snakemake.cli import main as snakemake
    from snakemake.script import PythonScript

    # Threads of a library are counted when it is loaded; jobs have one each.
    os.environ["OMP_NUM_THREADS"] = "1"
    FORKS.set_forkserver_preload(LIBRARIES)
    PythonScript.execute_script = execute_script
    snakemake(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
