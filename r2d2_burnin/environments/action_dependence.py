"""Whether what an environment returns depends on earlier actions: where it does not, acting is a sequence of guesses.

In such a task the action of a step earns the reward of that step and changes nothing else, so that an agent has only to
know the present reward of each action. It is tested, not proved: episodes with the same seed and other actions are
compared. What depends on a rare sequence of actions, such as a combination lock, is taken for independent.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from r2d2_burnin.environments.guard import EnvironmentFault
from r2d2_burnin.environments.make import make
from r2d2_burnin.runtime.time_limit import time_limit
from r2d2_burnin.settings import EnvironmentSettings

SEEDS = 3
"""Episodes that are compared with others of the same seed."""

MIXTURES = 4
"""Episodes of each seed that have the same actions at half of the steps: they show what rewards depend on."""

MOST_STEPS = 5000
"""Steps of an episode, at most; one that goes on after them leaves the answer open."""

MOST_SECONDS = 60.0
"""Seconds that all episodes may take; a slower environment leaves the answer open."""

MOST_CONSTANT_ACTIONS = 8
"""Constant actions that are tried, at most."""


@dataclasses.dataclass(frozen=True)
class ActionDependence:
    """Whether observations, ends or rewards depend on actions before the last one."""

    independent: bool
    """Whether no dependence was seen; False in doubt too."""
    reason: str
    """What was seen, for people."""
    steps: int = 0
    """Steps of the longest episode that was played."""


class _Steps(NamedTuple):
    """What an environment returned in an episode of L steps."""

    observations: list[np.ndarray]  # L + 1
    rewards: list[float]  # L
    ends: tuple[int, bool, bool]  # number of steps, whether the last one terminated, and whether it truncated


def action_dependence(settings: EnvironmentSettings) -> ActionDependence:
    """Play episodes with the same seed and other actions, and compare what the environment returns.

    Compared with an episode of random actions are: the same actions again, which have to reproduce it; other random
    actions, the same actions at half of the steps, and constant actions. Observations and the episode's end have to be
    the same whatever the actions, and a step's reward wherever the action of that step is the same.

    Raises:
        ValueError: for an environment that cannot be made.
    """
    env = make(settings)
    longest = 0
    try:
        with time_limit(min(settings.env_timeout, MOST_SECONDS), "looking at what depends on actions"):
            for seed in range(SEEDS):
                reason, length = _compare_episodes(env, seed)
                longest = max(longest, length)
                if reason is not None:
                    return ActionDependence(False, reason, longest)
    except TimeoutError as error:
        return ActionDependence(False, str(error), longest)
    except EnvironmentFault as error:  # the run itself reports it
        return ActionDependence(False, f"the environment failed: {error}", longest)
    finally:
        env.close()
    independence = (
        "observations, ends and the reward of a step did not depend on earlier actions in"
        f" {SEEDS} episodes, each compared with others of the same seed"
    )
    return ActionDependence(True, independence, longest)


def _compare_episodes(env: gym.Env[Any, Any], seed: int) -> tuple[str | None, int]:
    """What depends on earlier actions in the episode of a seed, or leaves it open, None for nothing; and its steps."""
    generator = np.random.default_rng(seed)
    count = int(env.action_space.n)  # type: ignore[attr-defined]
    actions = generator.integers(count, size=MOST_STEPS)
    episode = _play(env, seed, actions)
    length = episode.ends[0]
    if not any(episode.ends[1:]):
        return f"an episode did not end within {MOST_STEPS} steps", length
    if _difference(episode, _play(env, seed, actions), np.ones(length, np.bool_)) is not None:
        return "the same seed and the same actions give different episodes", length
    others = [generator.integers(count, size=MOST_STEPS)]
    for _ in range(MIXTURES):
        others.append(np.where(generator.random(MOST_STEPS) < 0.5, actions, generator.integers(count, size=MOST_STEPS)))
    for action in np.unique(np.linspace(0, count - 1, min(count, MOST_CONSTANT_ACTIONS)).round()).astype(int):
        others.append(np.full(MOST_STEPS, action))
    for other in others:
        if (reason := _difference(episode, _play(env, seed, other), (actions == other)[:length])) is not None:
            return reason, length
    return None, length


def _play(env: gym.Env[Any, Any], seed: int, actions: np.ndarray) -> _Steps:
    """One episode with these actions `[MOST_STEPS]`."""
    observation, _ = env.reset(seed=seed)
    observations, rewards = [np.array(observation)], []
    terminated = truncated = False
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        observations.append(np.array(observation))
        rewards.append(float(reward))
        if terminated or truncated:
            break
    return _Steps(observations, rewards, (len(rewards), bool(terminated), bool(truncated)))


def _difference(first: _Steps, second: _Steps, same_action: np.ndarray) -> str | None:
    """What differs between two episodes of a seed, where only actions differ; `same_action` `[L]` says where not."""
    for step, (observation, other) in enumerate(zip(first.observations, second.observations, strict=False)):
        if not np.array_equal(observation, other, equal_nan=True):
            return f"the observation after step {step} depends on actions"
    if first.ends != second.ends:
        return "when an episode ends depends on actions"
    unequal = np.flatnonzero(same_action & (np.array(first.rewards) != np.array(second.rewards)))
    if len(unequal):
        return f"the reward of step {unequal[0]} depends on earlier actions"
    return None
