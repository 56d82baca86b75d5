"""A step of a network that is called with NumPy arrays, for an actor: without TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np

from r2d2_burnin.acting.actor_step import ActorStep
from r2d2_burnin.acting.protocols import NetworkStep
from r2d2_burnin.networks.adapters import CallableNetwork, adapt, is_recurrent_network
from r2d2_burnin.runtime import nests


class CallableStep:
    """One step of a `CallableNetwork` in N environments, or a block of S steps, one call after another."""

    def __init__(self, network: CallableNetwork) -> None:
        self.network = network

    def __call__(self, inputs: np.ndarray, state: Any, starts: np.ndarray) -> tuple[np.ndarray, Any, Any]:
        """Outputs `[N, A]`, state before (initial where an episode `starts` [N]) and after inputs `[N, F]`."""
        before = state
        if starts.any():
            initial = self.network.initial_state(len(inputs))
            before = nests.pack(initial, [_where(starts, *pair) for pair in _pairs(initial, state)])
        outputs, after = self.network.unroll(inputs[:, None], before)
        return outputs[:, 0], before, after

    def block(self, inputs: np.ndarray, state: Any, starts: np.ndarray) -> tuple[np.ndarray, Any, Any]:
        """Outputs `[S, N, A]`, states before each step `[S, N, ...]` and after the last, from inputs `[S, N, F]`.

        Episodes may `start` [N] with the first of the steps only.
        """
        outputs, befores = [], []
        for t, step_inputs in enumerate(inputs):
            output, before, state = self(step_inputs, state, starts if t == 0 else np.zeros_like(starts))
            outputs.append(output)
            befores.append(nests.flatten(before))
        return np.stack(outputs), nests.pack(state, [np.stack(leaves) for leaves in zip(*befores, strict=True)]), state

    def to_numpy(self, array: Any) -> np.ndarray:
        """An array that this step returned, in NumPy."""
        return np.asarray(array)

    def restored(self, array: np.ndarray) -> Any:
        """An array of a state, as this step takes it."""
        return array


def step_of(network: Any) -> NetworkStep:
    """The step of a network, compiled by TensorFlow where the network is of it; a step itself stays what it is."""
    if all(hasattr(network, name) for name in ("block", "to_numpy", "restored")):
        step: NetworkStep = network
        return step
    if is_recurrent_network(network):
        return ActorStep(network)
    return CallableStep(adapt(network))


def _pairs(a: Any, b: Any) -> Any:
    return zip(nests.flatten(a), nests.flatten(b), strict=True)


def _where(flags: np.ndarray, chosen: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    return np.where(flags.reshape(-1, *[1] * (chosen.ndim - 1)), chosen, otherwise)
