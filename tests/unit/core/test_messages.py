from triphase.core.batches import slices
from triphase.core.messages import listed


def test_of_many_names_the_first_are_listed():
    assert listed([]) == "" and listed("abc") == "a, b, c"
    assert listed(iter("abcde"), most=2) == "a, b and 3 more"


def test_slices_cover_everything_once():
    assert slices(0, 3) == []
    assert slices(7, 3) == [slice(0, 3), slice(3, 6), slice(6, 7)]
