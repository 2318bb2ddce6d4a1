"""The start of a job: what of its end is seen where."""

import signal
import subprocess
import sys

import pytest
from patience import wait_until

JOB = """
import sys, time
from types import SimpleNamespace
sys.modules["__main__"].__real_file__ = "a script of Snakemake's"
sys.path[:0] = {path!r}
import snakemake as _
from triphase.core.artefacts import replacing
from triphase.core.isolation import interrupt, prepare_job
from triphase.core.job import start
import signal
signal.signal(signal.SIGINT, interrupt)

class Settings:
    pass

told = SimpleNamespace(
    log=["job.log"], threads=1, config={{"execution": {{"fsync": False}}}}, params=SimpleNamespace(settings={{}}),
    input={{}}, output={{}}, wildcards={{}}, resources={{}}, rule="some_rule",
)
with start(told, Settings) as job, replacing("out.json") as temporary:
    temporary.write_text("half")
    print("so far", flush=True)
    {then}
"""


def run(folder, then):
    program = JOB.format(path=sys.path, then=then)
    return subprocess.Popen(
        [sys.executable, "-c", program], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_ctrl_c_is_one_line_and_leaves_nothing_half_written(tmp_path):
    running = run(tmp_path, "time.sleep(600)")
    log = tmp_path / "job.log"
    wait_until(lambda: log.is_file() and "so far" in log.read_text())
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 130 and said == ""
    assert log.read_text() == "interrupted\n"
    assert (tmp_path / "job.log.interrupted").read_text() == "so far\n"
    assert {path.name for path in tmp_path.iterdir()} == {"job.log", "job.log.interrupted"}


@pytest.mark.parametrize(
    ("then", "said", "status"),
    [
        (
            "from triphase.core.errors import InputError; raise InputError('seed: 1')",
            "\nsome_rule: error: seed: 1\n",
            1,
        ),
        ("raise SystemExit(3)", "", 3),
    ],
)
def test_other_ends_are_as_they_were(tmp_path, then, said, status):
    running = run(tmp_path, then)
    assert running.communicate(timeout=60)[0] == said and running.returncode == status
    assert (tmp_path / "job.log").read_text().startswith("so far\n")
