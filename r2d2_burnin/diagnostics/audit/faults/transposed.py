"""Layers or batch axes of the state have been transposed, reversed, or reshaped into each other."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from r2d2_burnin.diagnostics.audit.facts import Facts
from r2d2_burnin.diagnostics.audit.faults.protocol import state_verdict
from r2d2_burnin.diagnostics.audit.hypotheses import Hypothesis, States, repaired
from r2d2_burnin.diagnostics.audit.result import Verdict
from r2d2_burnin.diagnostics.audit.sequences import ReplaySequences, UnfitSequences
from r2d2_burnin.diagnostics.audit.unrolling import Leaves, Unroller
from r2d2_burnin.runtime import nests

NAME = "axes_transposed"
TITLE = "Layers or batch axes of the state are transposed"

MOST_LAYERS = 8
"""Longest axis that is taken for one of layers."""

BATCHES = (8, 16, 32, 64, 128, 256, 512)
"""Sizes of batches in which a replay may have mixed up layers and sequences, besides all sequences at once."""


def _hypotheses(facts: Facts) -> Sequence[Hypothesis]:
    leaves = nests.flatten(facts.unroller.template)
    found = []
    for axis, (i, leaf) in itertools.product((1, 2), enumerate(leaves)):
        if leaf.ndim > axis + 1 and leaf.shape[axis] == leaf.shape[axis + 1] > 1:
            text = f"axes {axis} and {axis + 1} of state/{i} have changed places"
            found.append(Hypothesis(NAME, text, repaired(_exchanged(i, axis))))
    if any(_has_layers(leaf) for leaf in leaves):
        repair = repaired(lambda given: [leaf[:, ::-1] if _has_layers(leaf) else leaf for leaf in given])
        found.append(Hypothesis(NAME, "the layers of the state are in reverse order", repair))
        for batch in {len(facts.sequences), *(b for b in BATCHES if len(facts.sequences) % b == 0)}:
            text = f"an array [layers, {batch}, ..] was reshaped to [{batch}, layers, ..] instead of transposed"
            found.append(Hypothesis(NAME, text, _unmixed(batch)))
    for order, text in _orders_of_layers(facts.unroller.template):
        found.append(Hypothesis(NAME, text, repaired(_reordered(order))))
    return found


def _has_layers(leaf: np.ndarray) -> bool:
    return leaf.ndim >= 3 and 2 <= leaf.shape[1] <= MOST_LAYERS


def _exchanged(place: int, axis: int) -> Callable[[Leaves], Leaves]:
    return lambda leaves: [np.swapaxes(leaf, axis, axis + 1) if i == place else leaf for i, leaf in enumerate(leaves)]


def _reordered(order: Sequence[int]) -> Callable[[Leaves], Leaves]:
    return lambda leaves: [leaves[i] for i in order]


def _unmixed(batch: int) -> States:
    """States of sequences whose replay reshaped `[layers, batch, ..]` to `[batch, layers, ..]`, batch by batch."""

    def states(unroller: Unroller, rows: np.ndarray) -> Leaves:
        leaves = unroller.stored(rows)
        for i, leaf in enumerate(leaves):
            if _has_layers(leaf):
                layers = leaf.shape[1]
                parts = []
                for layer in range(layers):
                    place = layer * batch + rows % batch
                    source = unroller.stored(rows - rows % batch + place // layers)[i]
                    parts.append(source[np.arange(len(rows)), place % layers])
                leaves[i] = np.stack(parts, 1)
        return leaves

    return states


def _orders_of_layers(template: Any) -> Iterator[tuple[tuple[int, ...], str]]:
    """Orders of a state's arrays with the layers of a nest reversed, and with two levels of a nest exchanged."""
    if not isinstance(template, tuple | list) or len(template) < 2:
        return
    groups, place = [], 0
    for part in template:
        size = len(nests.flatten(part))
        groups.append(tuple(range(place, place + size)))
        place += size
    shapes = [leaf.shape for leaf in nests.flatten(template)]
    if len(groups[0]) < 2 or len({len(group) for group in groups}) != 1:
        return
    layers = tuple(itertools.chain(*groups[::-1]))
    levels = np.arange(place).reshape(len(groups[0]), len(groups)).T.reshape(-1)
    for order, text in (
        (layers, "the layers of the state are in reverse order"),
        (tuple(levels.tolist()), "layers and parts of the state are in the order of each other"),
    ):
        if [shapes[i] for i in order] == shapes and order != tuple(range(place)):
            yield order, text


def with_axes_in_order(sequences: ReplaySequences, template: Any) -> tuple[ReplaySequences, dict[int, str]]:
    """Sequences whose state arrays have the axes that the network's have, and what was wrong, by array.

    Raises:
        UnfitSequences: for arrays whose axes no transposition brings in order.
    """
    own = nests.flatten(template)
    if len(own) != len(sequences.state):
        raise UnfitSequences(
            f"state: got {len(sequences.state)} arrays, expected {len(own)} as the network's initial_state has:"
            f" {', '.join(str([len(sequences), *leaf.shape[1:]]) for leaf in own)}"
        )
    arrays, wrong = [], {}
    for i, (array, mine) in enumerate(zip(sequences.state, own, strict=True)):
        got, expected = tuple(np.shape(array)), (len(sequences), *mine.shape[1:])
        if got != expected:
            order = next(
                (o for o in itertools.permutations(range(len(got))) if tuple(got[axis] for axis in o) == expected), None
            )
            if order is None:
                raise UnfitSequences(
                    f"state/{i}: got an array {list(got)}, expected {list(expected)}: observations are"
                    f" {list(np.shape(sequences.observations))}, and the network's initial_state(1) has"
                    f" {list(mine.shape)}"
                )
            wrong[i] = f"state/{i} has shape {list(got)}, expected {list(expected)}"
            array = np.transpose(array, order)
        arrays.append(array)
    return (dataclasses.replace(sequences, state=tuple(arrays)) if wrong else sequences), wrong


class _Transposed:
    """The fault: by shapes where they tell, else by hypotheses."""

    name = NAME

    def hypotheses(self, facts: Facts) -> Sequence[Hypothesis]:
        """What stored states may be."""
        return _hypotheses(facts)

    def verdict(self, facts: Facts) -> Verdict:
        """What shapes and evidence say."""
        if facts.wrong_axes:
            reason = (
                "; ".join(facts.wrong_axes.values()) + ". The other verdicts are about the arrays with axes in order."
            )
            return facts.found(NAME, TITLE, np.arange(len(facts.sequences)), reason, spoils=False)
        if not _hypotheses(facts):
            return facts.ruled_out(NAME, TITLE, "The state has no axes that could be exchanged without being seen.")
        return state_verdict(facts, NAME, TITLE)


FAULT = _Transposed()
