"""Discrepancies of a network that is called with NumPy arrays: the measures of `discrepancy` without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from r2d2_burnin.data import FragmentBatch, References
from r2d2_burnin.learning.objectives import largest_magnitude
from r2d2_burnin.networks.adapters import CallableNetwork
from r2d2_burnin.runtime import nests

MOST_ROWS = 1024
"""Fragments in one call of the network, at most."""


class Discrepancies(NamedTuple):
    """Measures of a batch of fragments, `[B]` each; the first four have no unit."""

    delta_q_first: np.ndarray  # against the actor's stored state, at the first trained step
    delta_q_last: np.ndarray  # .. at the last trained step
    delta_q_first_exact: np.ndarray  # against the state from the episode's first step with the same parameters
    delta_q_last_exact: np.ndarray  # .. at the last trained step
    state_error: np.ndarray  # L2 norm of start state minus exact state, before the first trained step


class CallableDiscrepancyMeasure:
    """Measures discrepancies of a `CallableNetwork`'s start states, in float64.

    Fragments with burn-ins of the same length are one call: such a network has no mask for padding.

    Args:
        network: what is measured.
        values: what ΔQ compares, of outputs `[..., A]`; by default the outputs themselves.
        scale: what ΔQ is relative to, `[B]`, from values `[B, T, A]` and the mask `[B, T]` of trained steps; by default
            the largest absolute value.
    """

    def __init__(
        self,
        network: CallableNetwork,
        values: Callable[[Any], Any] = lambda outputs: outputs,
        scale: Callable[[Any, Any], Any] = largest_magnitude,
    ) -> None:
        self._network = network
        self._values = values
        self._scale = scale
        self._exact: tuple[FragmentBatch, tuple[np.ndarray, Any]] | None = None

    def __call__(self, batch: FragmentBatch, references: References) -> tuple[Discrepancies, np.ndarray]:
        """Measure a batch `[B, ...]` against its references; returns the outputs `[B, T, A]` as well."""
        outputs, start = self._process(batch)
        if self._exact is None or self._exact[0] is not references.exact:  # every burn-in is compared with the same
            self._exact = references.exact, self._process(references.exact)
        exact_outputs, exact_start = self._exact[1]
        rows = np.arange(len(outputs))
        last = batch.mask.sum(1) - 1
        observations = batch.observations
        stored_first = self._step(observations[:, 0], references.state_first)
        stored_last = self._step(observations[rows, last], references.state_last)
        values, exact_values, stored_first, stored_last = (
            np.asarray(self._values(part), np.float64) for part in (outputs, exact_outputs, stored_first, stored_last)
        )
        scale = np.asarray(self._scale(values, batch.mask))
        discrepancies = Discrepancies(
            delta_q_first=delta_q(values[:, 0], stored_first, scale),
            delta_q_last=delta_q(values[rows, last], stored_last, scale),
            delta_q_first_exact=delta_q(values[:, 0], exact_values[:, 0], scale),
            delta_q_last_exact=delta_q(values[rows, last], exact_values[rows, last], scale),
            state_error=state_distance(start, exact_start),
        )
        return discrepancies, outputs

    def distance(self, a: Any, b: Any) -> np.ndarray:
        """L2 distance `[B]` of two recurrent states."""
        return state_distance(a, b)

    def _process(self, batch: FragmentBatch) -> tuple[np.ndarray, Any]:
        """Outputs `[B, T, A]` of the trained steps, and the state before the first of them."""
        steps = batch.mask.shape[1]
        slots = batch.burn_in_mask.shape[1]
        outputs: np.ndarray | None = None
        starts: list[np.ndarray] = []
        for rows, skipped in _groups(batch.burn_in_mask):
            state = self._first_state(batch, rows)
            if skipped < slots:
                _, state = self._network.unroll(batch.burn_in_observations[rows, skipped:], state)
            of_rows, _ = self._network.unroll(batch.observations[rows, :steps], state)
            leaves = nests.flatten(state)
            if outputs is None:
                outputs = np.zeros((len(batch.mask), *of_rows.shape[1:]), of_rows.dtype)
                starts = [np.zeros((len(batch.mask), *leaf.shape[1:]), leaf.dtype) for leaf in leaves]
            outputs[rows] = of_rows
            for start, leaf in zip(starts, leaves, strict=True):
                start[rows] = leaf
        assert outputs is not None  # there are fragments
        return outputs, nests.pack(self._network.initial_state(1), starts)

    def _first_state(self, batch: FragmentBatch, rows: np.ndarray) -> Any:
        """The state `[n, ...]` before the first processed step of fragments `[n]`: initial, or the stored one."""
        initial = self._network.initial_state(len(rows))
        begins = batch.from_initial_state[rows]
        leaves = [
            np.where(begins.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, stored[rows])
            for leaf, stored in zip(nests.flatten(initial), nests.flatten(batch.start_state), strict=True)
        ]
        return nests.pack(initial, leaves)

    def _step(self, observations: np.ndarray, state: Any) -> np.ndarray:
        """Outputs `[B, A]` of one step from observations `[B, F]` and states."""
        leaves = nests.flatten(state)
        parts = []
        for begin in range(0, len(observations), MOST_ROWS):
            part = slice(begin, begin + MOST_ROWS)
            own = nests.pack(state, [leaf[part] for leaf in leaves])
            parts.append(self._network.unroll(observations[part, None], own)[0][:, 0])
        return np.concatenate(parts)


def _groups(burn_in_mask: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """Rows `[n]` of fragments whose burn-in begins after the same padded slots, and how many those are."""
    skipped = burn_in_mask.shape[1] - burn_in_mask.sum(1)
    groups = []
    for padding in np.unique(skipped).tolist():
        rows = np.flatnonzero(skipped == padding)
        groups += [(part, padding) for part in np.split(rows, range(MOST_ROWS, len(rows), MOST_ROWS))]
    return groups


def delta_q(outputs: np.ndarray, reference: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """ΔQ `[B]`: ||q - q_reference||_2 / |max q| (R2D2, section 3), as `discrepancy.delta_q` has it."""
    distance = np.linalg.norm(outputs - reference, axis=-1)
    return np.asarray(np.divide(distance, scale, out=np.zeros_like(distance), where=scale != 0))


def state_distance(a: Any, b: Any) -> np.ndarray:
    """L2 distance `[B]` of two recurrent states, over all arrays that hold floats, as `discrepancy.state_distance`."""
    pairs = [*zip(nests.flatten(a), nests.flatten(b), strict=True)]
    total = np.zeros(len(pairs[0][0]))
    for x, y in pairs:
        if x.dtype.kind in "fc" or "float" in x.dtype.name:
            wide = np.complex128 if x.dtype.kind == "c" else np.float64
            total += (np.abs(x.astype(wide) - y.astype(wide)) ** 2).reshape(len(total), -1).sum(1)
    return np.sqrt(total)
