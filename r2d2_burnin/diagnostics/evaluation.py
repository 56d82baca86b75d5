"""Evaluation: whole fresh episodes, acted from their first step with carried state, whatever the initialization."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from r2d2_burnin.acting.actor import Actor
from r2d2_burnin.data import Episode

ErrorOf = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Error `[n]` of every step from outputs `[n, A]` and targets `[n]`."""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What one evaluation found."""

    error: float | None  # mean over all steps that have a target; None where there are none
    error_by_position: np.ndarray | None  # [L] mean over the episodes that have a target there; NaN where none has
    reward_by_position: np.ndarray  # [L] mean over all episodes; those that have ended earn nothing more
    episode_return: float  # mean over episodes
    episodes: list[Episode]  # one of each environment

    @property
    def status(self) -> str:
        """The outcome, for a progress bar."""
        if self.error is None:
            return f"return {self.episode_return:.3g}"
        return f"evaluation error {self.error:.3g}"

    @property
    def returns(self) -> list[float]:
        """Return of each episode."""
        return [float(episode.rewards.sum()) for episode in self.episodes]

    def errors(self, error_of: ErrorOf, constant_errors: Callable[[np.ndarray], np.ndarray]) -> list[list[float]]:
        """Mean error of each episode that has a target, and of the best constant answer in the same episodes."""
        outputs, targets = [], []
        for episode in self.episodes:
            given = np.zeros(len(episode), bool) if episode.targets is None else ~np.isnan(episode.targets)
            if episode.targets is not None and given.any():
                outputs.append(episode.outputs[given])
                targets.append(episode.targets[given])
        if not targets:
            return [[], []]
        every = np.concatenate(targets)
        ends = np.cumsum([len(part) for part in targets])[:-1]
        steps = (error_of(np.concatenate(outputs), every), constant_errors(every))
        return [[float(part.mean()) for part in np.split(errors, ends)] for errors in steps]


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
    error, error_by_position = (None, None) if error_of is None else _errors(episodes, positions, error_of)
    rewards = np.concatenate([episode.rewards for episode in episodes])
    return Evaluation(
        error=error,
        error_by_position=error_by_position,
        reward_by_position=np.bincount(positions, rewards) / len(episodes),
        episode_return=float(np.mean([episode.rewards.sum() for episode in episodes])),
        episodes=episodes,
    )


def _errors(
    episodes: list[Episode], positions: np.ndarray, error_of: ErrorOf
) -> tuple[float | None, np.ndarray | None]:
    """Mean error over the steps that have a target, and at every position of an episode."""
    outputs = np.concatenate([episode.outputs for episode in episodes])
    targets = np.concatenate(
        [np.full(len(episode), np.nan) if episode.targets is None else episode.targets for episode in episodes]
    )
    errors = error_of(outputs, targets)
    missing = np.isnan(targets)
    if not missing.any():
        return float(errors.mean()), np.bincount(positions, errors) / np.bincount(positions)
    if missing.all():
        return None, None
    errors, places = errors[~missing], positions[~missing]
    length = int(positions.max()) + 1
    with np.errstate(invalid="ignore"):
        by_position = np.bincount(places, errors, length) / np.bincount(places, minlength=length)
    return float(errors.mean()), by_position
