"""What an environment's spaces mean to a network: its inputs, its actions, and the objective its targets ask for."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from r2d2_burnin.inputs import InputSpace
from r2d2_burnin.settings import QLearningSettings


def actions(space: spaces.Space[Any]) -> int:
    """Number of actions of a Discrete space that starts at 0.

    Raises:
        ValueError: for another space.
    """
    if not isinstance(space, spaces.Discrete) or space.start != 0:
        raise ValueError(f"env: got action space {space}, expected a Discrete one that starts at 0")
    return int(space.n)


def input_space(
    observation_space: spaces.Space[Any], action_space: spaces.Space[Any], agent: QLearningSettings | None = None
) -> InputSpace:
    """The space of a network's inputs; the previous action and reward are among them if the `agent` says so.

    Raises:
        ValueError: for spaces that are not a Box of numbers and a Discrete one from 0; `environments.make` flattens.
    """
    if not isinstance(observation_space, spaces.Box):
        raise ValueError(
            f"env: got observation space {observation_space}, expected a Box;"
            " gymnasium.wrappers.FlattenObservation turns most other spaces into one"
        )
    return InputSpace(
        observation_space.shape,
        actions(action_space),
        previous_action=agent is not None and agent.previous_action,
        previous_reward=agent is not None and agent.previous_reward,
    )


def encode(observations: np.ndarray) -> np.ndarray:
    """Flat observations `[N, O]` of a batch of Box observations `[N, ...]`: bytes stay bytes, all else is float32."""
    flat = np.asarray(observations).reshape(len(observations), -1)
    return flat if flat.dtype == np.uint8 else flat.astype(np.float32)


def choose_objective(name: str, env: gym.Env[Any, Any]) -> str:
    """The objective of that name, or for `auto` the one that the environment's targets ask for.

    An environment says what its targets are by an attribute `target_space`: `Discrete` for classes, `Box` for numbers.
    Without the attribute they are taken for numbers. An environment without targets is one for Q-learning.

    Raises:
        ValueError: for an objective on `info["target"]` and an environment whose `reset` gives none.
    """
    if name == "q-learning":
        return name
    _, info = env.reset(seed=0)
    if "target" not in info:
        if name == "auto":
            return "q-learning"
        raise ValueError(
            f'objective: got {name!r}, but {env} gives no info["target"] in reset; give the target that belongs to the'
            " observation, for example in a wrapper, or choose q-learning"
        )
    if name != "auto":
        return name
    has_classes = isinstance(getattr(env.unwrapped, "target_space", None), spaces.Discrete)
    return "classification" if has_classes else "regression"
