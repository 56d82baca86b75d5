"""A network's step, compiled for an actor: one step, or a block of them in one call."""

from __future__ import annotations

from typing import Any

import numpy as np

from r2d2_burnin.networks.protocol import RecurrentNetwork
from r2d2_burnin.networks.unrolling import where
from r2d2_burnin.runtime.compiled import Compiled
from r2d2_burnin.runtime.tensorflow import tf


class ActorStep:
    """One step of a network in N environments, or a block of S steps, compiled once for every N and S."""

    def __init__(self, network: RecurrentNetwork) -> None:
        self.network = network
        self._compiled = Compiled(self._one_step)
        self._compiled_block = Compiled(self._several_steps)
        self._no_starts: dict[int, Any] = {}  # by N

    def __call__(self, inputs: np.ndarray, state: Any, starts: np.ndarray) -> tuple[Any, Any, Any]:
        """Outputs `[N, A]`, state before (initial where an episode `starts` [N]) and after inputs `[N, F]`."""
        if not starts.any():
            if len(starts) not in self._no_starts:
                self._no_starts[len(starts)] = tf.constant(starts)
            starts = self._no_starts[len(starts)]
        return self._compiled(inputs, state, starts)  # type: ignore[no-any-return]

    def block(self, inputs: np.ndarray, state: Any, starts: np.ndarray) -> tuple[Any, Any, Any]:
        """Outputs `[S, N, A]`, states before each step `[S, N, ...]` and after the last, from inputs `[S, N, F]`.

        Episodes may `start` [N] with the first of the steps only.
        """
        return self._compiled_block(inputs, state, starts)  # type: ignore[no-any-return]

    def to_numpy(self, array: Any) -> np.ndarray:
        """A tensor that this step returned, in NumPy."""
        return array.numpy()  # type: ignore[no-any-return]

    def restored(self, array: np.ndarray) -> Any:
        """An array of a state, as a tensor."""
        return tf.constant(array)

    def _one_step(self, inputs: Any, state: Any, starts: Any) -> tuple[Any, Any, Any]:
        initial = self.network.initial_state(inputs.shape[0])
        before = where(starts, initial, state)
        outputs, after = self.network.step(inputs, before)
        return outputs, before, after

    def _several_steps(self, inputs: Any, state: Any, starts: Any) -> tuple[Any, Any, Any]:
        steps = inputs.shape[0]
        first = where(starts, self.network.initial_state(inputs.shape[1]), state)

        def step(t: Any, state: Any, histories: Any) -> tuple[Any, Any, Any]:
            outputs, after = self.network.step(inputs[t], state)
            written = tf.nest.map_structure(lambda history, value: history.write(t, value), histories, (outputs, state))
            return t + 1, after, written

        outputs, _ = self.network.step(inputs[0], first)  # for its shape: the compiler drops what nothing uses
        histories = tf.nest.map_structure(
            lambda leaf: tf.TensorArray(leaf.dtype, steps, element_shape=leaf.shape), (outputs, first)
        )
        _, last, histories = tf.while_loop(lambda t, *_: t < steps, step, (tf.constant(0), first, histories))
        outputs, before = tf.nest.map_structure(lambda history: history.stack(), histories)
        return outputs, before, last
