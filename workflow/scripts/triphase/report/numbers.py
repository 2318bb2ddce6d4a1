"""How numbers are written on pages and figures: rounded by their uncertainty, in one way everywhere."""

import math
from collections.abc import Sequence
from typing import TypeGuard

from triphase.stats.proportions import Z2, agresti_coull

UNKNOWN = "–"
Interval = Sequence[float]  # low, high
DIGITS = 3  # significant digits of a number that has no interval
UNITS = ((1e12, " T"), (1e9, " B"), (1e6, " M"), (1e3, " k"))
MOST_DECIMALS = 6


def known(value: float | None) -> TypeGuard[float]:
    """Whether a number is there: neither None nor NaN nor pandas' NA."""
    return value is not None and value == value and math.isfinite(value)


def shown(value: float | None, decimals: int | None = None, sign: bool = False) -> str:
    """A number with three significant digits, or with so many decimals; whole numbers keep all their digits.

    This is the one place where a number of a page is rounded.
    """
    if not known(value):
        return UNKNOWN
    if decimals is None:
        decimals = 0 if float(value).is_integer() else decimals_of(value, DIGITS)
    text = f"{value:{'+' if sign else ''},.{decimals}f}"
    return text.replace("-", "").replace("+", "") if not float(text.replace(",", "")) else text


def decimals_of(size: float, digits: int) -> int:
    """Decimals with which a number of this size has so many significant digits."""
    if not size:
        return 0
    return min(max(digits - 1 - math.floor(math.log10(abs(size))), 0), MOST_DECIMALS)


def estimate(value: float | None, interval: Interval | None, sign: bool = False) -> str:
    """An estimate with its interval, all with the decimals at which the interval's width has two digits."""
    if not known(value):
        return UNKNOWN
    if interval is None or not all(map(known, interval)):
        return f"{shown(value, sign=sign)} (no interval)"
    low, high = interval
    decimals = decimals_of(high - low or value, 2)
    return f"{shown(value, decimals, sign)} [{shown(low, decimals, sign)}, {shown(high, decimals, sign)}]"


def factor(value: float, interval: Interval | None) -> str:
    """A factor with its interval; such an interval is not symmetric, so that each number has digits of its own."""
    return f"{shown(value)} [{shown(interval[0])}, {shown(interval[1])}]" if interval else shown(value)


def flops(count: float | None, interval: Interval | None = None) -> str:
    """A count of operations, such as 4.2e22, with its interval."""
    if not known(count):
        return UNKNOWN
    text = f"{count:.1e}".replace("e+", "e")
    return f"{text} [{flops(interval[0])}, {flops(interval[1])}]" if interval else text


def tokens(count: float | None, interval: Interval | None = None) -> str:
    """A count of tokens (or another large count), such as 1.31 M, with its interval."""
    if not known(count):
        return UNKNOWN
    if interval is not None and all(map(known, interval)):
        return f"{tokens(count)} [{tokens(interval[0])}, {tokens(interval[1])}]"
    for size, unit in UNITS:
        if count >= size * (1 - 0.5 * 10**-DIGITS):
            scaled = float(f"{count / size:.{DIGITS}g}")
            return shown(scaled, decimals_of(scaled, DIGITS)) + unit
    return shown(count)


def percent(share: float | None, interval: Interval | None = None) -> str:
    """A share as percent, whole unless it is a small part of one."""
    if not known(share):
        return UNKNOWN
    text = f"{shown(100 * share, 0 if 0.005 <= share <= 0.995 or share in (0, 1) else 1)} %"
    if interval is None:
        return text
    return f"{text} [{percent(interval[0])}, {percent(interval[1])}]"


def text_or_dash(text: str | None) -> str:
    """A text of a table that may be missing."""
    return str(text) if isinstance(text, str) and text else UNKNOWN


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 subject, 3 subjects."""
    return f"{shown(number)} {noun}" + ("s" if number != 1 else "")


def share_interval(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share of n trials (Agresti and Coull 1998), which has a width at 0 and 1 too."""
    successes = round(share * n)
    centre, half = (successes + Z2 / 2) / (n + Z2), math.sqrt(Z2) * agresti_coull(successes, n)
    return max(centre - half, 0.0), min(centre + half, 1.0)
