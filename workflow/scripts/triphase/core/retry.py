"""Waiting: for a failure to pass, with pauses that grow, and for something to become true."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

log = logging.getLogger(__name__)
Result = TypeVar("Result")


@dataclass
class Tries:
    """Counts the tries of something that may fail in passing, and waits before the next one.

    Parameters
    ----------
    retries : further tries after the first
    pause : seconds before the second try; doubled before each further one
    failed : tries that have failed so far
    """

    retries: int
    pause: float
    failed: int = 0

    def another(self, reason: str, *, counts: bool = True) -> bool:
        """Wait until the next try is due; false, at once, when there have been enough.

        `reason` says in the log what failed, and why. A failure that does not count costs no try.
        """
        self.failed += counts
        if self.failed > self.retries:
            return False
        pause = self.pause * 2 ** max(self.failed - 1, 0)
        log.warning("try %d of %d: %s; again in %g s", self.failed, self.retries + 1, reason, pause)
        time.sleep(pause)
        return True


def pause(seconds: float, reason: str) -> None:
    """Wait that long, as somebody else wants it, and say in the log why."""
    log.warning("%s; going on in %g s", reason, seconds)
    time.sleep(seconds)


def poll(look: Callable[[], Result | None], every: float, waiting: str | None = None) -> Result:
    """The first result of `look` that is not None, looking again after `every` seconds.

    `waiting`, where it is given, is written to the log once, when the first look finds nothing.
    """
    result = look()
    if result is None and waiting:
        log.info(waiting)
    while result is None:
        time.sleep(every)
        result = look()
    return result
