"""A real Slurm on this machine for as long as a test needs it: controller, node and munge of its own, on loopback only.

On Debian: `apt-get install slurm-wlm munge`. The daemons need no root; they run in the foreground as children of the
test and are ended by their process ids. Nothing of an installed Slurm or munge is read or changed.
"""

import getpass
import os
import shutil
import socket
import subprocess
from contextlib import ExitStack, contextmanager, suppress

import psutil
from patience import wait_until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
# Debian puts daemons where a user's PATH does not look.
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
# No cgroups, which a container may not have: memory is watched by the node's accounting, once a second. Each made-up
# GPU is a device file that every machine has.
SLURM_CONF = """
ClusterName=test
SlurmctldHost=localhost
SlurmctldPort={controller}
SlurmdPort={node}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
KillWait=2
MinJobAge=3600
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName=localhost CPUs={cpus} RealMemory={memory} Gres=gpu:2 State=UNKNOWN
PartitionName=cpu Nodes=localhost Default=YES
PartitionName=gpu Nodes=localhost
"""
GRES_CONF = """
Name=gpu File=/dev/null
Name=gpu File=/dev/zero
"""


def missing_programs():
    """Names of the programs that are not installed here."""
    return [name for name in PROGRAMS if not shutil.which(name, path=PATH)]


@contextmanager
def slurm_node(folder, cpus, memory=16000):
    """Run a cluster of one node with two made-up GPUs and the partitions `cpu` and `gpu`; yields a `Cluster`.

    Parameters
    ----------
    folder : path of configuration, state and logs; short, as the path of a socket has at most 107 characters
    cpus, memory : int, what the node says that it has (memory in MB); no more than that many cores are in use at a time
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("state", "spool"):
        (folder / name).mkdir(exist_ok=True)
    controller, node = free_ports(2)
    (folder / "slurm.conf").write_text(SLURM_CONF.format(
        controller=controller, node=node, folder=folder, user=getpass.getuser(), cpus=cpus, memory=memory
    ))  # fmt: skip
    (folder / "gres.conf").write_text(GRES_CONF)
    (folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
    (folder / "key").write_bytes(os.urandom(1024))
    (folder / "key").chmod(0o400)
    cluster = Cluster(folder)
    with ExitStack() as stack:
        stack.enter_context(cluster.daemon(
            "munged", "--foreground", f"--key-file={folder}/key", f"--socket={folder}/munge.socket",
            f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log", f"--seed-file={folder}/seed",
            "--force",
        ))  # fmt: skip
        wait_for(lambda: (folder / "munge.socket").exists(), cluster, "munged")
        stack.enter_context(cluster.daemon("slurmctld", "-D"))
        stack.enter_context(cluster.daemon("slurmd", "-D", "-N", "localhost"))
        wait_for(lambda: "idle" in cluster.ask("sinfo", "--noheader", "--format=%T"), cluster, "slurmctld", "slurmd")
        try:
            yield cluster
        finally:
            cluster.ask("scancel", f"--user={getpass.getuser()}")
            wait_for(lambda: not cluster.ask("squeue", "--noheader"), cluster, "slurmctld")
            cluster.end_what_is_left()


class Cluster:
    """The running cluster: `environment` makes Slurm's commands speak with it."""

    def __init__(self, folder):
        self.folder = folder
        # The executor plugin's job steps drop SLURM_CONF on their way to srun, which then finds no cluster.
        srun = folder / "bin" / "srun"
        srun.parent.mkdir()
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun", path=PATH)} "$@"\n')
        srun.chmod(0o755)
        self.environment = {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": f"{srun.parent}{os.pathsep}{PATH}"}

    @contextmanager
    def daemon(self, name, *arguments):
        """Run one daemon in the foreground; its messages go to `<name>.out`."""
        with open(self.folder / f"{name}.out", "w") as messages:
            process = subprocess.Popen(
                [shutil.which(name, path=PATH), *arguments], env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL, stdout=messages, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def ask(self, *command):
        """Standard output of one of Slurm's commands, empty where it fails."""
        done = subprocess.run(command, env={**os.environ, **self.environment}, capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else ""

    def end_what_is_left(self):
        """Kill processes of ended jobs: without cgroups, one whose parent died first is not known to be of its job."""
        for process in psutil.process_iter(["environ"]):
            if (process.info["environ"] or {}).get("SLURM_CONF") == self.environment["SLURM_CONF"]:
                with suppress(psutil.NoSuchProcess):
                    if process.name() not in PROGRAMS:
                        process.kill()

    def jobs(self):
        """All jobs since the start, running or not: list of dicts of what `scontrol` says of them."""
        return [
            dict(part.split("=", 1) for part in line.split() if "=" in part)
            for line in self.ask("scontrol", "show", "job", "--details", "--oneliner").splitlines()
            if line.startswith("JobId=")
        ]


def wait_for(condition, cluster, *daemons):
    """Look until a condition holds; where it does not, the error has what the daemons said."""
    try:
        wait_until(condition)
    except TimeoutError:
        said = [f"{name}: {(cluster.folder / f'{name}.out').read_text()[-2000:]}" for name in daemons]
        raise TimeoutError("\n".join(["the cluster did not come up or end", *said])) from None


def free_ports(count):
    """TCP ports of the loopback interface that nobody listens on now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
