import pytest

from triphase.core import retry
from triphase.core.retry import Tries, poll


@pytest.fixture
def pauses(monkeypatch):
    """What was slept, in seconds."""
    slept = []
    monkeypatch.setattr(retry.time, "sleep", slept.append)
    return slept


def test_pauses_double_and_end_after_the_last_retry(pauses, caplog):
    tries = Tries(retries=3, pause=0.5)
    assert [tries.another("a.nii: reset") for _ in range(4)] == [True, True, True, False]
    assert pauses == [0.5, 1, 2] and tries.failed == 4
    assert caplog.messages[1] == "try 2 of 4: a.nii: reset; again in 1 s"


def test_without_retries_the_first_failure_is_the_last(pauses):
    assert not Tries(retries=0, pause=1).another("no") and pauses == []


def test_a_failure_that_does_not_count_costs_no_try(pauses):
    tries = Tries(retries=1, pause=1)
    assert [tries.another("busy", counts=False) for _ in range(5)] == [True] * 5
    assert tries.another("reset") and not tries.another("reset")
    assert pauses == [1] * 6


def test_a_poll_looks_until_there_is_something(pauses, caplog):
    caplog.set_level("INFO")
    results = iter([None, None, 0])
    assert poll(lambda: next(results), 0.1, "waiting for room") == 0
    assert pauses == [0.1] * 2 and caplog.messages == ["waiting for room"]
    assert poll(lambda: "at once", 0.1, "waiting") == "at once" and len(caplog.messages) == 1
