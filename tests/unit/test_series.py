"""What runs along with a series when checkpoints are left out."""

import pytest

from triphase.errors import InputError
from triphase.series import leave_out

SERIES = [{"model": model, "checkpoint": name} for model in ("a", "b") for name in ("step0", "step1")]


def test_lists_lose_the_same_checkpoints_as_the_series():
    series, tables, tasks = leave_out({("a", "step1"), ("b", "step0")}, SERIES, list("wxyz"), [1, 2, 3, 4])
    assert series == [SERIES[0], SERIES[3]] and tables == ["w", "z"] and tasks == [1, 4]
    assert leave_out(set(), SERIES, list("wxyz"))[1] == list("wxyz")


def test_a_model_without_a_checkpoint_is_an_error():
    with pytest.raises(InputError, match="no checkpoint of 'b' is left; .*`integrity: warn`"):
        leave_out({("b", "step0"), ("b", "step1")}, SERIES)
