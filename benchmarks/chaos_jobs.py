"""Jobs of a finished study, each to be run again alone: what is repeated hundreds of times needs no Snakemake.

As a program, `python chaos_jobs.py CAPTURED WHOLE <arguments of snakemake>` in a project's folder, it is a snakemake
that runs no job: of each it keeps the script that Snakemake wrote for it in the folder CAPTURED, and puts the results
that the folder WHOLE has in their place. A captured script is run in a fork of one process that has imported the
libraries.
"""

import json
import multiprocessing
import os
import runpy
import shutil
import signal
import sys
import traceback
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
LIBRARIES = [
    "torch", "transformers", "transformers.models.gpt_neox.modeling_gpt_neox", "himalaya.ridge",
    "himalaya.kernel_ridge", "lm_eval.models.huggingface", "datasets", "zarr", "xarray", "pandas", "pyarrow.parquet",
    "scipy.stats", "nilearn.signal", "nilearn.masking", "datalad.api", "matplotlib.pyplot", "snakemake.iocontainers",
]  # fmt: skip
SECONDS = 600


@dataclass(frozen=True)
class CapturedJob:
    """One job: its rule, the files that it reads and writes (below the project's folder), and its script."""

    rule: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    script: str


def captured_jobs(folder):
    """All jobs that were captured in a folder, in the order in which they ran."""
    described = sorted(Path(folder).glob("*.json"), key=lambda path: int(path.stem))
    jobs = [(path, json.loads(path.read_text())) for path in described]
    return [
        CapturedJob(job["rule"], tuple(job["inputs"]), tuple(job["outputs"]), str(path.with_suffix(".py")))
        for path, job in jobs
    ]


def run_captured(job, folder, output, *, custom="", seconds=SECONDS):
    """Run a job in a project's folder; its exit status, and what it said, which also lies in the file `output`.

    `custom` is Python that its process runs first; after `seconds` it is killed, with all that it has started.
    """
    FORKS.set_forkserver_preload(LIBRARIES)
    process = FORKS.Process(target=_be_script, args=(job.script, str(folder), str(output), custom))
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()
    return process.exitcode, Path(output).read_text(errors="replace")


def _be_script(script, folder, output, custom=""):
    os.setsid()
    said = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(said, stream)
    os.chdir(folder)
    sys.argv = [script]
    # The library is that of the project's folder, and nothing of the program's own that started this.
    for name in [name for name in sys.modules if name.split(".")[0] == "triphase"]:
        del sys.modules[name]
    sys.path.insert(0, str(Path(folder, "workflow/scripts")))
    exec(custom, {})
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit:
        raise
    except BaseException:  # as Python's own end of a program says it, before the fork server's
        traceback.print_exc()
        sys.exit(1)


def capture(captured, whole, arguments):
    """Be snakemake; see above."""
    from snakemake.benchmark import benchmarked
    from snakemake.cli import main
    from snakemake.script import PythonScript

    Path(captured).mkdir(parents=True, exist_ok=True)

    def execute_script(self, fname, edit=False):
        number = len(list(Path(captured).glob("*.json")))
        shutil.copy(fname, Path(captured, f"{number}.py"))
        about = {"rule": self.rulename, "inputs": list(self.input), "outputs": list(self.output)}
        Path(captured, f"{number}.json").write_text(json.dumps(about))
        with benchmarked(os.getpid(), self.bench_record) if self.bench_record is not None else nullcontext():
            pass  # Snakemake writes the record
        for path in self.output:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(Path(whole, path), path)

    PythonScript.execute_script = execute_script
    main(["--cores", "1", "--forceall", *arguments])


if __name__ == "__main__":
    capture(sys.argv[1], sys.argv[2], sys.argv[3:])
