"""Evaluation: whole fresh episodes, acted from their first step with carried state, whatever the initialization."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from r2d2_burnin.actor import Actor
from r2d2_burnin.episodes import Episode

ErrorOf = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Error `[n]` of every step from outputs `[n, A]` and targets `[n]`."""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What one evaluation found."""

    error: float | None  # mean over all steps of all episodes; None where there are no targets
    error_by_position: np.ndarray | None  # [L] mean over the episodes that reach the position
    reward_by_position: np.ndarray  # [L] mean over all episodes; those that have ended earn nothing more
    episode_return: float  # mean over episodes
    episodes: list[Episode]  # one of each environment


def evaluate(actor: Actor, error_of: ErrorOf | None) -> Evaluation:
    """Act one episode in each environment of a fresh actor, and measure it.

    The first episode of every environment counts and no second one does: counting those that end first would prefer
    short episodes.
    """
    first: dict[int, Episode] = {}
    for episode in actor.episodes():
        first.setdefault(episode.environment, episode)
        if len(first) == actor.env.num_envs:
            break
    episodes = [first[i] for i in range(actor.env.num_envs)]
    positions = np.concatenate([np.arange(len(episode)) for episode in episodes])
    targets = [episode.targets for episode in episodes if episode.targets is not None]
    errors = None
    if error_of is not None:
        errors = error_of(np.concatenate([episode.outputs for episode in episodes]), np.concatenate(targets))
    rewards = np.concatenate([episode.rewards for episode in episodes])
    return Evaluation(
        error=None if errors is None else float(errors.mean()),
        error_by_position=None if errors is None else np.bincount(positions, errors) / np.bincount(positions),
        reward_by_position=np.bincount(positions, rewards) / len(episodes),
        episode_return=float(np.mean([episode.rewards.sum() for episode in episodes])),
        episodes=episodes,
    )
