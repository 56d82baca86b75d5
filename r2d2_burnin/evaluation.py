"""Evaluation: whole fresh episodes, acted from their first step with carried state, whatever the initialization."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from r2d2_burnin.actor import Actor, ActorStep
from r2d2_burnin.episodes import Episode
from r2d2_burnin.objectives import Objective


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What one evaluation found."""

    error: float  # mean over all steps of all episodes
    error_by_position: np.ndarray  # [L] mean over the episodes that reach the position
    episode_return: float  # mean over episodes
    episodes: list[Episode]  # one of each environment


def evaluate(env: VectorEnv[Any, Any, Any], step: ActorStep, objective: Objective, *, seed: int) -> Evaluation:
    """Act one episode in each environment of `env`, from seed `seed`, and measure it.

    The first episode of every environment counts and no second one does: counting those that end first would prefer
    short episodes.
    """
    first: dict[int, Episode] = {}
    for episode in Actor(env, step, objective.act, seed=seed).episodes():
        first.setdefault(episode.environment, episode)
        if len(first) == env.num_envs:
            break
    episodes = [first[i] for i in range(env.num_envs)]
    lengths = np.array([len(episode) for episode in episodes])
    sums = np.zeros(lengths.max())
    for episode in episodes:
        sums[: len(episode)] += objective.error(episode.outputs, episode.targets)
    reached = (lengths[:, None] > np.arange(lengths.max())).sum(0)
    return Evaluation(
        error=float(sums.sum() / lengths.sum()),
        error_by_position=sums / reached,
        episode_return=float(np.mean([episode.rewards.sum() for episode in episodes])),
        episodes=episodes,
    )
