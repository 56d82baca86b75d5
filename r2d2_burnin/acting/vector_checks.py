"""What a vector environment returns, checked as the actor gets it: those that are native have no guard inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from r2d2_burnin.environments.guard import EnvironmentFault, check_numbers
from r2d2_burnin.environments.targets import TargetRange, UnfitTarget
from r2d2_burnin.runtime.time_limit import time_limit


class CheckedCalls:
    """Calls a vector environment of N sub-environments, and checks observations and rewards.

    Args:
        env: what is called.
        timeout: seconds that a call may take; None for no limit.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], timeout: float | None) -> None:
        self.count = 0  # steps of the actor, for messages
        self.name = env.spec.id if env.spec is not None else str(env)
        self._shape = env.observation_space.shape
        self._is_guarded = getattr(type(env), "is_guarded", False)
        self._timeout = timeout

    def __call__(self, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """What a method of the environment returns.

        Raises:
            EnvironmentFault: when it raises or takes too long, or returns observations or rewards of another shape, or
                numbers that are not finite in float32.
        """
        try:
            with time_limit(self._timeout, "a call of the environment (env_timeout)"):
                returned = function(*arguments, **keywords)
        except EnvironmentFault:
            raise
        except Exception as error:
            raise EnvironmentFault(f"{self.place}: raised {type(error).__name__}: {error}") from error
        if self._is_guarded:
            return returned
        check_numbers(self.place, "the observation", returned[0])
        self._check_shape("the observation", returned[0], self._shape)
        if len(returned) == 5:
            check_numbers(self.place, "the reward", returned[1])
            self._check_shape("the reward", returned[1], np.shape(arguments[0]))
        return returned

    @property
    def place(self) -> str:
        """Where messages say that something was wrong."""
        return f"env: {self.name}, step {self.count} of the actor"

    def _check_shape(self, name: str, values: Any, expected: tuple[int, ...] | None) -> None:
        if np.shape(values) != expected:
            raise EnvironmentFault(f"{self.place}: {name} has shape {np.shape(values)}, expected {expected}")


class TargetReader:
    """Reads the targets of N sub-environments, and says of one that is wrong where it came from.

    Args:
        targets: what they may be; None if they are not read.
        name: of the environment.
        environments: N.
    """

    def __init__(self, targets: TargetRange | None, name: str, environments: int) -> None:
        self.ended = np.zeros(environments, np.int64)  # episodes of each sub-environment
        self._range = targets
        self._name = name

    def of_info(self, info: dict[str, Any], active: np.ndarray, lengths: np.ndarray) -> np.ndarray | None:
        """Targets `[N]` of an info, NaN where there is none; None if they are not read.

        Args:
            info: that of a vector environment.
            active: `[N]` bool: sub-environments whose targets are recorded.
            lengths: `[N]` steps of the episodes so far.

        Raises:
            EnvironmentFault: for a target that is no number or out of range.
        """
        if self._range is None:
            return None
        try:
            return self._range.of_infos(info, active)
        except UnfitTarget as error:
            raise self._fault(error, lengths) from None

    def of_block(self, targets: np.ndarray | None, steps: int, lengths: np.ndarray) -> np.ndarray | None:
        """Targets `[S, N]` of the first S of the steps that `BlockEnv.peek` shows; None if they are not read.

        Raises:
            EnvironmentFault: for a target that is no number or out of range.
        """
        if self._range is None:
            return None
        if targets is None:
            return np.full((steps, len(lengths)), np.nan)
        try:
            return self._range.of_block(targets[:steps])
        except UnfitTarget as error:
            raise self._fault(error, lengths) from None

    def _fault(self, error: UnfitTarget, lengths: np.ndarray) -> EnvironmentFault:
        number = error.environment
        place = f"env: {self._name}, episode {self.ended[number]}, step {int(lengths[number]) + error.step}"
        return EnvironmentFault(f"{place}: {error}")
