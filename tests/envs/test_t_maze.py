"""The passive T-maze against Gymnasium's checker, and its exact returns by enumeration."""

from __future__ import annotations

import itertools

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs  # noqa: F401
from envs.t_maze import PassiveTMazeEnv


def seeds_by_cue(env: PassiveTMazeEnv) -> dict[int, int]:
    """A seed for each of the two cues, which have the same probability."""
    seeds: dict[int, int] = {}
    for seed in itertools.count():
        observation, _ = env.reset(seed=seed)
        seeds.setdefault(int(observation[:2].argmax()), seed)
        if len(seeds) == 2:
            return seeds
    raise AssertionError


def episode(env: PassiveTMazeEnv, seed: int, actions: tuple[int, ...]) -> tuple[list[np.ndarray], list[float]]:
    observation, _ = env.reset(seed=seed)
    observations, rewards = [observation], []
    for step, action in enumerate(actions):
        observation, reward, terminated, truncated, _ = env.step(action)
        assert (terminated, truncated) == (step == env.length - 1, False)
        observations.append(observation)
        rewards.append(reward)
    return observations, rewards


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("length", [2, 50])
def test_gymnasiums_checker_passes(length: int) -> None:
    env = gym.make("envs:TMaze/Passive-v0", length=length, render_mode="ansi").unwrapped
    check_env(env, skip_render_check=False)
    assert isinstance(env, PassiveTMazeEnv)
    assert gym.make("TMaze/Passive-v0").unwrapped.length == 50


@pytest.mark.parametrize("length", [2, 3, 6])
def test_returns_are_exact_by_enumeration_of_all_sequences_of_actions(length: int) -> None:
    env = PassiveTMazeEnv(length)
    seeds = seeds_by_cue(env)
    returns = {
        cue: [sum(episode(env, seed, actions)[1]) for actions in itertools.product((0, 1), repeat=length)]
        for cue, seed in seeds.items()
    }
    # A policy that knows the cue picks a sequence for each cue; one that does not has the same sequence for both,
    # as all it sees after the first step is the same for both (asserted below), and randomization is an average.
    assert np.mean([max(of_cue) for of_cue in returns.values()]) == env.best_return
    averages = np.mean(list(returns.values()), axis=0)
    assert (averages == env.memoryless_return).all()
    shown = {cue: episode(env, seed, (0,) * length)[0] for cue, seed in seeds.items()}
    np.testing.assert_array_equal(shown[0][1:], shown[1][1:])
    assert not np.array_equal(shown[0][0], shown[1][0])


def test_nothing_depends_on_actions_but_the_reward_of_the_choice() -> None:
    env = PassiveTMazeEnv(4)
    streams = [episode(env, 3, actions) for actions in itertools.product((0, 1), repeat=4)]
    for observations, rewards in streams:
        np.testing.assert_array_equal(observations, streams[0][0])
        assert rewards[:-1] == [0.0, 0.0, 0.0]
    np.testing.assert_array_equal(np.array(streams[0][0])[1:], [[0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0]])


def test_cues_are_fair() -> None:
    env = PassiveTMazeEnv()
    env.reset(seed=0)
    cues = [int(env.reset()[0][0]) for _ in range(4000)]
    assert np.mean(cues) == pytest.approx(0.5, abs=4 * 0.5 / 4000**0.5)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_wrong_settings_and_actions_are_named() -> None:
    for kwargs, named in (
        ({"length": 1}, "length: got 1, expected an integer of at least 2"),
        ({"render_mode": "x"}, "render_mode: got 'x'"),
    ):
        with pytest.raises(ValueError, match=named):
            gym.make("envs:TMaze/Passive-v0", **kwargs)
    env = PassiveTMazeEnv(2, render_mode="ansi")
    with pytest.raises(gym.error.ResetNeeded):
        env.step(0)
    env.reset(seed=0)
    assert "A.<  step 0/2" in str(env.render())
    with pytest.raises(ValueError, match="action: got 2, expected an end in Discrete"):
        env.step(2)
    env.step(0)
    env.step(1)
    with pytest.raises(gym.error.ResetNeeded):
        env.step(0)
