"""Checks of an environment's settings: each error names the setting, what was got and what was expected."""

from __future__ import annotations

import operator
from typing import Any


def check_integer(name: str, value: Any, *, least: int) -> None:
    """Raise a ValueError unless `value` is an integer of at least `least`."""
    expected = f"{name}: got {value!r}, expected an integer of at least {least}"
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(expected) from None
    if isinstance(value, bool) or number < least:
        raise ValueError(f"{expected} (the nearest is {least})")


def check_probability(name: str, value: Any) -> None:
    """Raise a ValueError unless `value` is a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{name}: got {value!r}, expected a probability from 0 to 1 (0.5 gives fair bits)")
