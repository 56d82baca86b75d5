"""A network called on chosen steps of chosen sequences, in batches of bounded size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from r2d2_burnin.diagnostics.audit.layout import Layout, slots
from r2d2_burnin.diagnostics.audit.sequences import ReplaySequences, UnfitSequences
from r2d2_burnin.networks.adapters import CallableNetwork
from r2d2_burnin.runtime import nests

Leaves = list[np.ndarray]
"""The arrays of a state, `[n, ...]` each."""


class Unroller:
    """Unrolls a network over steps of sequences.

    Args:
        network: what is called.
        sequences: of which steps are taken.
        layout: where these lie.
        batch_size: sequences of a call, at most.
        stepped: told the number of steps so far, after each call.
    """

    def __init__(
        self,
        network: CallableNetwork,
        sequences: ReplaySequences,
        layout: Layout,
        batch_size: int,
        stepped: Callable[[int], object] = lambda steps: None,
    ) -> None:
        self._network = network
        self._sequences = sequences
        self._layout = layout
        self._stepped = stepped
        self.batch_size = batch_size
        self.template = network.initial_state(1)
        self.steps = 0
        """Steps that the network was called on."""
        self.seconds = 0.0
        """Time that these took."""

    def pieces(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Rows `[n]` in pieces of a batch each."""
        for begin in range(0, len(rows), self.batch_size):
            yield rows[begin : begin + self.batch_size]

    def stored(self, rows: np.ndarray) -> Leaves:
        """Stored states of sequences `[n]`, in the dtypes that the network has."""
        like = nests.flatten(self.template)
        return [np.asarray(leaf[rows]).astype(own.dtype) for leaf, own in zip(self._sequences.state, like, strict=True)]

    def initial(self, count: int) -> Leaves:
        """The network's initial state, `[count, ...]`."""
        return [np.asarray(leaf) for leaf in nests.flatten(self._network.initial_state(count))]

    def observations(self, rows: np.ndarray, begin: int, count: int) -> np.ndarray:
        """Inputs `[n, count, ...]` of the steps from `begin` on, padding left out; after the last step, any."""
        return self._steps(self._sequences.observations, rows, begin, count)

    def acted(self, rows: np.ndarray, begin: int, count: int) -> np.ndarray:
        """Outputs as acted `[n, count, A]`, in the same way."""
        return self._steps(self._sequences.outputs, rows, begin, count).astype(np.float64)

    def padding(self, rows: np.ndarray, count: int) -> np.ndarray:
        """Inputs `[n, count, ...]` of the last `count` slots of padding before the first step."""
        left = self._layout.left[rows]
        places = left[:, None] - count + np.arange(count)
        return _as_floats(self._sequences.observations[rows[:, None], places])

    def observations_at(self, rows: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Inputs `[n, T, ...]` of steps `[n, T]`."""
        return self._at(self._sequences.observations, rows, steps)

    def acted_at(self, rows: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Outputs as acted `[n, T, A]` of steps `[n, T]`."""
        return self._at(self._sequences.outputs, rows, steps).astype(np.float64)

    def with_padding(self, rows: np.ndarray) -> np.ndarray:
        """Inputs `[n, L, ...]` of all slots from the first step on, those of padding too."""
        places = np.minimum(
            self._layout.left[rows][:, None] + np.arange(self._sequences.length), self._sequences.length - 1
        )
        return _as_floats(self._sequences.observations[rows[:, None], places])

    def _steps(self, array: Any, rows: np.ndarray, begin: int, count: int) -> np.ndarray:
        wanted = np.minimum(np.arange(begin, begin + count)[None], self._layout.count[rows][:, None] - 1)
        return self._at(array, rows, wanted)

    def _at(self, array: Any, rows: np.ndarray, steps: np.ndarray) -> np.ndarray:
        if self._layout.gaps[rows].any():
            places = np.take_along_axis(slots(self._sequences.mask[rows]), steps, 1)
        else:
            places = self._layout.left[rows][:, None] + steps
        return _as_floats(array[rows[:, None], places])

    def unroll(self, observations: np.ndarray, leaves: Leaves) -> tuple[np.ndarray, Leaves]:
        """Outputs `[n, T, A]` and last states from inputs `[n, T, ...]` and states, one batch after another."""
        if not observations.shape[1]:
            return np.zeros((len(observations), 0, 1)), leaves
        outputs, states = [], []
        for begin in range(0, len(observations), self.batch_size):
            piece = slice(begin, begin + self.batch_size)
            started = time.perf_counter()
            state = nests.pack(self.template, [leaf[piece] for leaf in leaves])
            given, after = self._network.unroll(np.ascontiguousarray(observations[piece]), state)
            self.seconds += time.perf_counter() - started
            outputs.append(np.asarray(given, np.float64))
            states.append([np.asarray(leaf) for leaf in nests.flatten(after)])
            steps = observations[piece].shape[0] * observations.shape[1]
            self.steps += steps
            self._stepped(self.steps)
        return np.concatenate(outputs), [np.concatenate(parts) for parts in zip(*states, strict=True)]

    def outputs(self, observations: np.ndarray, leaves: Leaves) -> np.ndarray:
        """Outputs `[n, T, A]` alone."""
        return self.unroll(observations, leaves)[0]


def _as_floats(given: Any) -> np.ndarray:
    values: np.ndarray = np.asarray(given)
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float32)


def take(leaves: Sequence[np.ndarray], rows: np.ndarray) -> Leaves:
    """Some states of many."""
    return [leaf[rows] for leaf in leaves]


def chosen(flags: np.ndarray, leaves: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> Leaves:
    """States `[n, ...]`: the first ones where `flags` `[n]` is set, else the others."""
    return [np.where(flags.reshape(-1, *[1] * (a.ndim - 1)), a, b) for a, b in zip(leaves, others, strict=True)]


def flat(leaves: Sequence[np.ndarray]) -> np.ndarray:
    """The numbers of states `[n, ...]` as vectors `[n, D]`; of complex ones, real and imaginary parts."""
    parts = [leaf.reshape(len(leaf), -1) for leaf in leaves]
    parts = [np.concatenate([part.real, part.imag], 1) if part.dtype.kind == "c" else part for part in parts]
    return np.concatenate([part.astype(np.float64) for part in parts], 1)


def distances(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> np.ndarray:
    """Distances `[n]` of states, relative to the larger norm; of all arrays together."""
    squares, of_a, of_b = (np.zeros(len(a[0])) for _ in range(3))
    for x, y in zip(a, b, strict=True):
        kind = np.complex128 if x.dtype.kind == "c" else np.float64
        x, y = (leaf.astype(kind).reshape(len(leaf), -1) for leaf in (x, y))
        for total, leaf in ((squares, x - y), (of_a, x), (of_b, y)):
            total += np.square(np.abs(leaf)).sum(1)
    largest = np.sqrt(np.maximum(of_a, of_b))
    return np.divide(np.sqrt(squares), largest, out=np.zeros_like(largest), where=largest > 0)


def check_memory(unroller: Unroller, layout: Layout) -> None:
    """Check on a few sequences that a network gives the same outputs twice, and that its outputs are finite.

    Raises:
        UnfitSequences: naming the network, or the sequence.
    """
    rows = np.arange(min(2, len(layout.count)))
    steps = int(min(layout.count[rows].max(), 8))
    observations, leaves = unroller.observations(rows, 0, steps), unroller.stored(rows)
    first = unroller.outputs(observations, leaves)
    unroller.outputs(observations[::-1], unroller.initial(len(rows)))
    second = unroller.outputs(observations, leaves)
    if not np.isfinite(first).all():
        row = rows[int(np.argmin(np.isfinite(first).all((1, 2))))]
        raise UnfitSequences(f"network: its outputs for sequence {row} are not finite")
    if not np.allclose(first, second, rtol=1e-4, atol=1e-5 * np.abs(first).max()):
        raise UnfitSequences(
            "network: the same observations and states gave other outputs the second time: it keeps a hidden state"
            " between calls, or is random (dropout in training mode); expected a function of its arguments"
        )
