"""Recorded episodes are a random sample: none is preferred by its length, and no two recordings share a stream."""

from __future__ import annotations

import itertools
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from r2d2_burnin.environments.guard import EnvironmentFault
from r2d2_burnin.testing import record_episodes
from tests.common.known_networks import Known
from tests.common.networks import make_network

SHORT, LONG = 5, 100


class ShortOrLong(gym.Env[np.ndarray, np.int64]):
    """Random bits; half of the episodes have 5 steps, the others 100."""

    observation_space = gym.spaces.Box(0, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, Any]:
        super().reset(seed=seed)
        self.left = int(self.np_random.choice([SHORT, LONG]))
        return self._bit(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, Any]:
        self.left -= 1
        return self._bit(), 0.0, self.left == 0, False, {}

    def _bit(self) -> np.ndarray:
        return self.np_random.integers(0, 2, 1).astype(np.float32)


gym.register("Tests/ShortOrLong-v0", ShortOrLong)


@pytest.mark.parametrize(("count", "num_envs"), [(300, 8), (301, 64), (200, 200)])
def test_short_episodes_are_not_preferred(count: int, num_envs: int) -> None:
    episodes = record_episodes(Known("none"), "Tests/ShortOrLong-v0", count=count, num_envs=num_envs, seed=1)
    assert len(episodes) == count
    lengths = [len(episode) for episode in episodes]
    assert set(lengths) == {SHORT, LONG}
    # Within 3.5 standard errors of a half; those that end first would be long in 5 to 20 of 100.
    assert abs(np.mean(np.equal(lengths, LONG)) - 0.5) < 3.5 * 0.5 / np.sqrt(count)
    by_environment = np.bincount([episode.environment for episode in episodes], minlength=num_envs)
    assert by_environment.max() - by_environment.min() <= 1


def test_recordings_of_different_seeds_share_no_stream() -> None:
    network = make_network("gru", 1)

    def streams(seed: int, num_envs: int = 16) -> set[bytes]:
        episodes = record_episodes(network, "BitStream/Count-v0", count=2 * num_envs, num_envs=num_envs, seed=seed)
        return {episode.observations.tobytes() for episode in episodes}  # 80 bits each

    of_seeds = [streams(seed) for seed in (0, 1, 2, 3, 1000)]
    assert all(len(result) == 32 for result in of_seeds)
    for a, b in itertools.combinations(of_seeds, 2):
        assert not a & b
    assert streams(0) == of_seeds[0]


def test_few_episodes_take_few_environments() -> None:
    episodes = record_episodes(Known("none"), "BitStream/Count-v0", count=3, num_envs=50)
    assert [episode.environment for episode in episodes] == [0, 1, 2]


def test_actions_may_be_chosen_otherwise() -> None:
    network = make_network("gru", 1)
    episodes = record_episodes(
        network, "BitStream/Count-v0", count=2, act=lambda outputs: np.full(outputs.shape[:-1], 7)
    )
    assert all((episode.actions == 7).all() for episode in episodes)


def test_what_cannot_be_recorded_is_refused() -> None:
    for settings, message in (({"count": 0}, "count: got 0"), ({"count": 2, "num_envs": 0}, "num_envs: got 0")):
        with pytest.raises(ValueError, match=message):
            record_episodes(Known("none"), "BitStream/Count-v0", **settings)
    with pytest.raises(EnvironmentFault, match=r"an episode has .* steps and no end"):
        record_episodes(Known("none"), "Tests/ShortOrLong-v0", count=30, longest=50)
