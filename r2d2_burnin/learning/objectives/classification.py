"""Classification: a target that is a class."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from r2d2_burnin.data import Episode
from r2d2_burnin.environments import spaces
from r2d2_burnin.environments.targets import TargetRange
from r2d2_burnin.learning.objectives.base import Labels, Objective, Outcome, StepLosses
from r2d2_burnin.networks.protocol import Tensor
from r2d2_burnin.runtime.tensorflow import tf
from r2d2_burnin.settings import TrainingSettings

MOST_CLASSES = 2**16
"""Outputs of a network, at most. They are recorded at every step, as those for actions are."""


@dataclasses.dataclass(frozen=True)
class Classification(Objective):
    """Cross-entropy (in nats) of one output a class against a target that is a class; the action is the likeliest.

    Classes are `first`, `first` + 1, ..; the action of the i-th class is i, or the last action where there are fewer.
    """

    actions: int
    classes: int | None = None  # by default one an action
    first: int = 0

    loss_name: ClassVar[str] = "cross-entropy"
    outcome: ClassVar[Outcome] = Outcome("eval_error", "error rate", "error")

    @classmethod
    def make(cls, env: gym.Env[Any, Any], settings: TrainingSettings) -> Classification:
        """Classes are those of the environment's `target_space`, or one an action."""
        cls.check_spaces(env)
        actions, classes = spaces.actions(env.action_space), spaces.target_classes(env)
        if classes is None:
            return cls(actions)
        return cls(actions, classes=int(classes.n), first=int(classes.start))

    @classmethod
    def check_spaces(cls, env: gym.Env[Any, Any]) -> None:
        """Raise a ValueError for more than `MOST_CLASSES` classes."""
        classes = spaces.target_classes(env)
        if classes is not None and classes.n > MOST_CLASSES:
            raise ValueError(
                f"env: got target_space {classes}, which has {classes.n} classes, expected at most {MOST_CLASSES}, as a"
                " network has one output for each; a wrapper with fewer helps, or a target_space that is a Box, or"
                " --objective regression"
            )

    @classmethod
    def suits(cls, env: gym.Env[Any, Any], *, has_targets: bool) -> bool:
        """Where the environment says that its targets are classes."""
        return has_targets and spaces.target_classes(env) is not None

    @classmethod
    def target_range(cls, env: gym.Env[Any, Any]) -> TargetRange | None:
        """Classes of the environment's `target_space`, or one an action."""
        if spaces.target_classes(env) is not None:
            return spaces.declared_range(env)
        return TargetRange(0, spaces.actions(env.action_space) - 1, whole=True)

    @property
    def outputs(self) -> int:
        """One a class."""
        return self.actions if self.classes is None else self.classes

    def labels(self, episode: Episode) -> Labels:
        """The number of the target's class, from 0."""
        if episode.targets is None or not self.first:
            return super().labels(episode)
        return {"target": (episode.targets - self.first).astype(np.float32)}  # before float32 rounds large classes

    def losses(self, outputs: Tensor, target_outputs: Tensor, labels: dict[str, Tensor]) -> StepLosses:
        """Cross-entropy `[B, T]`, and the probability of all wrong classes; a step whose target is NaN has none."""
        trained = ~tf.math.is_nan(labels["target"])
        classes = tf.cast(tf.where(trained, labels["target"], 0.0), tf.int32)
        loss = tf.where(trained, tf.nn.sparse_softmax_cross_entropy_with_logits(classes, outputs), 0.0)
        return StepLosses(loss, 1 - tf.exp(-loss), trained)

    def error(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """1.0 for a wrong class, else 0.0, `[L]`, of every step of an evaluation; NaN where the target is."""
        wrong = np.asarray(np.argmax(outputs, axis=-1) + self.first != targets, np.float64)
        return np.where(np.isnan(targets), np.nan, wrong)

    def constant_errors(self, targets: np.ndarray) -> np.ndarray:
        """Errors `[n]` of the best constant answer to targets `[n]`: the most frequent class."""
        classes, counts = np.unique(targets, return_counts=True)
        return np.asarray(targets != classes[counts.argmax()], np.float64)

    def act(self, outputs: np.ndarray) -> np.ndarray:
        """The action of the likeliest class `[...]`."""
        return np.asarray(np.minimum(np.argmax(outputs, axis=-1), self.actions - 1))

    def values(self, outputs: Tensor) -> Tensor:
        """Probabilities: logits are defined up to a constant, and drift on where nothing depends on them any more."""
        return tf.nn.softmax(outputs)
