"""The first and the last part of a state have changed places: h and c of an LSTM."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from r2d2_burnin.diagnostics.audit.facts import Facts
from r2d2_burnin.diagnostics.audit.faults.protocol import StateFault
from r2d2_burnin.diagnostics.audit.hypotheses import Hypothesis, repaired
from r2d2_burnin.diagnostics.audit.unrolling import Leaves
from r2d2_burnin.runtime import nests

NAME = "parts_swapped"


def _hypotheses(facts: Facts) -> Sequence[Hypothesis]:
    leaves = nests.flatten(facts.unroller.template)
    orders = dict(_orders([leaf.shape[1:] for leaf in leaves]))
    found = [Hypothesis(NAME, text, repaired(_reordered(order))) for order, text in orders.items()]
    if len(leaves) == 1:  # both parts in one array
        if leaves[0].ndim >= 2 and leaves[0].shape[-1] % 2 == 0:
            found.append(Hypothesis(NAME, "the halves of state/0 have changed places", repaired(_halves_swapped)))
        if leaves[0].ndim >= 3 and leaves[0].shape[1] == 2:
            text = "the two parts of axis 1 of state/0 have changed places"
            found.append(Hypothesis(NAME, text, repaired(lambda given: [given[0][:, ::-1]])))
    return found


def _orders(shapes: list[tuple[int, ...]]) -> Iterator[tuple[tuple[int, ...], str]]:
    """Orders of the arrays with h and c exchanged: neighbours, or the first and the last half."""
    count = len(shapes)
    if count < 2 or count % 2:
        return
    half = count // 2
    neighbours = tuple(i + 1 - 2 * (i % 2) for i in range(count))
    halves = (*range(half, count), *range(half))
    for order in (halves, neighbours):
        if [shapes[i] for i in order] == shapes:
            pairs = ", ".join(f"state/{i} and state/{j}" for i, j in enumerate(order) if i < j)
            yield order, f"{pairs} have changed places"


def _reordered(order: tuple[int, ...]) -> Callable[[Leaves], Leaves]:
    return lambda leaves: [leaves[i] for i in order]


def _halves_swapped(leaves: Leaves) -> Leaves:
    return [np.roll(leaves[0], leaves[0].shape[-1] // 2, -1)]


FAULT = StateFault(NAME, "First and last parts of the state are swapped (h and c)", _hypotheses)
