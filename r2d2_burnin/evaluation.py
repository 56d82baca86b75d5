"""Evaluation: whole fresh episodes, acted from their first step with carried state, whatever the initialization."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from r2d2_burnin.actor import Actor
from r2d2_burnin.episodes import Episode

ErrorOf = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Error `[L]` of every step from outputs `[L, A]` and targets `[L]`."""


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
    errors = None if error_of is None else [error_of(e.outputs, e.targets) for e in episodes if e.targets is not None]
    return Evaluation(
        error=None if errors is None else float(np.concatenate(errors).mean()),
        error_by_position=None if errors is None else _sum(errors) / _sum([np.ones(len(row)) for row in errors]),
        reward_by_position=_sum([episode.rewards for episode in episodes]) / len(episodes),
        episode_return=float(np.mean([episode.rewards.sum() for episode in episodes])),
        episodes=episodes,
    )


def _sum(rows: list[np.ndarray]) -> np.ndarray:
    """Sum `[L]` of rows of different lengths."""
    total = np.zeros(max(len(row) for row in rows))
    for row in rows:
        total[: len(row)] += row
    return total
