"""Episodes made by hand, what fragments are cut from them, and replays that hold them."""

from __future__ import annotations

from typing import Any

import numpy as np

from r2d2_burnin.acting.actor_step import ActorStep
from r2d2_burnin.data import Episode
from r2d2_burnin.initialization import parse
from r2d2_burnin.learning.objectives import Regression
from r2d2_burnin.replay.buffer import Replay
from r2d2_burnin.runtime.tensorflow import tf
from r2d2_burnin.settings import ReplaySettings

LENGTH = 6
"""Steps of an episode of `act_episode`."""


def naive_fragments(length: int, sequence_length: int, period: int) -> list[list[int]]:
    """Trained steps of every fragment: a new fragment every `period` steps until one has trained the last step."""
    fragments: list[list[int]] = []
    start = 0
    while not fragments or fragments[-1][-1] != length - 1:
        fragments.append([t for t in range(start, start + sequence_length) if t < length])
        start += period
    return fragments


def numbered_episode(number: int, length: int) -> Episode:
    """An episode whose every observation, target and state says which step it belongs to."""
    steps = np.arange(length, dtype=np.float32)
    state = np.repeat(100 * number + steps[:, None] + 1, 2, axis=1)
    return Episode(
        observations=100 * number + steps[:, None] + 1,
        actions=np.zeros(length, np.int64),
        rewards=np.zeros(length, np.float32),
        targets=1000 * number + steps,
        outputs=np.zeros((length, 1), np.float32),
        states=((state, state),),
        updates=np.full(length, number),
        terminated=True,
        final_observation=np.zeros(1, np.float32),
        environment=0,
    )


def act_episode(network: Any, outputs: int = 1, *, block: bool = True, seed: int = 0) -> Episode:
    """An episode of six random steps as the actor's compiled step sees it."""
    generator = np.random.default_rng(seed)
    observations = generator.normal(size=(LENGTH + 1, 1)).astype(np.float32)
    step, state, starts = ActorStep(network), network.initial_state(1), np.ones(1, bool)
    if block:
        q, before, _ = step.block(observations[:-1, None], state, starts)
        states = tf.nest.map_structure(lambda leaf: leaf.numpy()[:, 0], before)
    else:
        result = []
        for t in range(LENGTH):
            q, before, state = step(observations[t : t + 1], state, starts)
            starts = np.zeros(1, bool)
            result.append((q, before))
        q = np.stack([np.asarray(outputs_of_step) for outputs_of_step, _ in result])
        states = tf.nest.map_structure(
            lambda *leaves: np.stack([leaf.numpy()[0] for leaf in leaves]), *[b for _, b in result]
        )
    return Episode(
        observations=observations[:-1],
        actions=generator.integers(0, outputs, LENGTH),
        rewards=generator.normal(size=LENGTH).astype(np.float32),
        targets=generator.normal(size=LENGTH).astype(np.float32),
        outputs=np.asarray(q)[:, 0],
        states=states,
        updates=np.zeros(LENGTH, np.int64),
        terminated=True,
        final_observation=observations[-1],
        environment=0,
    )


def replay_of(episode: Episode, name: str, objective: Any = Regression(1)) -> Replay:  # noqa: B008
    replay = Replay(ReplaySettings(2, 1, 100), parse(name), objective)
    replay.add(episode)
    return replay
