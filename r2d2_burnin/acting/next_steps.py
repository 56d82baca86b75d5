"""What an actor sees next: the observations of one step, or of a block of steps where they are known ahead."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from gymnasium.vector import VectorEnv

from r2d2_burnin.acting.protocols import BlockEnv
from r2d2_burnin.acting.vector_checks import CheckedCalls, TargetReader
from r2d2_burnin.environments import spaces
from r2d2_burnin.environments.guard import check_numbers

LONGEST_BLOCK = 128
"""Most steps in one compiled call: multiples of 16, or powers of two below, so that few programs are compiled."""


class NextSteps:
    """Observations and targets of the steps that come next, in N environments.

    Args:
        env: a vector environment.
        call: knows where the actor is, for messages.
        reader: reads targets.
        blocks: whether to look further ahead than one step where the environment can.
    """

    def __init__(
        self, env: VectorEnv[Any, Any, Any], call: CheckedCalls, reader: TargetReader, *, blocks: bool
    ) -> None:
        self._env = env
        self._call = call
        self._reader = reader
        self._blocks = blocks and hasattr(env, "peek") and hasattr(env, "step_block")
        self._observations = np.zeros((0, 0), np.float32)
        self._targets: np.ndarray | None = None

    def receive(self, observations: np.ndarray, info: dict[str, Any], active: np.ndarray, lengths: np.ndarray) -> None:
        """Keep flat observations `[N, O]` and their targets for the next step.

        Args:
            observations: as `spaces.encode` makes them.
            info: that of the vector environment.
            active: `[N]` bool: environments whose next step is recorded.
            lengths: `[N]` steps of the episodes so far.
        """
        self._observations = observations
        self._targets = self._reader.of_info(info, active, lengths)

    def ahead(self, most: int, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Observations `[S, N, O]` and targets `[S, N]` of the current step, and of those after it if known."""
        if self._blocks and most > 1:
            observations, targets = cast(BlockEnv, self._env).peek()
            steps = min(most, len(observations))
            if steps > 1:
                steps = steps // 16 * 16 or 1 << (steps.bit_length() - 1)
                flat = spaces.encode(observations[:steps].reshape(-1, *observations.shape[2:]))
                check_numbers(self._call.place, "the observation", flat)
                targets = self._reader.of_block(targets, steps, lengths)
                return flat.reshape(steps, self._env.num_envs, -1), targets
        return self._observations[None], None if self._targets is None else self._targets[None]

    def get_state(self) -> dict[str, np.ndarray]:
        """Observations and targets of the next step, and the episodes so far."""
        state: dict[str, np.ndarray] = {"observations": self._observations, "ended": self._reader.ended}
        return state if self._targets is None else state | {"target": self._targets}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `get_state` returned."""
        self._observations = state["observations"].copy()
        self._reader.ended = state["ended"].copy() if "ended" in state else np.zeros_like(self._reader.ended)
        self._targets = state["target"].copy() if "target" in state else None
