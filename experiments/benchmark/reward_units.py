"""Benchmark of reward scaling: the same task with rewards in other units, and what the agent earns of each."""

from __future__ import annotations

import dataclasses
import importlib.util
from typing import Any

import gymnasium as gym

from experiments.benchmark.settings import Settings
from experiments.benchmark.timing import Row
from experiments.burnin_compare.settings import read_settings
from r2d2_burnin.runtime.tensorflow import use_one_thread
from r2d2_burnin.training.trainer import Trainer

TASK = "popgym:popgym-RepeatFirstEasy-v0"
"""A perfect agent earns 1 in it."""

UPDATES = 2500


class RewardUnit(gym.RewardWrapper[Any, Any]):
    """Rewards in another unit: each is multiplied by `by`."""

    def __init__(self, env: gym.Env[Any, Any], by: float) -> None:
        super().__init__(env)
        self.by = by

    def reward(self, reward: Any) -> float:
        """The reward in the other unit."""
        return float(reward) * self.by


def reward_units(settings: Settings) -> list[Row]:
    """The part of the reachable return that is earned with rewards times 0.001 and 1000, beside that with rewards as
    they are.
    """
    if importlib.util.find_spec("popgym") is None:
        print("POPGym is not installed, so there is no task: pip install -e '.[envs-extra]'")
        return []
    use_one_thread()
    share = {by: _share(by) for by in (1.0, 0.001, 1000.0)}
    work = f"{TASK.split(':')[-1]}, stored, {UPDATES} updates"
    return [
        Row(
            work, f"rewards times {by:g}", share[by], "of the return", "as they are", share[1.0], share[1.0] / share[by]
        )
        for by in (0.001, 1000.0)
    ]


def _share(by: float) -> float:
    training = read_settings(["--env", TASK]).training
    environment = dataclasses.replace(training.environment, wrappers=(f"{__name__}:RewardUnit(by={by})",))
    trainer = Trainer(dataclasses.replace(training, environment=environment, updates=UPDATES))
    earned = trainer.run("stored", 0).final("episode_return", fewest=5)
    assert earned is not None
    return earned / by
