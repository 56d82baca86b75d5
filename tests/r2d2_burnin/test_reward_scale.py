"""Rewards in any unit train the same agent."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from r2d2_burnin.data import Episode
from r2d2_burnin.learning.reward_scale import RewardScale
from r2d2_burnin.settings import EnvironmentSettings, LearnerSettings, NetworkSettings, TrainingSettings
from r2d2_burnin.training import checkpoint
from r2d2_burnin.training.trainer import Trainer


class Unit(gym.RewardWrapper[Any, Any]):
    """Rewards in another unit."""

    value = 1.0

    def reward(self, reward: Any) -> float:
        """The reward times the unit's value."""
        return float(reward) * self.value


def _episode(rewards: list[float]) -> Episode:
    steps = len(rewards)
    zeros = np.zeros(steps)
    return Episode(
        np.zeros((steps, 1)), zeros, np.array(rewards, np.float32), None, zeros, (), zeros, True, np.zeros(1), 0
    )


def test_the_scale_is_of_the_first_round_that_has_a_reward() -> None:
    scale = RewardScale(enabled=True)
    assert scale.value == math.inf
    scale.add([_episode([0.0, 0.0])])
    assert not scale.end_round()
    assert scale.get_state() is None
    rewards = [[0.0, 3.0], [-4.0, 0.0, 0.0]]
    scale.add([_episode(part) for part in rewards])
    assert scale.end_round()
    known = np.array([3.0, -4.0])
    assert scale.value == pytest.approx(np.sqrt(np.mean(known**2)))
    before = scale.value
    scale.add([_episode([1000.0])])
    assert not scale.end_round()
    assert scale.value == before
    resumed = RewardScale(enabled=True)
    resumed.set_state(scale.get_state())
    assert resumed.value == before
    assert RewardScale(enabled=False).value == 1


SETTINGS = TrainingSettings(
    EnvironmentSettings("CartPole-v1", wrappers=(f"{__name__}:Unit",), vectorization="sync"),
    NetworkSettings(units=8),
    objective="q-learning",
    updates=40,
    batch_size=16,
    num_envs=8,
    initial_steps=256,
    new_steps=64,
    updates_between=20,
    measure_every=20,
    measured_fragments=16,
    evaluation_episodes=8,
)


def test_rewards_in_other_units_train_the_same_agent(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(SETTINGS)
    results = {}
    for unit in (1.0, 0.001, 1000.0):
        monkeypatch.setattr(Unit, "value", unit)
        run = trainer.run("stored", 0)
        results[unit] = {
            name: [m.value for m in run.measurements if m.metric == name]
            for name in ("episode_return", "train_loss", "reward_scale", "random_return", "delta_q_first")
        }
        path = tmp_path / f"{unit}.npz"
        checkpoint.save(path, trainer.network, inputs=trainer.inputs)
        trainer.inputs.reward_scale = 7.0
        checkpoint.load(path, trainer.network, inputs=trainer.inputs)
        assert trainer.inputs.reward_scale == pytest.approx(unit)
        assert trainer.inputs.compose(np.zeros((1, 4)), np.array([0]), np.array([unit]))[0, -1] == pytest.approx(1)
    known = results[1.0]
    assert known["reward_scale"] == [1.0]
    assert max(known["episode_return"]) > 0
    for unit in (0.001, 1000.0):
        for name in ("episode_return", "random_return", "reward_scale"):
            np.testing.assert_allclose(np.array(results[unit][name]) / unit, known[name], rtol=1e-5)
        for name in ("train_loss", "delta_q_first"):  # in the unit of the scale, or of none
            np.testing.assert_allclose(results[unit][name], known[name], rtol=1e-3)

    monkeypatch.setattr(Unit, "value", 0.0)  # nothing to learn from
    run = trainer.run("stored", 0)
    assert not [m for m in run.measurements if m.metric == "reward_scale"]
    assert all(np.isfinite(m.value) for m in run.measurements)


class Late(Unit):
    """No rewards in an environment's first steps after a seeded reset."""

    first = 0
    steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Begin again to count where there is a seed."""
        self.steps = self.steps if seed is None else 0
        return super().reset(seed=seed, options=options)

    def reward(self, reward: Any) -> float:
        """Zero before `first` steps."""
        self.steps += 1
        return super().reward(reward) if self.steps > self.first else 0.0


def test_states_are_stored_with_the_rewards_that_are_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With parameters that do not change, stored states are the exact ones; late first rewards stay in replay."""
    monkeypatch.setattr(Late, "value", 50.0)
    settings = dataclasses.replace(
        SETTINGS,
        environment=dataclasses.replace(SETTINGS.environment, wrappers=(f"{__name__}:Late",)),
        learner=LearnerSettings(learning_rate=1e-30, final_learning_rate=1e-30),
        initial_steps=400,  # 50 of each environment
        new_steps=400,
        updates=10,
        updates_between=2,
        measure_every=2,
        measured_fragments=64,
    )
    trainer = Trainer(settings)
    rewards: dict[int, list[float]] = {}

    def look(update: int, replay: Any, learner: Any) -> None:
        rows = replay.all_rows()
        rewards.setdefault(first, []).append(float(np.abs(replay.batch(rows).labels["returns"]).sum()))

    for first, known_at in ((0, 0), (120, 4)):
        monkeypatch.setattr(Late, "first", first)
        run = trainer.run("stored", 0, observer=look)
        assert [(m.update, m.value) for m in run.measurements if m.metric == "reward_scale"] == [(known_at, 50.0)]
        if not first:
            for name in ("delta_q_first_exact", "delta_q_last_exact", "delta_q_first"):
                values = [m.value for m in run.measurements if m.metric == name]
                assert len(values) == 5
                np.testing.assert_allclose(values, 0, atol=1e-6)
    assert min(rewards[0]) > 0
    assert rewards[120][:2] == [0, 0]
    assert rewards[120][2] > 0
