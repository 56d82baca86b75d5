"""Benchmark of acting in a control task whose environments are single ones of Python, as most are."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from experiments.benchmark.acting import repeated_steps
from experiments.benchmark.settings import Settings
from experiments.benchmark.timing import Row, measure, ratio_rows
from r2d2_burnin.acting.actor import Actor
from r2d2_burnin.acting.actor_step import ActorStep
from r2d2_burnin.acting.policies import EpsilonGreedy, greedy
from r2d2_burnin.environments import make as environments
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork
from r2d2_burnin.runtime.tensorflow import keras, tf, use_one_thread
from r2d2_burnin.settings import EnvironmentSettings, NetworkSettings

TASK = "popgym:popgym-RepeatFirstEasy-v0"

EPSILON = 0.1
"""Part of random actions."""


def control(settings: Settings) -> list[Row]:
    """POPGym's RepeatFirstEasy, 64 environments, 32 units, exploring: all that acting costs for an environment step."""
    use_one_thread()
    num_envs, units, length = 64, 32, 51
    if importlib.util.find_spec("popgym") is None:
        print("popgym is not installed and left out: pip install -e '.[envs-extra]'")
        return []
    candidates = {
        "actor": _actor(num_envs, units, length),
        "SyncVectorEnv, Keras model in tf.function": _keras_actor(
            gym.vector.SyncVectorEnv([_flat_env] * num_envs), units, length
        ),
        "SyncVectorEnv without a network": repeated_steps(gym.vector.SyncVectorEnv([_flat_env] * num_envs), length),
        "the environments alone": _environments_alone(num_envs, length),
    }
    steps = dict.fromkeys(candidates, num_envs * length)
    seconds = measure(candidates, settings.repetitions, calls=3, steps=steps)
    goals = {"SyncVectorEnv, Keras model in tf.function": 1.2}
    return ratio_rows("acting in RepeatFirstEasy, 64 environments, 32 units, a step", seconds, "µs", goals)


def _flat_env() -> gym.Env[Any, Any]:
    return gym.wrappers.FlattenObservation(gym.make(TASK, disable_env_checker=True))


def _actor(num_envs: int, units: int, length: int) -> Callable[[], None]:
    """Our actor of Q-learning for so many steps in each environment."""
    env = environments.make_vector(EnvironmentSettings(TASK), num_envs)
    outputs = int(env.single_action_space.n)  # type: ignore[attr-defined]
    network = DenseRecurrentNetwork(env.single_observation_space.shape[0], outputs, NetworkSettings(units))  # type: ignore[index]
    policy = EpsilonGreedy(greedy, outputs, np.full(num_envs, EPSILON), seed=0)
    actor = Actor(env, ActorStep(network), policy, seed=0, targets=None)

    def act() -> None:
        for _ in actor.collect(num_envs * length):
            pass

    return act


def _keras_actor(env: gym.vector.SyncVectorEnv, units: int, length: int) -> Callable[[], None]:
    """The same by hand: a Keras model in `tf.function`, its state carried along and kept with all that replay needs."""
    features, outputs = env.single_observation_space.shape[0], int(env.single_action_space.n)  # type: ignore[attr-defined, index]
    dense, cell, head = keras.layers.Dense(units, "relu"), keras.layers.LSTMCell(units), keras.layers.Dense(outputs)

    @tf.function(jit_compile=True)  # type: ignore[untyped-decorator]
    def step(observations: Any, h: Any, c: Any, starts: Any) -> Any:
        h, c = (tf.where(starts[:, None], tf.zeros_like(part), part) for part in (h, c))
        hidden, (new_h, new_c) = cell(dense(observations), [h, c])
        return head(hidden), h, c, new_h, new_c

    dense.build((None, features))
    cell.build((None, units))
    head.build((None, units))
    generator = np.random.default_rng(0)
    observations, _ = env.reset(seed=0)
    state = [tf.zeros((env.num_envs, units))] * 2
    starts, ended = np.ones(env.num_envs, np.bool_), np.zeros(env.num_envs, np.bool_)

    def act() -> None:
        nonlocal observations, state, starts, ended
        kept = []
        for _ in range(length):
            values, h, c, *state = step(observations.astype(np.float32), *state, starts)
            explores = generator.random(env.num_envs) < EPSILON
            chance = generator.integers(outputs, size=env.num_envs)
            actions = np.where(explores, chance, values.numpy().argmax(-1))
            following, rewards, terminations, truncations, _ = env.step(actions)
            kept.append((observations, actions, rewards, values.numpy(), h.numpy(), c.numpy()))
            observations, starts, ended = following, ended, terminations | truncations

    return act


def _environments_alone(num_envs: int, length: int) -> Callable[[], None]:
    """The environments, stepped without anything around them: what no actor can do without."""
    envs = [gym.make(TASK, disable_env_checker=True).unwrapped for _ in range(num_envs)]
    for number, env in enumerate(envs):
        env.reset(seed=number)

    def step() -> None:
        for _ in range(length):
            for env in envs:
                _, _, terminated, truncated, _ = env.step(0)
                if terminated or truncated:
                    env.reset()

    return step
