"""Waiting for other processes without asserting how fast they are."""

import time

# Seconds after which something hangs, and is not merely slow on a busy machine.
PATIENCE = 300


def wait_until(condition, what="what was waited for"):
    """Look until a condition holds; TimeoutError when it hangs."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} has not come within {PATIENCE} s")
        time.sleep(0.02)
