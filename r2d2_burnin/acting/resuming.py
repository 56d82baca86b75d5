"""How an environment is brought back to where it was: by its own state, or by taking the same actions again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

import numpy as np
from gymnasium.vector import VectorEnv

from r2d2_burnin.acting.protocols import StatefulEnv
from r2d2_burnin.acting.vector_checks import CheckedCalls
from r2d2_burnin.environments import spaces
from r2d2_burnin.environments.guard import EnvironmentFault
from r2d2_burnin.runtime import archive


class EnvironmentState(Protocol):
    """A way to save and restore the state of a vector environment."""

    def note(self, actions: np.ndarray) -> None:
        """Take notice of actions `[S, N]` that are about to be taken."""

    def get_state(self) -> dict[str, np.ndarray]:
        """The state as arrays that need no pickle."""

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Bring a fresh environment to where `get_state` was called.

        Raises:
            EnvironmentFault: when it does not get there.
        """


def environment_state(
    env: VectorEnv[Any, Any, Any], call: CheckedCalls, *, actions: int, keeps_actions: bool
) -> EnvironmentState | None:
    """The way to save an environment with so many actions: by a log of actions if it is to be kept; None for none."""
    if keeps_actions:
        return ActionLog(call, env.step, actions=actions, environments=env.num_envs)
    return OwnState(env) if hasattr(env, "get_state") else None


class OwnState:
    """The state that the environment itself gives and takes."""

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        self._env = cast(StatefulEnv, env)

    def note(self, actions: np.ndarray) -> None:
        """Nothing to do."""

    def get_state(self) -> dict[str, np.ndarray]:
        """The environment's state."""
        return archive.with_prefix("env", self._env.get_state())

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Give the environment its state."""
        self._env.set_state(archive.part("env", state))


class ActionLog:
    """All actions since the first reset, for an environment that has no state to give.

    Args:
        call: calls the environment.
        step: the environment's step.
        actions: A.
        environments: N.
    """

    def __init__(self, call: CheckedCalls, step: Callable[..., Any], *, actions: int, environments: int) -> None:
        self._call = call
        self._step = step
        self._type = np.min_scalar_type(actions)
        self._environments = environments
        self._log = bytearray()

    def note(self, actions: np.ndarray) -> None:
        """Append actions `[S, N]`."""
        self._log += actions.astype(self._type).tobytes()

    def get_state(self) -> dict[str, np.ndarray]:
        """The actions taken so far."""
        return {"actions_taken": np.frombuffer(bytes(self._log), self._type).reshape(-1, self._environments)}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Take the same actions again.

        Raises:
            EnvironmentFault: when the last observations are not those of before.
        """
        observations = None
        for actions in state["actions_taken"]:
            observations = spaces.encode(self._call(self._step, actions.astype(np.int64))[0])
        if observations is not None and not np.array_equal(observations, state["observations"]):
            raise EnvironmentFault(
                f"{self._call.place}: the same seed and the same actions led to other observations, expected an"
                " environment that is deterministic for a seed, or one with get_state and set_state"
            )
        self._log = bytearray(state["actions_taken"].astype(self._type).tobytes())
