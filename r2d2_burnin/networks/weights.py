"""A network's variables, and their values read and set."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from r2d2_burnin.networks.protocol import RecurrentNetwork
from r2d2_burnin.runtime.tensorflow import keras, tf


def all_variables(network: RecurrentNetwork) -> list[Any]:
    """Trained variables, then the others: running statistics of a normalization, seeds of random layers, frozen layers.

    The others are what the network's own `variables` lists, as a Keras model and a `tf.Module` have it; for any other
    class those that its attributes hold.
    """
    trained = list(network.trainable_variables)
    known = {id(variable) for variable in trained}
    return trained + [variable for variable in _held_variables(network, set()) if id(variable) not in known]


def _held_variables(thing: Any, seen: set[int]) -> Iterator[Any]:
    """Variables of an object, of what its attributes hold, and of what is in nested containers, each once."""
    if id(thing) in seen or isinstance(thing, type | types.ModuleType):
        return
    seen.add(id(thing))
    if isinstance(thing, tf.Variable | keras.Variable):
        yield thing
        return
    parts: Any = getattr(thing, "variables", None)
    if not isinstance(parts, list | tuple):
        if isinstance(thing, list | tuple):
            parts = thing
        else:
            parts = (thing if isinstance(thing, dict) else getattr(thing, "__dict__", {})).values()
    for part in parts:
        yield from _held_variables(part, seen)


def get_weights(network: RecurrentNetwork) -> list[np.ndarray]:
    """Copies of all variables of the network, in the order of `all_variables`."""
    return [variable.numpy() for variable in all_variables(network)]


def set_weights(network: RecurrentNetwork, weights: Sequence[Any]) -> None:
    """Set all variables of the network to `weights`, as `get_weights` returns them, or its trained variables alone."""
    trained = network.trainable_variables
    variables = trained if len(weights) == len(trained) else all_variables(network)
    for variable, value in zip(variables, weights, strict=True):
        variable.assign(value)
