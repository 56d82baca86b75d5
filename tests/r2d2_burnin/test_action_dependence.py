"""Whether actions matter later: known answers of Gymnasium's and POPGym's tasks, and of environments made for it."""

from __future__ import annotations

import time
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from r2d2_burnin.environments.action_dependence import MOST_STEPS, action_dependence
from r2d2_burnin.settings import EnvironmentSettings


class Guessing(gym.Env[np.ndarray, int]):
    """Twelve random bits to guess; what depends on earlier actions is chosen by `what`."""

    observation_space = gym.spaces.Box(0, 2, (1,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def __init__(self, what: str = "nothing") -> None:
        self.what = what

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, Any]:
        super().reset(seed=seed)
        self.step_count, self.twos = 0, 0
        return self._observe(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, Any]:
        correct = float(action == int(self.bit))
        reward = correct + (self.what == "reward") * self.twos
        self.twos += action == 2
        self.step_count += 1
        end = self.step_count == 12 + (self.what == "end") * min(self.twos, 1)
        return self._observe(), reward, end and self.what != "endless", False, {}

    def _observe(self) -> np.ndarray:
        generator = np.random.default_rng() if self.what == "irreproducible" else self.np_random
        self.bit = generator.integers(2)
        shown = self.bit + (self.what == "observation" and self.twos > 3)
        return np.array([shown], np.float32)


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    gym.register("Guessing-v0", Guessing)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("observation", "the observation after step "),
        ("reward", "the reward of step "),
        ("end", "when an episode ends depends on actions"),
        ("irreproducible", "the same seed and the same actions give different episodes"),
        ("endless", f"an episode did not end within {MOST_STEPS} steps"),
    ],
)
def test_every_kind_of_dependence_and_of_doubt_is_named(what: str, reason: str) -> None:
    result = action_dependence(EnvironmentSettings("Guessing-v0", env_kwargs={"what": what}))
    assert not result.independent
    assert result.reason.startswith(reason)


@pytest.mark.parametrize(
    ("env", "independent"),
    [
        ("Guessing-v0", True),
        ("BitStream/Count-v0", True),
        ("popgym:popgym-RepeatFirstEasy-v0", True),
        ("popgym:popgym-CountRecallEasy-v0", True),
        ("popgym:popgym-HigherLowerEasy-v0", True),
        ("popgym:popgym-NoisyPositionOnlyCartPoleEasy-v0", False),
        ("popgym:popgym-ConcentrationEasy-v0", False),
        ("CartPole-v1", False),
    ],
)
def test_known_answers(env: str, independent: bool) -> None:
    if env.startswith("popgym"):
        pytest.importorskip("popgym", reason="POPGym is not installed")
    assert action_dependence(EnvironmentSettings(env)).independent is independent


def test_an_environment_that_fails_leaves_the_answer_open() -> None:
    class Failing(Guessing):
        def step(self, action: int) -> Any:
            raise RuntimeError("no power")

    gym.register("FailingGuessing-v0", Failing)
    result = action_dependence(EnvironmentSettings("FailingGuessing-v0"))
    assert not result.independent
    assert "no power" in result.reason


def test_an_environment_that_hangs_leaves_the_answer_open() -> None:
    class Hanging(Guessing):
        def step(self, action: int) -> Any:
            while True:
                time.sleep(0.01)

    gym.register("HangingGuessing-v0", Hanging)
    result = action_dependence(EnvironmentSettings("HangingGuessing-v0", env_timeout=0.5))
    assert not result.independent
    assert "looking at what depends on actions took longer than 0.5 s" in result.reason
