"""Benchmarks of acting, and of the environments alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from experiments.benchmark.settings import Settings
from experiments.benchmark.timing import Row, measure, ratio_rows
from r2d2_burnin.acting.actor import Actor
from r2d2_burnin.acting.actor_step import ActorStep
from r2d2_burnin.learning.objectives import Regression
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork
from r2d2_burnin.runtime.tensorflow import keras, load, tf, use_one_thread
from r2d2_burnin.settings import NetworkSettings


def acting(settings: Settings) -> list[Row]:
    """64 environments, 32 units: in blocks, step by step, and with a Keras model called step by step."""
    use_one_thread()
    num_envs, units, episodes, length = 64, 32, 64, 80
    keras_actor = _keras_actor(num_envs, units, length)
    candidates = {
        "actor, in blocks": _our_actor(num_envs, units, episodes, blocks=True),
        "actor, step by step": _our_actor(num_envs, units, episodes, blocks=False),
        "Keras model called step by step": keras_actor,
    }
    seconds = measure(candidates, settings.repetitions, steps=dict.fromkeys(candidates, length))
    result = ratio_rows("acting, 64 environments, 32 units", seconds, "ms", {"Keras model called step by step": 5.0})
    del seconds["actor, in blocks"]
    return result + ratio_rows("acting, where observations depend on actions", seconds, "ms", {})


def bit_streams(settings: Settings) -> list[Row]:
    """1024 bit streams: natively vectorised, and Gymnasium's SyncVectorEnv."""
    # As in workers, which have TensorFlow: after its import the memory of arrays is kept from step to step, and a step
    # takes 27 instead of 35 ns.
    load()
    num_envs = 1024
    one_by_one = gym.make_vec("envs:BitStream/Count-v0", num_envs, vectorization_mode="sync")
    candidates = {
        "natively vectorised": repeated_steps(gym.make_vec("envs:BitStream/Count-v0", num_envs), 800),
        "SyncVectorEnv": repeated_steps(one_by_one, 10),
    }
    per_call = {"natively vectorised": 800 * num_envs, "SyncVectorEnv": 10 * num_envs}
    seconds = measure(candidates, settings.repetitions, steps=per_call)
    seconds["30 million steps/s"] = np.full(settings.repetitions, 1 / 30e6)
    return ratio_rows(
        "bit streams, 1024 at once, a step", seconds, "ns", {"SyncVectorEnv": 100.0, "30 million steps/s": 1.0}
    )


def repeated_steps(env: Any, count: int) -> Callable[[], None]:
    """A vector environment, stepped so often with the same action."""
    env.reset(seed=0)
    actions = np.zeros(env.num_envs, np.int64)

    def step() -> None:
        for _ in range(count):
            env.step(actions)

    return step


def _our_actor(num_envs: int, units: int, episodes: int, *, blocks: bool) -> Callable[[], Any]:
    network = DenseRecurrentNetwork(1, 1, NetworkSettings(units))
    env = gym.make_vec("envs:BitStream/Count-v0", num_envs)
    actor = Actor(env, ActorStep(network), Regression(81).act, seed=0, blocks=blocks)
    return lambda: list(itertools.islice(actor.episodes(), episodes))


def _keras_actor(num_envs: int, units: int, length: int) -> Callable[[], Any]:
    """An episode with a recurrent Keras model, its state carried by hand, and the observations and states kept."""
    observation, h, c = keras.Input((1,)), keras.Input((units,)), keras.Input((units,))
    hidden = keras.layers.Dense(units, "relu")(observation)
    hidden, (new_h, new_c) = keras.layers.LSTMCell(units)(hidden, [h, c])
    model = keras.Model([observation, h, c], [keras.layers.Dense(1)(hidden), new_h, new_c])
    env = gym.make_vec("envs:BitStream/Count-v0", num_envs)

    def episode() -> None:
        observations, _ = env.reset(seed=0)
        state = [tf.zeros((num_envs, units)), tf.zeros((num_envs, units))]
        transitions = []
        for _ in range(length):
            outputs, *new = model([tf.constant(observations), *state])
            transitions.append((observations, [part.numpy() for part in state]))
            state = new
            actions = np.clip(np.rint(outputs.numpy()[:, 0]), 0, 80).astype(np.int64)
            observations, _, _, _, _ = env.step(actions)

    return episode
