"""Networks and episodes that several tests share."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import gymnasium as gym
import numpy as np

import envs  # noqa: F401 (registers)
from r2d2_burnin.acting.actor import Actor
from r2d2_burnin.acting.actor_step import ActorStep
from r2d2_burnin.data import Episode
from r2d2_burnin.initialization import parse
from r2d2_burnin.learning.objectives import Regression
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork
from r2d2_burnin.replay.buffer import Replay
from r2d2_burnin.runtime.tensorflow import tf
from r2d2_burnin.settings import NetworkSettings, ReplaySettings, TrainingSettings
from r2d2_burnin.training.trainer import Trainer

KERAS_KINDS = [("lstm", 1), ("gru", 1), ("lstm", 2), ("gru", 3)]
KINDS = [*KERAS_KINDS, ("lru", 1), ("mingru", 2)]
TOLERANCE = {"rtol": 2e-5, "atol": 2e-6}


@functools.lru_cache
def make_network(cell: str, layers: int, units: int = 5, features: int = 1, outputs: int = 1) -> DenseRecurrentNetwork:
    """A network whose biases are not zero, as they would be after training."""
    network = DenseRecurrentNetwork(features, outputs, NetworkSettings(units, cell, layers), seed=1)
    generator = np.random.default_rng(0)
    for variable in network.trainable_variables:
        variable.assign_add(0.3 * generator.normal(size=variable.shape).astype(np.float32))
    return network


@functools.lru_cache
def actor_step(network: DenseRecurrentNetwork) -> ActorStep:
    """The step of a shared network: one for all tests, with what it has compiled."""
    return ActorStep(network)


_trainers: dict[str, Trainer] = {}


def shared_trainer(settings: TrainingSettings) -> Trainer:
    """The trainer of these settings, with what it has compiled: each of its runs starts anew."""
    key = repr(settings)
    if key not in _trainers:
        _trainers[key] = Trainer(settings)
    return _trainers[key]


def random_state(network: DenseRecurrentNetwork, batch: int, seed: int) -> Any:
    generator = np.random.default_rng(seed)
    return tf.nest.map_structure(
        lambda zero: tf.constant(generator.normal(size=zero.shape).astype(np.float32)), network.initial_state(batch)
    )


def bits(batch: int, steps: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, (batch, steps, 1)).astype(np.float32)


def act_episodes(
    network: DenseRecurrentNetwork, count: int, *, num_envs: int = 3, seed: int = 5, **kwargs: Any
) -> list[Episode]:
    env = gym.make_vec("BitStream/Count-v0", num_envs=num_envs, **kwargs)
    actor = Actor(env, actor_step(network), Regression(2).act, seed=seed)
    return list(itertools.islice(actor.episodes(), count))


def make_replay(name: str, *, sequence_length: int = 5, period: int = 3, capacity: int = 1000, **more: Any) -> Replay:
    settings = ReplaySettings(sequence_length, period, capacity, **more)
    return Replay(settings, parse(name), Regression(2))


def assert_states_close(a: Any, b: Any) -> None:
    for x, y in zip(tf.nest.flatten(a), tf.nest.flatten(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), **TOLERANCE)


def make_episode(network: DenseRecurrentNetwork, length: int, terminated: bool, *, seed: int) -> Episode:
    """An episode of random bits, actions and rewards, with the states and outputs that the network has in it."""
    generator = np.random.default_rng(seed)
    observations = generator.integers(0, 2, (length + 1, 1)).astype(np.float32)
    state, outputs, states = network.initial_state(1), [], []
    for t in range(length):
        states.append(tf.nest.map_structure(lambda leaf: leaf[0].numpy(), state))
        output, state = network.step(observations[None, t], state)
        outputs.append(output[0].numpy())
    return Episode(
        observations=observations[:-1],
        actions=generator.integers(0, network.outputs, length),
        rewards=generator.normal(size=length).astype(np.float32),
        targets=None,
        outputs=np.array(outputs),
        states=tf.nest.map_structure(lambda *leaves: np.stack(leaves), *states),
        updates=np.zeros(length, np.int64),
        terminated=terminated,
        final_observation=observations[-1],
        environment=0,
    )
