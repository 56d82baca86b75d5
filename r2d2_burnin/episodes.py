"""Episodes: what an actor has seen, done and remembered from an episode's first step to its end."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Episode:
    """One whole episode of L steps, without any dummy transition."""

    observations: np.ndarray  # [L, O] flat, float32 or bytes
    actions: np.ndarray  # [L]
    rewards: np.ndarray  # [L] the reward that followed each action
    targets: np.ndarray | None  # [L] what the environment calls info["target"]; None where it has none
    outputs: np.ndarray  # [L, A] the network's outputs as the actor acted
    states: Any  # nest of [L, ...]: the recurrent state before each step
    updates: np.ndarray  # [L] learner updates made when each step was taken
    terminated: bool  # False: truncated, so that the value of what would have followed counts
    final_observation: np.ndarray  # [O] the observation after the last step
    environment: int  # index of the sub-environment

    def __len__(self) -> int:
        return len(self.observations)
