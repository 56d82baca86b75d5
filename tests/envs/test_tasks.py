"""The tasks' targets against definitions written as plain loops, and tasks of users."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import registry
from hypothesis import given
from hypothesis import strategies as st

import envs.tasks
from envs.tasks import TASKS, Count, Parity, Recall, WindowCount, make_task
from envs.vector import BitStreamVectorEnv

streams = st.lists(st.integers(0, 1), min_size=1, max_size=40)


@given(streams, st.integers(2, 7))
def test_count(bits: list[int], modulo: int) -> None:
    running = [sum(bits[: t + 1]) for t in range(len(bits))]
    assert Count().values(np.array(bits)).tolist() == running
    assert Count(modulo).values(np.array(bits)).tolist() == [count % modulo for count in running]


@given(streams, st.integers(1, 50))
def test_window_count(bits: list[int], window: int) -> None:
    expected = [sum(bits[max(0, t - window + 1) : t + 1]) for t in range(len(bits))]
    assert WindowCount(window).values(np.array(bits)).tolist() == expected


@given(streams)
def test_parity(bits: list[int]) -> None:
    parity, expected = 0, []
    for bit in bits:
        parity ^= bit
        expected.append(parity)
    assert Parity().values(np.array(bits)).tolist() == expected


@given(streams, st.integers(0, 50))
def test_recall(bits: list[int], delay: int) -> None:
    expected = [bits[t - delay] if t >= delay else 0 for t in range(len(bits))]
    assert Recall(delay).values(np.array(bits)).tolist() == expected


@given(st.sampled_from([Count(), Count(5), WindowCount(4), Parity(), Recall(3)]), streams)
def test_targets_of_a_batch_are_those_of_each_stream_and_fit_the_size(target, bits: list[int]) -> None:
    batch = np.array([bits, bits[::-1]])
    values = target.values(batch)
    assert values.shape == batch.shape
    assert values[1].tolist() == target.values(batch[1]).tolist()
    assert values.min() >= 0
    assert values.max() < target.size(len(bits))


@pytest.mark.parametrize(
    ("task", "settings", "named"),
    [
        ("Count", {"modulo": 1}, "modulo: got 1"),
        ("Count", {"window": 3}, "window: Count has no such setting"),
        ("WindowCount", {"window": 0}, "window: got 0"),
        ("WindowCount", {"windw": 4}, "did you mean 'window'"),
        ("Recall", {"delay": -1}, "delay: got -1"),
        ("Recall", {"delay": 1.5}, "delay: got 1.5"),
        ("Sum", {}, "task: got 'Sum'"),
    ],
)
def test_wrong_settings_are_named(task: str, settings: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named.replace("(", r"\(")):
        make_task(task, settings)


def test_a_class_that_is_no_task_is_named() -> None:
    with pytest.raises(ValueError, match="task: got Path, expected a class with is_class, values and size"):
        make_task(Path, {})


@pytest.fixture
def my_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module of a user's, which is the documentation's example."""
    assert envs.tasks.__doc__ is not None
    example = envs.tasks.__doc__.split("# my_tasks.py\n")[1].split("\nIts id is")[0]
    (tmp_path / "tasks_of_a_user.py").write_text(textwrap.dedent(example))
    monkeypatch.syspath_prepend(tmp_path)
    yield "tasks_of_a_user"
    del sys.modules["tasks_of_a_user"]
    registry.pop("Mine/Repeats-v0")


def test_a_users_task_is_an_environment(my_tasks: str) -> None:
    env: Any = gym.make(f"{my_tasks}:Mine/Repeats-v0", length=9, most=2)
    vector: Any = gym.make_vec(f"{my_tasks}:Mine/Repeats-v0", num_envs=2, length=9, most=2)
    assert isinstance(vector, BitStreamVectorEnv)
    assert (env.unwrapped.task, vector.task) == ("Repeats", "Repeats")
    assert env.action_space == gym.spaces.Discrete(3)
    observation, info = env.reset(seed=4)
    observations, infos = vector.reset(seed=4)
    bits, repeats = [], 0
    for _ in range(9):
        assert observations[0] == observation
        bits.append(int(observation[0]))
        repeats = min(repeats + 1, 2) if bits[-2:] == [bits[-1]] * 2 else 1
        assert info["target"] == infos["target"][0] == repeats
        observation, reward, _, _, info = env.step(repeats)
        observations, rewards, _, _, infos = vector.step([repeats, repeats])
        assert reward == rewards[0] == 1.0
    assert len(set(bits)) == 2


def test_what_a_users_task_does_not_have_is_named(my_tasks: str) -> None:
    with pytest.raises(ValueError, match=r"mst: Repeats has no such setting, .* did you mean 'most'"):
        gym.make(f"{my_tasks}:Mine/Repeats-v0", mst=2)
    unwrapped: Any = gym.make("Mine/Repeats-v0").unwrapped
    with pytest.raises(ValueError, match="error_floor: Repeats has no method unseen"):
        unwrapped.error_floor("zero", 0, sequence_length=4, period=2)
    assert unwrapped.error_floor("stored", 0, sequence_length=4, period=2) == 0.0


def test_every_task_has_a_file_of_its_name_that_states_its_purpose() -> None:
    for name, task in TASKS.items():
        assert task.__name__ == name
        assert importlib.import_module(task.__module__).__name__.rpartition(".")[0] == "envs.tasks"
        for part in ("Observation:", "Target:", "Diagnostic purpose:"):
            assert part in (task.__doc__ or "")
