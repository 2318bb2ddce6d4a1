"""Seconds of a fixed piece of work on this machine, to state times that travel: six starts of torch with transformers
and forty products of 1,500 x 1,500 float32 matrices on one thread; the median of three. Run it on a quiet machine with
the project's interpreter; prints one number."""

import os
import statistics
import subprocess
import sys
import time

ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
STARTS = "import torch; from transformers import AutoModelForCausalLM"
PRODUCTS = """
import numpy, time
square = numpy.random.default_rng(0).random((1500, 1500), dtype="f4")
begin = time.time()
[square @ square for _ in range(40)]
print(time.time() - begin)
"""


def starts():
    """Seconds of six starts."""
    begin = time.time()
    for _ in range(6):
        subprocess.run([sys.executable, "-c", STARTS], check=True, env=ONE_THREAD)
    return time.time() - begin


def products():
    """Seconds of forty products, without the start."""
    done = subprocess.run([sys.executable, "-c", PRODUCTS], check=True, env=ONE_THREAD, capture_output=True, text=True)
    return float(done.stdout)


if __name__ == "__main__":
    print(f"{statistics.median(starts() for _ in range(3)) + statistics.median(products() for _ in range(3)):.1f}")
