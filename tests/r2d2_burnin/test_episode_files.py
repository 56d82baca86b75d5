"""Episodes recorded elsewhere: from arrays, from files that any program can write, and from Minari datasets."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r2d2_burnin.acting.episode_files import load_episodes, load_minari, save_episodes
from r2d2_burnin.data import Episode
from r2d2_burnin.runtime import nests
from r2d2_burnin.testing import record_episodes
from tests.r2d2_burnin.test_adapters import Leaky

RANDOM = np.random.default_rng(0)


def arrays(steps: int = 7) -> dict[str, Any]:
    return {
        "observations": RANDOM.normal(size=(steps, 2, 2)),
        "actions": RANDOM.integers(0, 3, steps),
        "rewards": RANDOM.normal(size=steps),
    }


def test_an_episode_from_arrays() -> None:
    given = arrays()
    state = {"h": RANDOM.normal(size=(7, 1, 5)), "c": RANDOM.normal(size=(7, 1, 5))}
    episode = Episode.from_arrays(**given, terminated=True, states=state, updates=3, outputs=RANDOM.normal(size=(7, 3)))
    np.testing.assert_array_equal(episode.observations, given["observations"].reshape(7, 4).astype(np.float32))
    assert episode.updates.tolist() == [3] * 7
    np.testing.assert_array_equal(episode.states["c"], state["c"])
    assert np.isnan(episode.final_observation).all()
    pixels = Episode.from_arrays(np.zeros((7, 4, 4), np.uint8), given["actions"][:, None], [0] * 7, terminated=False)
    assert (pixels.observations.dtype, pixels.observations.shape) == (np.uint8, (7, 16))
    assert pixels.actions.shape == (7,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actions": np.zeros(6, int)}, r"actions: got shape \[6\], expected 7 rows"),
        ({"actions": np.zeros(7)}, "actions: got float64 from 0.0 on, expected whole numbers from 0"),
        ({"rewards": [0, 1, np.inf, 0, 0, 0, 0]}, "rewards: got inf at step 2, expected finite numbers"),
        ({"observations": np.full((7, 2), np.nan)}, r"observations: got \[nan, nan\] at step 0"),
        ({"observations": np.array(["a"] * 7)}, "observations: got an array of <U1, expected numbers"),
        ({"observations": np.zeros((0, 2))}, "observations: got an episode without steps"),
        ({"states": (np.zeros((7, 2)), np.zeros((8, 2)))}, r"state/1: got shape \[8, 2\], expected 7 rows"),
        ({"outputs": np.zeros(7)}, r"outputs: got shape \[7\], expected 7 rows of 2 axes"),
        ({"updates": np.zeros((7, 2))}, r"updates: got shape \[7, 2\], expected \[7\]"),
        ({"final_observation": np.zeros(3)}, "final_observation: got 3 numbers, expected 4"),
    ],
)
def test_a_wrong_array_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Episode.from_arrays(**(arrays() | {"terminated": True} | changes))


def assert_same(a: Episode, b: Episode) -> None:
    for field in dataclasses.fields(Episode):
        if field.name != "environment":
            of_a, of_b = (nests.flatten(getattr(episode, field.name)) for episode in (a, b))
            for x, y in zip(of_a, of_b, strict=True):
                np.testing.assert_array_equal(x, y, err_msg=field.name)


def test_episodes_survive_a_file(tmp_path: Path) -> None:
    episodes = record_episodes(Leaky(), "CartPole-v1", count=4, act=lambda outputs: outputs[..., 0].astype(int) % 2)
    save_episodes(tmp_path / "episodes.npz", episodes)
    for a, b in zip(load_episodes(tmp_path / "episodes.npz"), episodes, strict=True):
        assert_same(a, b)
    both = load_episodes(tmp_path / "episodes.npz", tmp_path / "episodes.npz")
    assert len(both) == 8


def written(path: Path, **changes: Any) -> Path:
    """A file that another program wrote with NumPy alone: episodes of 3 and 4 steps."""
    given = arrays() | {"terminated": np.array([0, 0, 1, 0, 0, 0, 0], bool), "truncated": np.arange(7) == 6} | changes
    np.savez(path, **{name: array for name, array in given.items() if array is not None})
    return path


def test_a_file_of_another_program(tmp_path: Path) -> None:
    state = RANDOM.normal(size=(7, 2, 5))
    first, second = load_episodes(written(tmp_path / "a.npz", **{"state/0": state}))
    assert (len(first), first.terminated, len(second), second.terminated) == (3, True, 4, False)
    np.testing.assert_array_equal(second.states[0], state[3:])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rewards": None}, "a.npz has no array rewards"),
        ({"reward": np.zeros(7)}, "a.npz has an array reward, expected only observations"),
        ({"state/1": np.zeros((7, 2))}, "a.npz has no array state/0"),
        ({"rewards": np.zeros(6)}, r"rewards has shape \[6\], expected 7 rows"),
        ({"rewards": np.array([0, 0, 0, 0, np.nan, 0, 0])}, r"episode 1 \(rows 3 to 6\): rewards: got nan at step 1"),
        ({"truncated": None}, "the last of 7 steps is neither terminated nor truncated.*expected 3 rows"),
        ({"truncated": None, "terminated": None}, "no step is terminated or truncated"),
        ({"final_observations": np.zeros((3, 4))}, "final_observations has 3 rows, expected 2 episodes"),
        ({"actions": np.array([None] * 7)}, r"expected a NumPy archive \(.npz\) without pickled objects"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = written(tmp_path / "a.npz", **changes)
    with pytest.raises(ValueError, match=message):
        load_episodes(path)


def test_minari_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    minari = pytest.importorskip("minari", reason="Minari is not installed (pip install -e '.[minari]')")
    import gymnasium as gym

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    env = minari.DataCollector(gym.make("CartPole-v1"))
    seen = []
    for episode in range(3):
        observation, _ = env.reset(seed=episode)
        seen.append([observation])
        ended = False
        while not ended:
            observation, _, terminated, truncated, _ = env.step(len(seen[-1]) % 2)
            seen[-1].append(observation)
            ended = terminated or truncated
    env.create_dataset("tests/cartpole-v0", algorithm_name="none", author="none", author_email="none")
    for loaded in (load_minari("tests/cartpole-v0"), load_minari(minari.load_dataset("tests/cartpole-v0"))):
        assert len(loaded) == 3
        for episode, observations in zip(loaded, seen, strict=True):
            np.testing.assert_array_equal(episode.observations, observations[:-1])
            np.testing.assert_array_equal(episode.final_observation, observations[-1])
            assert episode.actions.tolist() == [(t + 1) % 2 for t in range(len(episode))]
            assert episode.terminated
