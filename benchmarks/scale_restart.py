"""Runs of the smallest study that are killed at seeded moments of all stages: a part of `make bench-scale`."""

import random
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "tests/helpers")]
from killed_runs import count_results, differing_results, kill_at  # noqa: E402
from project import Project  # noqa: E402
from reporting import figure  # noqa: E402

KILLS, SEED = 20, 11


def restart_figures(kills=KILLS):
    """Kill a run again and again, a little later each time, take it up, and compare with an undisturbed one."""
    chosen = random.Random(SEED)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        whole, killed = Project(Path(folder) / "whole"), Project(Path(folder) / "killed")
        done = whole.snakemake(study="tiny")
        if done.returncode:
            sys.exit(done.stdout[-5000:])
        n_whole, places = count_results(whole.folder), []
        for number in range(kills):
            places.append(kill_at(killed, int(n_whole * (number + chosen.random()) / kills), chosen.random()))
        done = killed.snakemake(study="tiny")
        if done.returncode:
            sys.exit(done.stdout[-5000:])
        names = differing_results(whole.folder / "results/tiny", killed.folder / "results/tiny")
        idle = killed.planned(study="tiny") == {}
    return [
        figure("restart: artefacts that differ after the kills", len(names), "0", not names, differing=names,
               kills=kills, results_at_kill=places, results=n_whole),
        figure("restart: jobs left after the run was taken up", 0 if idle else "some", "0", idle),
    ]  # fmt: skip
