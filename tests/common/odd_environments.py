"""Environments in situations that people report: each changes one thing about six steps of noise."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Noise(gym.Env[Any, Any]):
    """Six steps of noise, a reward of 1 each; keyword arguments say what is odd.

    Args:
        observations: what is observed at a step, as a function of the step; by default two random numbers.
        space: of the observations.
        reward: of every step.
        info: of a step, as a function of the step.
        targets: the space of targets.
        reset_returns: what `reset` returns of observation and info.
        step_returns: what `step` returns of its five values.
    """

    def __init__(
        self,
        observations: Any = None,
        space: Any = None,
        reward: Any = 1.0,
        info: Any = None,
        targets: Any = None,
        actions: Any = None,
        reset_returns: Any = lambda *values: values,
        step_returns: Any = lambda *values: values,
    ) -> None:
        self.observation_space = space or spaces.Box(-1, 1, (2,), np.float32)
        self.action_space = actions or spaces.Discrete(2)
        if targets is not None:
            self.target_space = targets
        self._observations, self._reward, self._info = observations, reward, info
        self._reset_returns, self._step_returns = reset_returns, step_returns

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self._t = 0
        return self._reset_returns(self._observe(), self._tell())

    def step(self, action: Any) -> Any:
        self._t += 1
        return self._step_returns(self._observe(), self._reward, self._t >= 6, False, self._tell())

    def _observe(self) -> Any:
        if self._observations is not None:
            return self._observations(self._t)
        return self.np_random.uniform(-1, 1, 2).astype(np.float32)

    def _tell(self) -> dict[str, Any]:
        return {} if self._info is None else self._info(self._t)


class Counted(gym.Env[Any, Any]):
    """Episode n has n % 4 + 3 steps; the target is 10 n + step, and missing at steps that `missing` names."""

    observation_space = spaces.Box(0, 1000, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, missing: str = "odd") -> None:
        self._missing, self._episode = missing, -1

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._episode, self._t = self._episode + 1, 0
        return self._observe()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self._t += 1
        observation, info = self._observe()
        return observation, 1.0, self._t == self._episode % 4 + 3, False, info

    def _observe(self) -> tuple[np.ndarray, dict[str, Any]]:
        observation = np.array([self._episode, self._t], np.float32)
        if is_missing(self._missing, self._episode, self._t):
            return observation, {"target": None} if self._t % 4 == 1 else {}
        return observation, {"target": 10 * self._episode + self._t}


def is_missing(missing: str, episode: int, t: int) -> bool:
    return {"odd": t % 2 == 1, "all": True, "first": t == 0, "odd episodes": episode % 2 == 1}[missing]


class Constant(Noise):
    """The target is 1.0 whenever it is told, at 7 steps of 10."""

    def __init__(self) -> None:
        super().__init__(info=lambda t: {"target": 1.0} if t == 0 or self.np_random.random() < 0.7 else {})


class NotANumberLater(Noise):
    def __init__(self) -> None:
        super().__init__(info=lambda t: {"target": float("nan") if t == 2 else 1.0})


class OddInfos(Noise):
    """Infos that no training reads, of kinds that do not fit together in one array."""

    def __init__(self) -> None:
        super().__init__(info=self._odd)

    def _odd(self, t: int) -> dict[Any, Any]:
        kinds: list[Any] = [1, None, "text", object(), {"deep": np.ones(t + 1)}, [1, 2], np.ones((2, t + 1)), 0.5, True]
        return {
            "legal": np.arange(self.np_random.integers(1, 5)),
            "winner": kinds[int(self.np_random.integers(len(kinds)))],
            "nest": {"winner": kinds[int(self.np_random.integers(len(kinds)))]},
            3: "a key that is no text",
            "final_obs": None,
            "_target": "not a mask",
        }


class OldReset(Noise):
    """`reset` without an info, as before Gym 0.26."""

    def __init__(self, size: int = 2) -> None:
        super().__init__(
            lambda t: np.zeros(size, np.float32),
            spaces.Box(-1, 1, (size,), np.float32),
            reset_returns=lambda observation, info: observation,
        )


class OldStep(Noise):
    """`step` with one flag for both ends."""

    def __init__(self) -> None:
        super().__init__(step_returns=lambda o, r, terminated, truncated, info: (o, r, terminated, info))


class WithoutSeed(Noise):
    """`reset` without arguments, as before Gym 0.26."""

    def reset(self) -> Any:  # type: ignore[override]
        return super().reset()


class ManyActions(Noise):
    def __init__(self) -> None:
        super().__init__(actions=spaces.MultiDiscrete([5] * 72))


class ManyStates(Noise):
    def __init__(self) -> None:
        super().__init__(space=spaces.Tuple([spaces.Discrete(10**9), spaces.Discrete(2)]))


class OneMoreEntry(gym.ObservationWrapper[Any, Any, Any]):
    """A wrapper that needs arguments, and multiplies."""

    def __init__(self, env: gym.Env[Any, Any], factor: float, *, offset: float, unused: Any = None) -> None:
        super().__init__(env)
        self._factor, self._offset = factor, offset

    def observation(self, observation: Any) -> Any:
        return (observation * self._factor + self._offset).astype(np.float32)


gym.register("Odd/Noise-v3", Noise)
gym.register("Odd/Noise-v1", Noise)
gym.register("Odd/Plain", Noise)
for _class in (Counted, Constant, NotANumberLater, OddInfos, OldReset, OldStep, ManyActions, ManyStates):
    gym.register(f"Odd/{_class.__name__}-v0", _class)
