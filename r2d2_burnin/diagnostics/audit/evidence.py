"""What shows that a stored state is right or wrong: outputs as acted, earlier sequences, the initial state.

Each kind of evidence compares, sequence by sequence, two things that agree to rounding if a hypothesis holds and the
parameters are those that acted. With older parameters both hypotheses miss by what the parameters have changed, and
`deciding` tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from r2d2_burnin.diagnostics.audit.consecutive import Consecutive, ExactStates
from r2d2_burnin.diagnostics.audit.hypotheses import AS_STORED, Hypothesis
from r2d2_burnin.diagnostics.audit.layout import Layout
from r2d2_burnin.diagnostics.audit.unrolling import Leaves, Unroller, chosen, flat, take

WINDOW = 6
"""Steps of a sequence on which outputs are compared: more would cost more and tell little."""


class Trial(NamedTuple):
    """How far off each of n sequences is; relative to what is compared, NaN where nothing can be."""

    own: np.ndarray  # [n] as stored
    tried: np.ndarray  # [n] if the hypothesis held
    apart: np.ndarray  # [n] how far the two predictions are from each other


class Evidence(Protocol):
    """One kind of evidence."""

    name: str
    """What is compared, in words."""
    rounding: float
    """Differences that rounding explains."""
    clearly: float
    """A hypothesis about stale states has to bring the median sequence below this part of its error as stored."""
    rows: np.ndarray
    """Sequences that it says something of."""

    def trial(self, hypothesis: Hypothesis, rows: np.ndarray) -> Trial:
        """Compare a hypothesis with the states as stored."""

    def misfit(self, row: int, others: np.ndarray) -> np.ndarray:
        """How badly the stored states of others `[m]` fit a sequence, by one step of outputs or by the states."""

    def beside(self, rows: np.ndarray) -> np.ndarray:
        """What the right states of sequences go with, whatever the parameters that acted: numbers `[n, D]`."""


def _trial_by_padding(
    trial: Callable[[Hypothesis, np.ndarray, int], np.ndarray],
    unroller: Unroller,
    layout: Layout,
    hypothesis: Hypothesis,
    rows: np.ndarray,
    keys: np.ndarray,
) -> Trial:
    """Compare sequences `[n]` that have the same padding and keys `[n, K]` together.

    NaN for those without padding where a hypothesis is about it.
    """
    whole = np.full((3, len(rows)), np.nan)
    padded = layout.left[rows] if hypothesis.over_padding else np.zeros(len(rows), np.int64)
    keys = np.concatenate([keys, padded[:, None]], 1)
    for key in np.unique(keys, axis=0):
        if hypothesis.over_padding and key[-1] == 0:
            continue
        for piece in unroller.pieces(np.flatnonzero((keys == key).all(1))):
            whole[:, piece] = trial(hypothesis, rows[piece], int(key[-1]))
    return Trial(*whole)


class OutputEvidence:
    """Outputs as acted against those that the network gives from the stored state over the first few steps.

    A state that is one step early needs the observation before the sequence's first one, of an earlier sequence.
    """

    name = "outputs as acted"
    clearly = 0.6

    def __init__(
        self, unroller: Unroller, layout: Layout, consecutive: Consecutive | None, rows: np.ndarray, precision: float
    ) -> None:
        self._unroller = unroller
        self._layout = layout
        self._consecutive = consecutive
        self.rounding = max(1e-4, 4 * precision)
        self.rows = rows[layout.until[rows] >= 2]

    def trial(self, hypothesis: Hypothesis, rows: np.ndarray) -> Trial:
        """Compare a hypothesis with the states as stored, `[n]` each."""
        possible = np.full(len(rows), not hypothesis.over_padding)
        if hypothesis.shift < 0:
            possible &= self._consecutive is not None and self._consecutive.before[rows] >= 0
        whole = np.full((3, len(rows)), np.nan)
        parts = [self._trial(hypothesis, piece) for piece in self._unroller.pieces(rows[possible])]
        if parts:
            whole[:, possible] = np.concatenate(parts, 1)
        return Trial(*whole)

    def _trial(self, hypothesis: Hypothesis, rows: np.ndarray) -> np.ndarray:
        """Own, tried and apart, `[3, n]`."""
        unroller, skipped = self._unroller, max(hypothesis.shift, 0)
        steps = int(min(WINDOW, self._layout.until[rows].max()))
        x, acted = unroller.observations(rows, 0, steps), unroller.acted(rows, 0, steps)
        own = unroller.outputs(x, unroller.stored(rows))
        tried = own
        if hypothesis is not AS_STORED:
            leaves = hypothesis.states(unroller, rows)
            if hypothesis.shift < 0 and self._consecutive is not None:
                tried = unroller.outputs(np.concatenate([before(unroller, self._consecutive, rows), x], 1), leaves)[
                    :, 1:
                ]
            else:
                tried = unroller.outputs(x[:, skipped:], leaves)
        counts = np.arange(skipped, steps) < self._layout.until[rows][:, None]
        scale = np.maximum(np.abs(acted).max((1, 2)), np.finfo(np.float32).tiny)
        own, acted = own[:, skipped:], acted[:, skipped:]
        tried = tried if hypothesis is not AS_STORED else own
        return np.stack([_rms(a - b, counts) / scale for a, b in ((own, acted), (tried, acted), (own, tried))])

    def misfit(self, row: int, others: np.ndarray) -> np.ndarray:
        """Distance `[m]` of the outputs of the first step."""
        rows, unroller = np.array([row]), self._unroller
        acted, x = unroller.acted(rows, 0, 1)[0, 0], unroller.observations(rows, 0, 1)
        given = [unroller.outputs(np.repeat(x, len(p), 0), unroller.stored(p))[:, 0] for p in unroller.pieces(others)]
        return np.asarray(np.linalg.norm(np.concatenate(given) - acted, axis=-1))

    def beside(self, rows: np.ndarray) -> np.ndarray:
        """Outputs as acted at the first two steps."""
        return self._unroller.acted(rows, 0, 2).reshape(len(rows), -1)


def before(unroller: Unroller, consecutive: Consecutive, rows: np.ndarray) -> np.ndarray:
    """The observation `[n, 1, ...]` before the first step of each sequence, from the sequence before it."""
    return unroller.observations_at(consecutive.before[rows], consecutive.gap[rows][:, None] - 1)


class ConsecutiveEvidence:
    """The stored state of a sequence against the one that follows from earlier sequences of its episode.

    Where these cover the episode from its first step, what follows does not depend on any stored state; elsewhere it
    follows from the stored state of the one before.
    """

    name = "the states that follow from earlier sequences of the same episode"
    clearly = 0.6

    def __init__(
        self,
        unroller: Unroller,
        layout: Layout,
        consecutive: Consecutive,
        exact: ExactStates,
        rows: np.ndarray,
        precision: float,
    ) -> None:
        self._unroller = unroller
        self._layout = layout
        self._consecutive = consecutive
        self._exact = exact
        self.rounding = max(3e-4, 4 * precision)
        self.rows = rows

    def trial(self, hypothesis: Hypothesis, rows: np.ndarray) -> Trial:
        """Compare a hypothesis with the states as stored, `[n]` each."""
        exact = np.isin(rows, self._exact.rows)
        # Sequences whose predictions take the same number of steps share a call.
        keys = np.stack([exact, np.where(exact, 0, self._consecutive.gap[rows])], 1)
        return _trial_by_padding(self._trial, self._unroller, self._layout, hypothesis, rows, keys)

    def misfit(self, row: int, others: np.ndarray) -> np.ndarray:
        """Distance `[m]` to the state that follows from earlier sequences."""
        predicted = self._predicted(AS_STORED, np.array([row]))
        return np.concatenate([_norm(self._unroller.stored(p), predicted) for p in self._unroller.pieces(others)])

    def beside(self, rows: np.ndarray) -> np.ndarray:
        """The states that follow from earlier sequences."""
        exact = np.isin(rows, self._exact.rows)
        keys = np.where(exact, -1, self._consecutive.gap[rows])
        values: np.ndarray | None = None
        for key in np.unique(keys):
            places = np.flatnonzero(keys == key)
            part = flat(self._predicted(AS_STORED, rows[places]))
            values = np.zeros((len(rows), part.shape[1])) if values is None else values
            values[places] = part
        return np.zeros((0, 1)) if values is None else values

    def _trial(self, hypothesis: Hypothesis, rows: np.ndarray, padded: int) -> np.ndarray:
        unroller, stored = self._unroller, self._unroller.stored(rows)
        predicted = self._predicted(AS_STORED, rows)
        scale = _largest(predicted, stored)
        own = _norm(predicted, stored) / scale
        if hypothesis is AS_STORED:
            return np.stack([own, own, np.zeros(len(rows))])
        tried, right = self._predicted(hypothesis, rows), hypothesis.states(unroller, rows)
        moved, reference = tried, tried
        if hypothesis.over_padding:
            _, moved = unroller.unroll(unroller.padding(rows, padded), predicted)
        elif hypothesis.shift > 0:
            _, moved = unroller.unroll(unroller.observations(rows, 0, 1), tried)
        elif hypothesis.shift < 0:
            _, right = unroller.unroll(before(unroller, self._consecutive, rows), right)
        apart = _norm(moved, reference) if moved is not reference else _norm(stored, right)
        return np.stack([own, _norm(moved, right) / scale, apart / scale])

    def _predicted(self, hypothesis: Hypothesis, rows: np.ndarray) -> Leaves:
        """The states before the first steps of sequences `[n]`, if the hypothesis holds for the ones before them too.

        All are exact, or all follow from sequences that begin as many steps earlier.
        """
        if np.isin(rows[:1], self._exact.rows).all():
            return self._exact.states(rows)
        unroller, earlier = self._unroller, self._consecutive.before[rows]
        begins, gap = self._layout.begins[earlier], int(self._consecutive.gap[rows[0]])
        initial = unroller.initial(len(rows))
        start = chosen(begins, initial, hypothesis.states(unroller, earlier))
        x = unroller.observations(earlier, 0, gap)
        if hypothesis.shift <= 0:
            return unroller.unroll(x, start)[1]
        # States of earlier sequences that do not begin their episode are one step late themselves.
        leaves = [np.empty_like(leaf) for leaf in start]
        for places, skipped in ((begins, 0), (~begins, 1)):
            if places.any():
                _, after = unroller.unroll(x[places, skipped:], take(start, places))
                for leaf, part in zip(leaves, after, strict=True):
                    leaf[places] = part
        return leaves


class BeginEvidence:
    """The stored state of a sequence that begins an episode against the network's initial state."""

    name = "the network's initial state"
    clearly = 0.25  # any state is nearer to the mean of a network's states than to zeros

    def __init__(self, unroller: Unroller, layout: Layout, rows: np.ndarray, precision: float) -> None:
        self._unroller = unroller
        self._layout = layout
        self.rounding = max(3e-4, 4 * precision)
        self.rows = rows

    def trial(self, hypothesis: Hypothesis, rows: np.ndarray) -> Trial:
        """Compare a hypothesis with the initial state, `[n]` each."""
        keys = np.zeros((len(rows), 0), np.int64)
        return _trial_by_padding(self._trial, self._unroller, self._layout, hypothesis, rows, keys)

    def misfit(self, row: int, others: np.ndarray) -> np.ndarray:
        """Distance `[m]` to the initial state."""
        return np.concatenate(
            [_norm(self._unroller.stored(p), self._unroller.initial(1)) for p in self._unroller.pieces(others)]
        )

    def beside(self, rows: np.ndarray) -> np.ndarray:
        """Nothing: the initial state is the same everywhere."""
        return np.zeros((len(rows), 1))

    def _trial(self, hypothesis: Hypothesis, rows: np.ndarray, padded: int) -> np.ndarray:
        unroller = self._unroller
        initial, stored = unroller.initial(len(rows)), unroller.stored(rows)
        tried = initial
        if hypothesis.over_padding:
            _, tried = unroller.unroll(unroller.padding(rows, padded), initial)
        if hypothesis.shift > 0:
            _, tried = unroller.unroll(unroller.observations(rows, 0, 1), initial)
        scale = _largest(stored, tried)
        return np.stack([_norm(a, b) / scale for a, b in ((stored, initial), (stored, tried), (initial, tried))])


def _rms(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Root mean square `[n]` over the counted steps `[n, T]` of the norms of `[n, T, A]`."""
    squares = np.square(values).sum(-1)
    total = counts.sum(1)
    mean = np.divide((squares * counts).sum(1), total, out=np.full(len(total), np.nan), where=total > 0)
    return np.asarray(np.sqrt(mean))


def _norm(a: Leaves, b: Leaves) -> np.ndarray:
    """Distance `[n]` of states `[n, ...]` from as many others, or from one."""
    squares = np.zeros(len(a[0]))
    for x, y in zip(a, b, strict=True):
        kind = np.complex128 if x.dtype.kind == "c" else np.float64
        squares += np.square(np.abs(x.astype(kind) - y.astype(kind))).reshape(len(x), -1).sum(1)
    return np.asarray(np.sqrt(squares))


def _largest(a: Leaves, b: Leaves) -> np.ndarray:
    """The larger norm `[n]` of two states, 1 where both are zero."""
    norms = [_norm(leaves, [np.zeros_like(leaf) for leaf in leaves]) for leaves in (a, b)]
    largest = np.maximum(*norms)
    return np.where(largest > 0, largest, 1.0)
