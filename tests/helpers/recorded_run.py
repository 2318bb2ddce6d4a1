"""A study as if it had run: outputs are placeholders, and Snakemake's records of them those of a run.

What a change reruns can then be asked of any study without running it. As a program this is `snakemake --touch` that
makes each job's outputs first, without the tenth of a second that it waits for every job.
"""

import json
import sys
import zipfile
from functools import partial
from pathlib import Path

from project import run_program

from triphase.core.artefacts import SEAL
from triphase.core.seals import blank_seal, sealed, zip_seal

# What rule files read of results to say how much memory a job needs.
MANIFEST = {"files": {"model.safetensors": {"bytes": 10**9}}, "weights": ["model.safetensors"]}
SHARED = {
    "delays_scans": [1, 2, 3, 4],
    "delays_averaged": False,
    "alternatives": {},
    "bands": ["nuisance"],
    "train_scans": 600,
}
SHAPES = {
    "responses": (900, 1000),
    "response_blocks": (1000, 30, 2),
    "inner": (1, 4, 600),
    "band_nuisance": (900, 16),
    "activations": (4, 2000, 64),
}


def record_run(project, **keywords):
    """Make all that a study of a project would make; `keywords` as for `Project.snakemake`."""
    done = project.snakemake("--quiet", "all", run=partial(run_program, program=[__file__]), **keywords)
    assert done.returncode == 0, done.stdout[-3000:]


def placeholder(path):
    """Write a file in place of a result, with what rule files read of it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        path.write_bytes(sealed(json.dumps(MANIFEST | {SEAL: blank_seal(path)}).encode()))
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("zarr.json", json.dumps({"attributes": SHARED}))
            for name, shape in SHAPES.items():
                archive.writestr(f"{name}/zarr.json", json.dumps({"shape": shape}))
            archive.comment = zip_seal(archive, path)
    else:
        path.write_text("")


def run(arguments):
    """Run snakemake with these arguments."""
    from snakemake.cli import main
    from snakemake.executors import touch

    def run_job(executor, job, touched=touch.Executor.run_job):
        for path in job.output:
            placeholder(path)
        touched(executor, job)

    touch.Executor.SLEEPING_TIME = 0
    touch.Executor.run_job = run_job
    main(["--touch", *arguments])


if __name__ == "__main__":
    run(sys.argv[1:])
