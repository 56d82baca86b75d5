"""What vector environments may have besides Gymnasium's methods."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np


class BlockEnv(Protocol):
    """What a vector environment has besides Gymnasium's methods where its observations do not depend on actions.

    The actor then takes many steps in one compiled call of the network.
    """

    def peek(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Observations `[S, N, ...]` and `info["target"]` `[S, N]` (None: no targets) of the current step and of those
        after it, as far as no episode ends before the last one; S is 0 where the next step resets one."""

    def step_block(self, actions: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take actions `[S, N]`; returns what the last of S calls of `step` returns, but rewards `[S, N]`."""


class NetworkStep(Protocol):
    """A step of a network in N environments, or a block of S steps, for an actor."""

    network: Any
    """Has `initial_state(N)`."""

    def __call__(self, inputs: np.ndarray, state: Any, starts: np.ndarray) -> tuple[Any, Any, Any]:
        """Outputs `[N, A]`, state before (initial where an episode `starts` [N]) and after inputs `[N, F]`."""

    def block(self, inputs: np.ndarray, state: Any, starts: np.ndarray) -> tuple[Any, Any, Any]:
        """Outputs `[S, N, A]`, states before each step `[S, N, ...]` and after the last, from inputs `[S, N, F]`."""

    def to_numpy(self, array: Any) -> np.ndarray:
        """An array that this step returned, in NumPy."""

    def restored(self, array: np.ndarray) -> Any:
        """An array of a state, as this step takes it."""


class StatefulEnv(Protocol):
    """What a vector environment has besides Gymnasium's methods if its state can be saved and restored."""

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything that decides what comes next, as arrays that need no pickle."""

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `get_state` of an environment with the same settings returned."""
