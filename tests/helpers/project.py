"""The project as tests see it: its folder, the folder of real data, and copies of it in which snakemake runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
TEST_DATA = Path(os.environ.get("TRIPHASE_TEST_DATA", ROOT.parent / "shared" / "data"))


def run_program(arguments, folder, environment, program=("-m", "snakemake")):
    """Run snakemake as users do, as a program of its own."""
    return subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


class Project:
    """A copy of the project's files in a folder of its own, so that a run's results stay out of the working tree.

    `run` is how its snakemake runs: as a program here, forked from a process that has imported it in tests.
    """

    run = staticmethod(run_program)

    def __init__(self, folder):
        self.folder = folder
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        for name in listed.stdout.splitlines():
            if (ROOT / name).is_file() and not name.startswith(("tests/", "benchmarks/")):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target)

    @classmethod
    def copy_of(cls, folder, target):
        """A project with all that has been made in it: nothing is left to do there either."""
        subprocess.run(["cp", "-a", folder, target], check=True)
        project = cls.__new__(cls)
        project.folder = target
        return project

    def snakemake(self, *arguments, study=None, overlay=None, env=None, run=None):
        """Run snakemake; `overlay` is merged over the study, which is the embedded one where none is named.

        Returns the finished process, output as text.
        """
        configs = [f"config/studies/{study}.yaml"] if study else []
        if overlay:
            configs = configs or ["config/config.yaml"]
            (self.folder / "overlay.yaml").write_text(yaml.safe_dump(overlay))
            configs.append("overlay.yaml")
        configfiles = ["--configfile", *configs] if configs else []
        run = run or self.run
        return run(["--cores", "2", *arguments, *configfiles], self.folder, self.environment() | (env or {}))

    def environment(self):
        """Environment in which this copy's own library is imported, and not the working tree's, which is installed."""
        data = {"TRIPHASE_TEST_DATA": str(TEST_DATA.resolve())} if TEST_DATA.is_dir() else {}
        return {**os.environ, **data, "PYTHONPATH": str(self.folder / "workflow/scripts")}

    def planned(self, *arguments, **keywords):
        """Jobs that a dry run plans, by rule."""
        done = self.snakemake("-n", "--quiet", "rules", *arguments, **keywords)
        assert done.returncode == 0, done.stdout
        return job_counts(done.stdout)


def job_counts(output):
    """Snakemake's table of jobs by rule, without its total and target lines."""
    rows = re.findall(r"^(\w+) +(\d+)$", output.split("Job stats:")[-1], flags=re.M)
    return {rule: int(count) for rule, count in rows if rule not in ("total", "all")}
