import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from triphase.core.errors import InputError
from triphase.core.registry import Registry


@dataclass(frozen=True)
class Gadget:
    name: str
    unit: str
    function: Callable
    label: str = ""


@pytest.fixture
def gadgets():
    yield Registry("gadget", Gadget)
    Registry.every.pop()


def test_an_entry_is_found_by_its_name(gadgets):
    entry = gadgets.add(name="sum", unit="m", function=sum)

    @gadgets.register(name="twice", unit="s", label="two")
    def twice(x):
        return 2 * x

    assert gadgets["sum"] is entry and gadgets.find("twice", "here").function(2) == 4 == twice(2)
    assert list(gadgets) == ["sum", "twice"] and len(gadgets) == 2


def test_a_second_entry_of_a_name_names_both_places(gadgets):
    gadgets.add(name="sum", unit="m", function=sum)
    places = r"test_registry.py, line (\d+): the gadget 'sum' has the name .*test_registry.py, line (\d+); give"
    with pytest.raises(InputError, match=places) as refused:
        gadgets.add(name="sum", unit="s", function=max)
    second, first = map(int, re.search(places, str(refused.value)).groups())
    assert second == first + 3
    assert gadgets["sum"].function is sum


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "a", "unit": "", "function": sum}, "the gadget 'a' lacks its unit"),
        ({"name": "a"}, "the gadget 'a' lacks its unit and its function"),
        ({"unit": "m", "function": sum}, "the gadget 'without a name' lacks its name"),
        ({"name": "a", "unit": "m", "function": 3}, "the gadget 'a' has 3 as its function, which cannot be called"),
        ({"name": "a", "units": "m"}, "has no field 'units'; its fields are name, unit, function, label"),
    ],
)
def test_an_incomplete_entry_is_refused(gadgets, values, message):
    with pytest.raises(InputError, match=message):
        gadgets.add(**values)
    assert not gadgets


def test_an_unknown_name_is_told_with_the_nearest_and_all_others(gadgets):
    gadgets.add(name="sum", unit="m", function=sum)
    gadgets.add(name="max", unit="m", function=max)
    with pytest.raises(InputError, match="plots: there is no gadget 'sun'; there are max, sum; did you mean 'sum'"):
        gadgets.find("sun", "plots")
