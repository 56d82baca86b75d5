"""Keras, on any backend, and this project's own `RecurrentNetwork`s.

A Keras model has `call(observations, state) -> (outputs, state)` and `initial_state(batch_size)`; a functional one
takes `[observations, *state]` and returns `[outputs, *state]`, and its state starts as zeros.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from r2d2_burnin.networks.adapters.base import AdaptedNetwork, Calls, UnfitNetwork
from r2d2_burnin.runtime import nests


def accepts(network: Any) -> bool:
    """Whether this is a `RecurrentNetwork` or a Keras model; one that was never imported has no models."""
    keras = sys.modules.get("keras")
    return is_recurrent_network(network) or (keras is not None and isinstance(network, keras.Model))


def is_recurrent_network(network: Any) -> bool:
    """Whether a network has what `RecurrentNetwork` lists, of TensorFlow, so that it can be trained here."""
    methods = ("initial_state", "step", "unroll")
    if "tensorflow" not in sys.modules or not all(callable(getattr(network, method, None)) for method in methods):
        return False
    if hasattr(network, "trainable_variables"):
        return True
    return any(_is_of_tensorflow(leaf) for leaf in nests.flatten(network.initial_state(1)))


def _is_of_tensorflow(array: Any) -> bool:
    return type(array).__module__.partition(".")[0] in ("tensorflow", "keras")


def adapted(network: Any) -> AdaptedNetwork:
    """The network as a `CallableNetwork`.

    Raises:
        UnfitNetwork: for a model that says nothing of its initial state.
    """
    import keras  # the user's own, which is imported already
    from keras import ops

    name = type(network).__name__

    def like(array: np.ndarray, own: Any) -> Any:
        return ops.convert_to_tensor(array, keras.backend.standardize_dtype(own.dtype))

    def finished(initial_state: Any, unroll: Any) -> AdaptedNetwork:
        return AdaptedNetwork(Calls(name, initial_state, unroll, _to_numpy, like))

    if is_recurrent_network(network):
        return finished(network.initial_state, lambda x, state: network.unroll(ops.convert_to_tensor(x), state))
    if callable(getattr(network, "initial_state", None)):
        return finished(network.initial_state, lambda x, state: network(ops.convert_to_tensor(x), state))
    inputs = getattr(network, "inputs", None) or []
    if len(inputs) < 2 or len(network.outputs) != len(inputs):
        raise UnfitNetwork(
            f"network: the Keras model {name} has no initial_state, expected initial_state(batch_size) and"
            " call(observations [B, T, F], state) -> (outputs [B, T, A], state), or a functional model from"
            " [observations, *state] to [outputs, *state]"
        )

    def zeros(batch_size: int) -> Any:
        return tuple(ops.zeros((batch_size, *given.shape[1:]), given.dtype) for given in inputs[1:])

    def unroll(observations: np.ndarray, state: Any) -> tuple[Any, Any]:
        outputs, *after = network([ops.convert_to_tensor(observations), *state])
        return outputs, tuple(after)

    return finished(zeros, unroll)


def _to_numpy(array: Any) -> np.ndarray:
    from keras import ops

    return np.array(array if isinstance(array, np.ndarray) else ops.convert_to_numpy(array))
