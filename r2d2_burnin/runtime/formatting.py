"""Numbers as people read them: three digits that count, no powers of ten, intervals as plus-minus."""

from __future__ import annotations

import math
from collections.abc import Sequence

NEGLIGIBLE = 1e-6
"""A number nearer to zero than this is shown as about zero: single precision computes no more."""

LARGE = ((1e9, "billion"), (1e6, "million"))
"""Sizes with words of their own."""

LARGEST = 1e12
"""A number further from zero than this is shown as being so."""


def number(value: float, *, digits: int = 3, signed: bool = False) -> str:
    """A number with three digits that count: 0.0123, 4.5, 2,610, 2.61 million.

    Args:
        value: NaN, which stands for what was not measured, becomes a dash.
        digits: that count, fewer than five.
        signed: whether a number above zero has a plus sign, as differences have.
    """
    if math.isnan(value):
        return "-"
    if 0 < abs(value) < NEGLIGIBLE:
        return "about 0"
    sign = "-" if value < 0 else "+" if signed and value > 0 else ""
    beyond = ("over " if value > 0 else "below ") if abs(value) > LARGEST else ""
    return beyond + sign + _size(min(abs(value), LARGEST), digits)


def plus_minus(mean: float, half_width: float) -> str:
    """A mean and half the width of its interval, as far as their digits count: 46.3 ± 8.7, 2,800 ± 1,500.

    A half width that is not seen beside four digits of the mean is left out.
    """
    if not math.isfinite(mean + half_width) or half_width < max(NEGLIGIBLE, 5e-5 * abs(mean)):
        return number(mean)
    if max(abs(mean), half_width) > LARGEST:
        return number(mean)
    factor, word = next(((size, word) for size, word in LARGE if abs(mean) >= size), (1.0, ""))
    mean, half_width = mean / factor, half_width / factor
    decimals = min(_decimals(mean, 4), _decimals(half_width, 2))
    return f"{_fixed(mean, decimals)} ± {_fixed(half_width, decimals)} {word}".rstrip()


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them: a, b and c."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _size(value: float, digits: int) -> str:
    """A number of zero or more."""
    rounded = float(f"{value:.{digits}g}")
    for size, word in LARGE:
        if rounded >= size:
            return f"{_fixed(rounded / size, max(_decimals(rounded / size, digits), 0))} {word}"
    if rounded >= 1e3:
        return f"{rounded:,.0f}"
    return f"{value:.{digits}g}" if rounded >= 1e-4 or value == 0 else f"{value:.7f}".rstrip("0")


def _decimals(value: float, digits: int) -> int:
    """Decimals with which a number has so many digits that count; below zero where it is large."""
    return digits - 1 - math.floor(math.log10(abs(value))) if value else digits


def _fixed(value: float, decimals: int) -> str:
    rounded = round(value, decimals) or 0.0  # without the sign of a zero
    return f"{rounded:,.{max(decimals, 0)}f}"
