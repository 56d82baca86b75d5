"""Regression on a target that is a number."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from r2d2_burnin.environments import spaces
from r2d2_burnin.environments.targets import TargetRange
from r2d2_burnin.learning.objectives.base import Objective, Outcome, StepLosses
from r2d2_burnin.networks.protocol import Tensor
from r2d2_burnin.runtime.tensorflow import tf
from r2d2_burnin.settings import TrainingSettings


@dataclasses.dataclass(frozen=True)
class Regression(Objective):
    """Squared error of one output against a target that is a number; the action is the output, rounded."""

    actions: int

    loss_name: ClassVar[str] = "squared error"
    outcome: ClassVar[Outcome] = Outcome("eval_error", "mean squared error", "error", logarithmic=True, margin=0.01)

    @classmethod
    def make(cls, env: gym.Env[Any, Any], settings: TrainingSettings) -> Regression:
        """One action for each of the environment's."""
        return cls(spaces.actions(env.action_space))

    @classmethod
    def suits(cls, env: gym.Env[Any, Any], *, has_targets: bool) -> bool:
        """Where there are targets, unless the environment says that they are classes."""
        return has_targets and spaces.target_classes(env) is None

    @classmethod
    def target_range(cls, env: gym.Env[Any, Any]) -> TargetRange | None:
        """Numbers in the environment's `target_space`, if there is one; its classes are whole numbers."""
        return spaces.declared_range(env) or TargetRange()

    @property
    def outputs(self) -> int:
        """One."""
        return 1

    def losses(self, outputs: Tensor, target_outputs: Tensor, labels: dict[str, Tensor]) -> StepLosses:
        """Squared error `[B, T]`, and the distance; a step whose target is NaN has none."""
        trained = ~tf.math.is_nan(labels["target"])
        error = tf.where(trained, outputs[..., 0] - labels["target"], 0.0)
        return StepLosses(tf.square(error), tf.abs(error), trained)

    def error(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Squared error `[L]` of every step of an evaluation from outputs `[L, A]` and targets `[L]`, NaN too."""
        return np.asarray((outputs[..., 0].astype(np.float64) - targets) ** 2)

    def constant_errors(self, targets: np.ndarray) -> np.ndarray:
        """Errors `[n]` of the best constant answer to targets `[n]`: their mean."""
        return np.asarray((targets - np.mean(targets, dtype=np.float64)) ** 2)

    def act(self, outputs: np.ndarray) -> np.ndarray:
        """The nearest action to the output `[...]`."""
        return np.asarray(np.clip(np.rint(outputs[..., 0]), 0, self.actions - 1), np.int64)
