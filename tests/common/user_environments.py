"""Environments and wrappers that users bring, good ones and ones that misbehave; without TensorFlow.

Worker processes of vector environments import this module.
"""

from __future__ import annotations

import os
import time
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Moody(gym.Env[Any, Any]):
    """Episodes of 1 to 7 steps with composite observations; from `trouble_at` steps on it misbehaves."""

    def __init__(self, trouble: str = "", trouble_at: int = 10, seconds: float = 0.0) -> None:
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, (2, 3), np.uint8),
                "place": spaces.Tuple([spaces.Discrete(3), spaces.MultiBinary(2)]),
                "kind": spaces.MultiDiscrete([2, 3]),
            }
        )
        self.action_space = spaces.MultiDiscrete([2, 3], start=[0, 5])
        self.received: list[list[int]] = []
        self._trouble, self._trouble_at, self._seconds = trouble, trouble_at, seconds
        self._steps = self._episode = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self._left = self._episode % 7 + 1
        self._episode += 1
        return self._observation(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        time.sleep(self._seconds)
        self.received.append(np.asarray(action).tolist())
        self._steps += 1
        self._left -= 1
        trouble = self._trouble if self._steps >= self._trouble_at else ""
        if trouble == "raise":
            raise KeyError("broken inside")
        observation, reward = self._observation(), float("nan") if trouble == "nan reward" else 1.0
        if trouble == "dtype":
            observation["kind"] = observation["kind"].astype(np.float64)
        if trouble == "shape":
            observation["image"] = observation["image"][:1]
        return observation, reward, self._left == 0, False, {}

    def _observation(self) -> dict[str, Any]:
        return {
            "image": self.np_random.integers(0, 256, (2, 3), dtype=np.uint8),
            "place": (int(self.np_random.integers(3)), self.np_random.integers(0, 2, 2, dtype=np.int8)),
            "kind": self.np_random.integers(0, [2, 3]),
        }


class Images(gym.Env[Any, Any]):
    """Images whose brightest quarter is what the last one showed; the right action names it. NaNs on request."""

    def __init__(self, nan_at: int | None = None) -> None:
        high = 255 if nan_at is None else np.inf
        dtype = np.uint8 if nan_at is None else np.float32
        self.observation_space = spaces.Box(0, high, (12, 12, 2), dtype)
        self.action_space = spaces.Discrete(4, start=1)
        self._nan_at, self._steps = nan_at, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self._count = 0
        return self._draw(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        reward = float(action - 1 == self._quarter)
        self._count += 1
        self._steps += 1
        return self._draw(), reward, False, self._count == 6, {}

    def _draw(self) -> np.ndarray:
        self._quarter = int(self.np_random.integers(4))
        image = np.zeros((12, 12, 2), np.float64)
        row, column = divmod(self._quarter, 2)
        image[6 * row : 6 * row + 6, 6 * column : 6 * column + 6] = 200
        if self._nan_at is not None and self._steps >= self._nan_at:
            image[3, 4, 1] = np.nan
        return image.astype(self.observation_space.dtype)


class Endless(gym.Env[Any, Any]):
    """No episode ever ends."""

    observation_space = spaces.Box(0, 1, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        return np.zeros(1, np.float32), 0.0, False, False, {}


class Speaking(Endless):
    """An observation in words."""

    observation_space = spaces.Dict({"text": spaces.Text(5), "bit": spaces.Discrete(2)})


class BreaksLater(gym.Env[Any, Any]):
    """Every instance of a process works for its first three episodes; those made after the first `good` ones raise."""

    observation_space = spaces.Box(0, 1, (1,), np.float32)
    action_space = spaces.Discrete(2)
    instances = 0

    def __init__(self, good: int = 0) -> None:
        BreaksLater.instances += 1
        self._breaks = BreaksLater.instances > good
        self._episodes = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self._episodes += 1
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        if self._breaks and self._episodes > 3:
            raise RuntimeError("no power")
        return np.zeros(1, np.float32), float(action), self.np_random.random() < 0.3, False, {}


class Hangs(gym.Env[Any, Any]):
    """Episodes of three steps; the step number `at` never returns, and is no good from then on."""

    observation_space = spaces.Box(0, 1, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, at: int = 10) -> None:
        self._at = at
        self._steps = self._left = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self._left = 3
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        self._steps += 1
        self._left -= 1
        if self._steps == self._at:
            time.sleep(3600)
        return np.zeros(1, np.float32), 1.0, self._left == 0, False, {}


class Unrepeatable(Hangs):
    """Its observations are other ones each time, whatever the seed."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        _, *others = super().step(action)
        return np.frombuffer(os.urandom(1), np.uint8).astype(np.float32) / 255, *others


class Overflowing(Hangs):
    """Rewards that grow from episode to episode, until float32 cannot square them."""

    def __init__(self) -> None:
        super().__init__(at=0)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        observation, _, *others = super().step(action)
        return observation, min(1.4**self._steps, 1e38), *others


class Scripted(Hangs):
    """An error whose text would be run by a careless page."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        raise RuntimeError("<script>alert('raised')</script>")


for environment in (BreaksLater, Moody, Images, Endless, Speaking, Hangs, Unrepeatable, Overflowing, Scripted):
    gym.register(f"Test/{environment.__name__}-v0", environment)


class Halved(gym.RewardWrapper[Any, Any]):
    """Half of every reward."""

    def reward(self, reward: Any) -> float:
        return float(reward) / 2


def not_a_wrapper(env: gym.Env[Any, Any]) -> int:
    return 3
