import subprocess
import sys

from project import ROOT

CHANGES = """
import gc, sys
before = gc.get_threshold(), list(sys.path)
import triphase
assert (gc.get_threshold(), list(sys.path)) == before
"""


def test_importing_the_library_changes_nothing_in_the_process():
    env = {"PYTHONPATH": str(ROOT / "workflow/scripts")}
    done = subprocess.run([sys.executable, "-c", CHANGES], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
