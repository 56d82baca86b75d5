"""A new bit-stream task is one class: this file defines one, and a comparison uses it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import envs
from tests.common.tiny import compare


@dataclasses.dataclass(frozen=True)
class Repeats:
    """How often the last bit has come in a row, at most `most`."""

    most: int = 3
    is_class = True

    def values(self, bits: np.ndarray) -> np.ndarray:
        repeats = np.ones_like(bits)
        for t in range(1, bits.shape[-1]):
            same = bits[..., t] == bits[..., t - 1]
            repeats[..., t] = np.where(same, np.minimum(repeats[..., t - 1] + 1, self.most), 1)
        return repeats

    def size(self, length: int) -> int:
        return self.most + 1


envs.register_task("Own/Repeats-v0", Repeats)
ID = f"{__name__}:Own/Repeats-v0"


def test_targets_of_an_episode_are_those_of_a_loop() -> None:
    env = gym.make(ID, length=30, most=2)
    observation, info = env.reset(seed=4)
    previous, count, ended = None, 0, False
    while not ended:
        bit = int(observation[0])
        count = min(count + 1, 2) if bit == previous else 1
        assert info["target"] == count
        previous = bit
        observation, _, ended, _, info = env.step(0)


@pytest.mark.long
@pytest.mark.usefixtures("jobs_in_process")
def test_a_comparison_uses_it(tmp_path: Path) -> None:
    summary = compare(tmp_path, "--env", ID, "--strategies", "zero", "stored", "--env-kwargs", "length=12", "most=2")
    assert (summary["env"], summary["objective"]) == (ID, "classification")
    for strategy in summary["strategies"].values():
        assert 0 < strategy["eval_error"]["mean"] < 1
    floors = {name: strategy["floor"] for name, strategy in summary["strategies"].items()}
    assert floors == {"zero": None, "stored": 0}  # the task has no `unseen`, so that only nothing hidden has a floor
