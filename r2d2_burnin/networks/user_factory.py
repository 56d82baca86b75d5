"""The user's factory of a network: called with the environment's spaces, or refused with an example of one that works.

It imports no framework: what the factory's module imports decides which ones there are.
"""

from __future__ import annotations

import inspect
import random
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces

from r2d2_burnin.environments.make import import_object
from r2d2_burnin.networks.adapters.base import UnfitNetwork
from r2d2_burnin.runtime.errors import described

TORCH_EXAMPLE = """
import torch


class MyNetwork(torch.nn.Module):
    def __init__(self, features, outputs):
        super().__init__()
        self.encoder = torch.nn.Sequential(torch.nn.Linear(features, 32), torch.nn.LayerNorm(32), torch.nn.ReLU())
        self.memory = torch.nn.LSTM(32, 32, batch_first=True)
        self.head = torch.nn.Linear(32, outputs)

    def initial_state(self, batch_size):
        return torch.zeros(1, batch_size, 32), torch.zeros(1, batch_size, 32)

    def forward(self, observations, state):  # [B, T, F]
        hidden, state = self.memory(self.encoder(observations), state)
        return self.head(hidden), state


def make_network(observation_space, action_space):
    return MyNetwork(observation_space.shape[0], action_space.n).eval()
"""
"""A whole module of a user's, in PyTorch."""

KERAS_EXAMPLE = """
import keras
import tensorflow as tf

from r2d2_burnin.networks import unroll_step_by_step


class MyNetwork(keras.Model):
    def __init__(self, outputs):
        super().__init__()
        self.encoder = keras.Sequential([keras.layers.Dense(32, "relu"), keras.layers.LayerNormalization()])
        self.memory = keras.layers.GRUCell(32)
        self.head = keras.layers.Dense(outputs)

    def initial_state(self, batch_size):
        return tf.zeros([batch_size, 32])

    def step(self, observations, state):  # [B, F]
        hidden, (state,) = self.memory(self.encoder(observations), [state])
        return self.head(hidden), state

    def unroll(self, observations, state, mask=None):  # [B, T, F]
        return unroll_step_by_step(self, observations, state, mask)


def make_network(observation_space, action_space):
    return MyNetwork(action_space.n)
"""
"""A whole module of a user's, in Keras, which can be trained here too."""


def load_factory(name: str) -> Callable[..., Any]:
    """The factory `module:factory`, once its signature is known to fit.

    Raises:
        ValueError: where there is none.
        UnfitNetwork: for one that takes other arguments than the two spaces, or none at all.
    """
    factory = import_object("network", name)
    try:
        signature = inspect.signature(factory)
    except (ValueError, TypeError):  # of a class in C
        return factory
    if not signature.parameters:
        return lambda observation_space, action_space: factory()
    try:
        signature.bind(None, None)
    except TypeError:
        example = TORCH_EXAMPLE if "torch" in sys.modules else KERAS_EXAMPLE
        raise UnfitNetwork(
            f"network: {name} takes {signature}, expected a factory that is called with (observation_space,"
            f" action_space), or without arguments. A complete module:\n{example}"
        ) from None
    return factory


def call_factory(name: str, inputs: spaces.Box, outputs: int, *, seed: int) -> Any:
    """The network that the factory `module:factory` makes for inputs `[F]` and `outputs` A.

    The random generators of Python, NumPy and those frameworks that are imported are seeded before.

    Raises:
        ValueError: where there is no such factory.
        UnfitNetwork: for one that takes other arguments, or raises.
    """
    factory = load_factory(name)
    actions = spaces.Discrete(outputs)
    actions.n = outputs  # type: ignore[assignment]  # an int: layers of Keras refuse NumPy's
    seed_generators(seed)
    try:
        return factory(inputs, actions)
    except Exception as error:  # whatever the user's code raises
        raise UnfitNetwork(
            f"network: {name}, called with an observation space {list(inputs.shape)} and Discrete({outputs}), raised"
            f" {described(error)}"
        ) from error


def seed_generators(seed: int) -> None:
    """Seed the random generators of Python, of NumPy, and of the frameworks that are imported."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(seed)
    else:
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002  # the user's code may draw from it
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
