"""What an environment's spaces mean to a network: its inputs, its actions, and the objective its targets ask for."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from r2d2_burnin.environments.guard import EnvironmentGuard
from r2d2_burnin.environments.inputs import InputSpace, image_layout
from r2d2_burnin.environments.returned_values import ROUNDING, shown, shown_space
from r2d2_burnin.environments.targets import FAULT, TargetRange, reduced_info


def actions(space: spaces.Space[Any]) -> int:
    """Number of actions of a Discrete space that starts at 0.

    Raises:
        ValueError: for another space.
    """
    if not isinstance(space, spaces.Discrete) or space.start != 0:
        raise ValueError(f"env: got action space {space}, expected a Discrete one that starts at 0")
    return int(space.n)


def input_space(
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
    *,
    previous_action: bool = False,
    previous_reward: bool = False,
) -> InputSpace:
    """The space of a network's inputs: the observation, and if wanted the previous action and reward.

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
        previous_action=previous_action,
        previous_reward=previous_reward,
        observation_dtype=observation_space.dtype,
    )


def check_inputs(inputs: InputSpace, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
    """Raise a ValueError unless a network with these inputs can act in an environment with these spaces."""
    size = math.prod(observation_space.shape or ())
    if (size, actions(action_space)) != (inputs.observation_size, inputs.actions):
        raise ValueError(
            f"env: got observation space {shown_space(observation_space)} and action space {action_space}, expected"
            f" {inputs.observation_size} numbers and {inputs.actions} actions, as the network was made for;"
            " environments of the same settings have to have the same spaces"
        )


def encode(observations: np.ndarray) -> np.ndarray:
    """Flat observations `[N, O]` of a batch of Box observations `[N, ...]`: bytes stay bytes, all else is float32."""
    flat = np.asarray(observations).reshape(len(observations), -1)
    return flat if flat.dtype == np.uint8 else flat.astype(np.float32)


def describe_inputs(env: gym.Env[Any, Any]) -> dict[str, str | None]:
    """What the network is shown of an environment, for `config.json`: the observation space, and how images are read.

    `image` is None where an observation is no image, or several entries made one: a dense layer then sees its numbers.
    """
    guard = env
    while isinstance(guard, gym.Wrapper) and not isinstance(guard, EnvironmentGuard):
        guard = guard.env
    space = guard.observation_space
    layout = image_layout(space.shape, space.dtype) if isinstance(space, spaces.Box) else None
    return {"observation": shown_space(space), "image": None if layout is None else str(layout)}


def target_space(env: gym.Env[Any, Any]) -> Any:
    """The space of `info["target"]`, where the environment or a wrapper has it as attribute `target_space`.

    None where nothing is declared; a user's environment may have there what is no space.
    """
    return env.get_wrapper_attr("target_space") if env.has_wrapper_attr("target_space") else None


def target_classes(env: gym.Env[Any, Any]) -> spaces.Discrete | None:
    """The space of targets that are classes; None where they are not, or nothing is said of them."""
    declared = target_space(env)
    return declared if isinstance(declared, spaces.Discrete) else None


def declared_range(env: gym.Env[Any, Any]) -> TargetRange | None:
    """What targets may be by the environment's `target_space`; None where it has none of numbers or classes."""
    declared = target_space(env)
    if isinstance(declared, spaces.Discrete):
        first, count = int(declared.start), int(declared.n)
        return TargetRange(first, first + count - 1, whole=True)
    if isinstance(declared, spaces.Box):
        return TargetRange(float(declared.low.item()), float(declared.high.item()), rounding=ROUNDING)
    return None


def missing_targets(env: gym.Env[Any, Any], most: int) -> str | None:
    """Why an environment gives no targets to train on, and what would help; None where it does.

    They are looked for in `reset` and in at most so many steps of an episode of random actions.
    """
    place, info = _first_target(env, most)
    declared = target_space(env)
    fits = declared is None or isinstance(declared, spaces.Discrete) or _is_one_number(declared)
    if "target" in info and fits:
        return None
    name = env.spec.id if env.spec is not None else str(env)
    if not info:
        return (
            f'{name} gives no info["target"] in reset or {place}; give each target with the observation that asks for'
            " it, for example in a wrapper, or choose q-learning"
        )
    if "target" in info and declared is not None:
        space = shown_space(declared) if isinstance(declared, spaces.Space) else shown(declared)
        fault = f"its target_space is {space}, expected Discrete, or a Box of one number, of gymnasium.spaces"
    else:
        fault = f"at {place} {info[FAULT]}"
    return f"of {name} {fault}; choose q-learning, or a wrapper with targets"


def _first_target(env: gym.Env[Any, Any], most: int) -> tuple[str, dict[str, Any]]:
    """Where an episode of random actions first has a target, or what is no number, and that; {} after `most` steps."""
    _, info = env.reset(seed=0)
    reduced = reduced_info(info)
    if reduced:
        return "step 0 of an episode", reduced
    env.action_space.seed(0)
    for step in range(1, most + 1):
        _, _, terminated, truncated, info = env.step(env.action_space.sample())
        reduced = reduced_info(info)
        ended = terminated or truncated
        if reduced and not ended:
            return f"step {step} of an episode", reduced
        if reduced:
            return f"in the {step} steps after it but with an episode's last observation, which no answer follows", {}
        if ended:
            break
    return f"in the {step} steps after it", {}


def _is_one_number(space: Any) -> bool:
    return isinstance(space, spaces.Box) and space.dtype.kind in "fiub" and math.prod(space.shape) == 1
