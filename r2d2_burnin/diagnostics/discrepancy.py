"""How far a start state is from the state that the actor had, or should have had: R2D2's ΔQ and the state error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from r2d2_burnin.data import FragmentBatch, References
from r2d2_burnin.diagnostics.callable_discrepancy import Discrepancies
from r2d2_burnin.initialization import Initialization
from r2d2_burnin.initialization.start_state import burn_in, first_state, has_gradient
from r2d2_burnin.learning.objectives import largest_magnitude
from r2d2_burnin.networks.protocol import RecurrentNetwork, State, Tensor
from r2d2_burnin.runtime.compiled import Compiled
from r2d2_burnin.runtime.tensorflow import tf


def delta_q(outputs: Tensor, reference: Tensor, scale: Tensor) -> Tensor:
    """ΔQ `[B]`: ||q - q_reference||_2 / |max q| (R2D2, section 3).

    Args:
        outputs: `[B, A]` at one step, under the initialization tried.
        reference: `[B, A]` at the same step, under the reference state.
        scale: `[B]`, what the distance is relative to; ΔQ is 0 where it is.
    """
    return tf.math.divide_no_nan(tf.norm(outputs - reference, axis=-1), scale)


class DiscrepancyMeasure:
    """Measures discrepancies of a network's start states in one compiled program.

    Args:
        network: what is measured.
        values: what ΔQ compares, of outputs `[..., A]`; by default the outputs themselves.
        scale: what ΔQ is relative to, `[B]`, from values `[B, T, A]` and the mask `[B, T]` of trained steps; by default
            the largest absolute value.
        initialization: how the start states of batches are made; by default from the stored states.
    """

    def __init__(
        self,
        network: RecurrentNetwork,
        values: Callable[[Tensor], Tensor] = lambda outputs: outputs,
        scale: Callable[[Tensor, Tensor], Tensor] = largest_magnitude,
        initialization: Initialization | None = None,
    ) -> None:
        self.network = network
        self._values = values
        self._scale = scale
        self._initialization = initialization
        self._measure = Compiled(self._discrepancies)

    def __call__(
        self, batch: FragmentBatch, references: References, learned: State = ()
    ) -> tuple[Discrepancies, np.ndarray]:
        """Measure a batch `[B, ...]` against its references; returns the outputs `[B, T, A]` as well.

        `learned` is the trained state, a nest of `[1, ...]`, of an initialization that has one.
        """
        exact = references.exact
        # With burn-ins of one length, all initializations share a compiled program, and both unrolls are one.
        slots = max(batch.burn_in_mask.shape[1], exact.burn_in_mask.shape[1])
        batch, exact = _with_burn_in(batch, slots), _with_burn_in(exact, slots)
        discrepancies, outputs = self._measure(batch, references._replace(exact=exact), learned)
        return Discrepancies(*(np.asarray(values) for values in discrepancies)), np.asarray(outputs)

    def distance(self, a: State, b: State) -> np.ndarray:
        """L2 distance `[B]` of two recurrent states."""
        return np.asarray(state_distance(a, b))

    def _discrepancies(self, batch: Any, references: Any, learned: Any) -> tuple[Discrepancies, Tensor]:
        first = _joined(
            first_state(self.network, batch, self._initialization, learned), first_state(self.network, references.exact)
        )
        both = _joined(batch._replace(start_state=()), references.exact._replace(start_state=()))
        start, _ = burn_in(self.network, both, first)
        observations = batch.observations[:, : batch.mask.shape[1]]
        both_outputs, _ = self.network.unroll(_joined(observations, observations), start)
        outputs, exact_outputs = _halves(tf.cast(both_outputs, tf.float32))

        trained = tf.cast(batch.mask, tf.int32)
        last = tf.reduce_sum(trained, 1) - 1
        last_observation = tf.gather(observations, last, axis=1, batch_dims=1)
        stored, _ = self.network.step(
            _joined(observations[:, 0], last_observation), _joined(references.state_first, references.state_last)
        )

        values, exact_values = self._values(outputs), self._values(exact_outputs)
        stored_first, stored_last = _halves(self._values(tf.cast(stored, tf.float32)))
        first_value = values[:, 0]
        last_value = tf.gather(values, last, axis=1, batch_dims=1)
        last_exact_value = tf.gather(exact_values, last, axis=1, batch_dims=1)
        scale = self._scale(values, batch.mask)
        discrepancies = Discrepancies(
            delta_q_first=delta_q(first_value, stored_first, scale),
            delta_q_last=delta_q(last_value, stored_last, scale),
            delta_q_first_exact=delta_q(first_value, exact_values[:, 0], scale),
            delta_q_last_exact=delta_q(last_value, last_exact_value, scale),
            state_error=state_distance(*_halves(start)),
        )
        return discrepancies, outputs


def state_distance(a: State, b: State) -> Tensor:
    """L2 distance `[B]` of two recurrent states, over all arrays of the nest that hold floats, real or complex."""
    pairs = [*zip(tf.nest.flatten(a), tf.nest.flatten(b), strict=True)]
    # In float32: squares of float16 overflow from 256 on.
    squares = [
        tf.reduce_sum(tf.square(tf.cast(tf.abs(x - y), tf.float32)), axis=list(range(1, len(x.shape))))
        for x, y in pairs
        if has_gradient(x)
    ]
    return tf.sqrt(tf.add_n(squares)) if squares else tf.zeros([tf.shape(pairs[0][0])[0]])


def _with_burn_in(batch: FragmentBatch, slots: int) -> FragmentBatch:
    """The same fragments with burn-ins of `slots` steps: what is missing is padded in front."""
    missing = slots - batch.burn_in_mask.shape[1]
    if not missing:
        return batch
    return batch._replace(
        processed=np.pad(batch.processed, ((0, 0), (missing, 0), (0, 0))),
        burn_in_mask=np.pad(batch.burn_in_mask, ((0, 0), (missing, 0))),
    )


def _joined(a: Any, b: Any) -> Any:
    """Two nests of `[B, ...]` as one of `[2B, ...]`."""
    return tf.nest.map_structure(lambda x, y: tf.concat([x, y], 0), a, b)


def _halves(nest: Any) -> tuple[Any, Any]:
    """The two nests of `[B, ...]` that are joined in one of `[2B, ...]`."""
    pairs = [tf.split(leaf, 2) for leaf in tf.nest.flatten(nest)]
    return tuple(tf.nest.pack_sequence_as(nest, [pair[i] for pair in pairs]) for i in range(2))
