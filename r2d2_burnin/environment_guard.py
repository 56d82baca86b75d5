"""Guards against environments that break in the middle: every error names environment, step and value."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np


class EnvironmentFault(RuntimeError):
    """An environment raised, or returned what no training can use."""


def check_numbers(place: str, name: str, values: Any) -> None:
    """Raise an EnvironmentFault unless all of `values` (a number or an array) are finite."""
    array = np.asarray(values)
    if array.dtype.kind in "fc" and not np.isfinite(array).all():
        bad = array[~np.isfinite(array)].ravel()[0]
        where = f" at index {tuple(np.argwhere(~np.isfinite(array))[0].tolist())}" if array.ndim else ""
        raise EnvironmentFault(f"{place}: {name} has the value {bad}{where}, expected finite numbers")
    if array.dtype.kind not in "fciub":
        raise EnvironmentFault(f"{place}: {name} is {values!r} of dtype {array.dtype}, expected numbers")


class EnvironmentGuard(gym.Wrapper[Any, Any, Any, Any]):
    """Checks what an environment returns at every step.

    Raises:
        EnvironmentFault: when the environment raises; when an observation or a reward is not finite, or not a number;
            when an observation has another type or shape than the first one had.
    """

    def __init__(self, env: gym.Env[Any, Any], name: str) -> None:
        super().__init__(env)
        self._name = name
        self._episode = -1
        self._step = 0
        self._kinds: list[tuple[Any, ...]] | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset the environment and check its observation."""
        self._episode, self._step = self._episode + 1, 0
        try:
            observation, info = self.env.reset(seed=seed, options=options)
        except Exception as error:
            raise EnvironmentFault(f"{self._place}: reset raised {type(error).__name__}: {error}") from error
        self._check(observation)
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step the environment and check its observation and reward."""
        self._step += 1
        try:
            observation, reward, terminated, truncated, info = self.env.step(action)
        except Exception as error:
            raise EnvironmentFault(
                f"{self._place}: step with action {action!r} raised {type(error).__name__}: {error}"
            ) from error
        self._check(observation)
        check_numbers(self._place, "the reward", reward)
        return observation, float(reward), bool(terminated), bool(truncated), info

    @property
    def _place(self) -> str:
        return f"env: {self._name}, episode {self._episode}, step {self._step}"

    def _check(self, observation: Any) -> None:
        leaves = list(_leaves(observation, "the observation"))
        for name, leaf in leaves:
            check_numbers(self._place, name, leaf)
        # A plain int and NumPy's are the same to every use of them here.
        kinds = [(name, np.asarray(leaf).dtype, np.shape(leaf)) for name, leaf in leaves]
        if self._kinds is None:
            self._kinds = kinds
        elif kinds != self._kinds:
            got, expected = next(pair for pair in zip(kinds, self._kinds, strict=False) if pair[0] != pair[1])
            raise EnvironmentFault(
                f"{self._place}: {got[0]} has dtype {got[1]} and shape {got[2]}, expected dtype {expected[1]} and shape"
                f" {expected[2]} as in the steps before; its value is {dict(leaves)[got[0]]!r}"
            )


def _leaves(observation: Any, name: str) -> Any:
    """Names and values of the arrays in a nest of dictionaries and tuples."""
    if isinstance(observation, dict):
        for key, part in observation.items():
            yield from _leaves(part, f"{name}[{key!r}]")
    elif isinstance(observation, tuple):
        for index, part in enumerate(observation):
            yield from _leaves(part, f"{name}[{index}]")
    else:
        yield name, observation
