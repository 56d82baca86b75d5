"""Guards against environments that break in the middle: every error names environment, step and value."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from r2d2_burnin.environments.returned_values import Unfit, check_finite, flag, number, observation_check, shown
from r2d2_burnin.environments.targets import reduced_info

RESET = ("observation", "info")
STEP = ("observation", "reward", "terminated", "truncated", "info")
"""What `reset` and `step` return, since Gym 0.26."""

Step = tuple[Any, float, bool, bool, dict[str, Any]]
"""Observation, reward, terminated, truncated and info."""


class EnvironmentFault(RuntimeError):
    """An environment raised, or returned what no training can use."""


def check_numbers(place: str, name: str, values: Any) -> None:
    """Raise an EnvironmentFault unless all of `values` (a number or an array) are finite in float32."""
    try:
        check_finite(name, np.asarray(values))
    except Unfit as error:
        raise EnvironmentFault(f"{place}: {error}") from None


class EnvironmentGuard(gym.Wrapper[Any, Any, Any, Any]):
    """Checks what an environment returns at every step, and hands on what training reads of it.

    Observations are those of the environment's space, rewards floats, and infos hold the target alone
    (see `targets.reduced_info`).

    Raises:
        EnvironmentFault: when the environment raises or returns what Gymnasium's methods do not return; when an
            observation is not of its space (see `returned_values.observation_check`); when a reward is no number; when
            one of both is not finite in float32.
    """

    def __init__(self, env: gym.Env[Any, Any], name: str) -> None:
        super().__init__(env)
        self.steps = 0  # of the episode, for messages
        self._name = name
        self._episode = -1
        self._check = observation_check(env.observation_space, "the observation", self._warn)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset the environment and check its observation."""
        self._episode, self.steps = self._episode + 1, 0
        try:
            returned = self.env.reset(seed=seed, options=options)
        except Exception as error:
            raise self._raised("reset", error) from error
        try:
            _check_parts("reset", returned, RESET)
            return self._check(returned[0]), reduced_info(returned[1])
        except Unfit as error:
            raise EnvironmentFault(f"{self._place}: {error}") from None

    def step(self, action: Any) -> Step:
        """Step the environment and check its observation, reward and ends."""
        self.steps += 1
        try:
            returned = self.env.step(action)
        except Exception as error:
            raise self.step_fault(action, error) from error
        return self.checked_step(returned)

    def checked_step(self, returned: Any) -> Step:
        """What the environment's `step` returned, checked: observation, reward, terminated, truncated and info."""
        try:
            _check_parts("step", returned, STEP)
            observation, reward, terminated, truncated, info = returned
            return (
                self._check(observation),
                number("the reward", reward, hint=CLIP_REWARD),
                flag("terminated", terminated),
                flag("truncated", truncated),
                reduced_info(info),
            )
        except Unfit as error:
            raise EnvironmentFault(f"{self._place}: {error}") from None

    def step_fault(self, action: Any, error: Exception) -> EnvironmentFault:
        """What to raise where the environment's `step` raised an error."""
        return self._raised(f"step with action {action!r}", error)

    @property
    def _place(self) -> str:
        return f"env: {self._name}, episode {self._episode}, step {self.steps}"

    def _raised(self, what: str, error: Exception) -> EnvironmentFault:
        # A wrapper that unpacks what an environment of Gym's old interface returns: it knows nothing of the reason.
        hint = f" ({_interface()})" if isinstance(error, ValueError) and "unpack" in str(error) else ""
        if isinstance(error, TypeError) and "unexpected keyword argument" in str(error):
            hint = " (since Gym 0.26 reset takes the keywords seed and options)"
        return EnvironmentFault(f"{self._place}: {what} raised {type(error).__name__}: {error}{hint}")

    def _warn(self, observation: str, message: str) -> None:
        """Print a warning, once in a process for each environment and observation."""
        if (self._name, observation) not in _warned:
            _warned.add((self._name, observation))
            print(f"warning: {self._place}: {observation} {message}", file=sys.stderr)


CLIP_REWARD = "a wrapper that clips helps: --wrappers 'gymnasium.wrappers:ClipReward(min_reward=-1, max_reward=1)'"

_warned: set[tuple[str, str]] = set()
# Of the process, not of a guard: a vector environment has a guard for each of its sub-environments, and a worker makes
# environments of the same id run after run.


def _check_parts(method: str, returned: Any, parts: tuple[str, ...]) -> None:
    """Raise `Unfit` unless a method returned a tuple of so many parts, the last of which is a dictionary."""
    if not isinstance(returned, tuple | list) or len(returned) != len(parts):
        what = f"{len(returned)} values" if isinstance(returned, tuple | list) else shown(returned)
        raise Unfit(f"{method} returned {what}, expected {len(parts)}: {', '.join(parts)} ({_interface()})")
    if not isinstance(returned[-1], Mapping):
        raise Unfit(
            f"{method} returned as info {shown(returned[-1])}, a {type(returned[-1]).__name__}, expected a dictionary,"
            f" which may be empty ({_interface()})"
        )


def _interface() -> str:
    return f"since Gym 0.26 reset returns {', '.join(RESET)} and step {', '.join(STEP)}"
