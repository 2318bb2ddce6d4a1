"""The embedded study through `profiles/slurm` on a Slurm of this machine's own: a part of `make bench-scale`."""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "tests/helpers")]
from bench_studies import measured  # noqa: E402
from killed_runs import differing_results  # noqa: E402
from project import Project  # noqa: E402
from reporting import figure  # noqa: E402
from slurm_node import missing_programs, slurm_node  # noqa: E402

from triphase.core.artefacts import read_json  # noqa: E402

STUDY = "results/embedded"
# The cluster of the test keeps no accounts.
THERE = ("--workflow-profile", "profiles/slurm", "--slurm-no-account", "--slurm-status-command", "squeue")


def slurm_figures():
    """Run the embedded study on this machine and on the cluster: wall times, and what differs between the results.

    Skipped where no Slurm is installed.
    """
    name, goal = "slurm: embedded study, artefacts that differ from those of one machine", "0"
    missing = missing_programs()
    if missing:
        reason = f"no Slurm here (`apt-get install slurm-wlm munge`): {', '.join(missing)} missing"
        return [figure(name, reason, goal, None)]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        here, there = Project(Path(folder) / "here"), Project(Path(folder) / "there")
        wall, *_ = measured(here)
        # A folder of its own: the path of a socket has at most 107 characters.
        with tempfile.TemporaryDirectory(prefix="slurm") as state, slurm_node(Path(state), cpus=2) as cluster:
            on_cluster, *_ = measured(there, *THERE, env=cluster.environment)
            submitted = len(cluster.jobs())
        ours, theirs = (project.folder / STUDY for project in (here, there))
        names = differing_results(ours, theirs)
        if read_json(ours / "phases.json") != read_json(theirs / "phases.json"):
            names.append("phases.json")
    return [
        figure(name, len(names), goal, not names, differing=names),
        figure("slurm: embedded study, times the wall time of one machine", round(on_cluster / wall, 2),
               f"none; {on_cluster:.0f} s in {submitted} submissions, one machine {wall:.0f} s", True),
    ]  # fmt: skip
