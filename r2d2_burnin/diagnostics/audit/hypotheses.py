"""What a stored state may be instead of the state before its sequence's first step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from r2d2_burnin.diagnostics.audit.unrolling import Leaves, Unroller

States = Callable[[Unroller, np.ndarray], Leaves]
"""The states before the first steps of sequences `[n]`, made of what is stored."""


def as_stored(unroller: Unroller, rows: np.ndarray) -> Leaves:
    """The stored states themselves."""
    return unroller.stored(rows)


@dataclasses.dataclass(frozen=True)
class Hypothesis:
    """One way in which stored states can be wrong."""

    fault: str  # the fault that it is one form of
    detail: str  # which form, in words
    states: States = as_stored  # what the right states are, if it holds
    shift: int = 0  # steps by which stored states are late: 1 is the state after the first step, -1 the one before
    over_padding: bool = False  # whether stored states have been advanced over the padding before the first step


AS_STORED = Hypothesis("", "as stored")


def repaired(repair: Callable[[Leaves], Leaves]) -> States:
    """States that a change of each stored state, by itself, makes right."""
    return lambda unroller, rows: repair(unroller.stored(rows))
