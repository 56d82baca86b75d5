"""What an environment's spaces mean to a network: features, actions, and the objective that its targets ask for."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces


def features(space: spaces.Space[Any]) -> int:
    """Number of features, F, of an observation of `space`.

    Raises:
        ValueError: for a space that is not a Box of numbers.
    """
    if not isinstance(space, spaces.Box):
        raise ValueError(
            f"env: got observation space {space}, expected a Box;"
            " gymnasium.wrappers.FlattenObservation turns most other spaces into one"
        )
    return int(np.prod(space.shape))


def actions(space: spaces.Space[Any]) -> int:
    """Number of actions of a Discrete space that starts at 0.

    Raises:
        ValueError: for another space.
    """
    if not isinstance(space, spaces.Discrete) or space.start != 0:
        raise ValueError(f"env: got action space {space}, expected a Discrete one that starts at 0")
    return int(space.n)


def encode(observations: np.ndarray) -> np.ndarray:
    """Features `[N, F]` float32 of a batch of Box observations `[N, ...]`."""
    return np.asarray(observations, np.float32).reshape(len(observations), -1)


def choose_objective(name: str, env: gym.Env[Any, Any]) -> str:
    """The objective of that name, or for `auto` the one that the environment's targets ask for.

    An environment says what its targets are by an attribute `target_space`: `Discrete` for classes, `Box` for numbers.
    Without the attribute they are taken for numbers.

    Raises:
        ValueError: for an environment whose `reset` gives no `info["target"]`.
    """
    _, info = env.reset(seed=0)
    if "target" not in info:
        raise ValueError(
            f'env: {env} gives no info["target"] in reset, which training so far needs; give the target that belongs to'
            " the observation, for example in a gymnasium.Wrapper"
        )
    if name != "auto":
        return name
    has_classes = isinstance(getattr(env.unwrapped, "target_space", None), spaces.Discrete)
    return "classification" if has_classes else "regression"
