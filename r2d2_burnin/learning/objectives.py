"""Objectives: what a network's outputs mean, how wrong they are, and which action they choose."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple, Protocol

import numpy as np
from gymnasium import spaces

from r2d2_burnin.data import Episode
from r2d2_burnin.learning import q_learning
from r2d2_burnin.networks.protocol import Tensor
from r2d2_burnin.runtime.tensorflow import tf
from r2d2_burnin.settings import QLearningSettings

Labels = dict[str, np.ndarray]
"""What an objective asks of each step, `[L]` or `[B, T]` by name."""


class StepLosses(NamedTuple):
    """How wrong outputs are at every step."""

    loss: Tensor  # [B, T] what is minimized
    error: Tensor  # [B, T] what priorities are made of
    trained: Tensor | None = None  # [B, T] bool: steps that have a loss, the others are 0 in both; None: all


def trained_steps(mask: Any, losses: StepLosses) -> Any:
    """`[B, T]` bool: the steps of a `mask` `[B, T]` that have a loss."""
    return mask if losses.trained is None else mask & losses.trained


class Objective(Protocol):
    """What a network is trained on."""

    @property
    def name(self) -> str:
        """What it is called on the command line."""

    @property
    def outputs(self) -> int:
        """Outputs of the network, A."""

    @property
    def lookahead(self) -> int:
        """Steps after the trained ones whose outputs the loss needs, n."""

    def labels(self, episode: Episode) -> Labels:
        """What the loss needs of every step of an episode, `[L]` each."""

    def losses(self, outputs: Tensor, target_outputs: Tensor, labels: dict[str, Tensor]) -> StepLosses:
        """Losses of every trained step.

        Args:
            outputs: of the network, `[B, T + n, A]`.
            target_outputs: of the target network; the same as `outputs` where there is none.
            labels: `[B, T]` each.
        """

    def act(self, outputs: np.ndarray) -> np.ndarray:
        """The best actions `[...]` by outputs `[..., A]`."""

    def values(self, outputs: Tensor) -> Tensor:
        """What ΔQ compares, `[..., A]`, of outputs `[..., A]`."""

    def scale(self, values: Tensor, mask: Tensor) -> Tensor:
        """What ΔQ is relative to, `[B]`, from `values` `[B, T, A]` of the steps in `mask` `[B, T]`."""


@dataclasses.dataclass(frozen=True)
class Regression:
    """Squared error of one output against a target that is a number; the action is the output, rounded."""

    actions: int
    name: str = "regression"
    outputs: int = 1
    lookahead: int = 0

    def labels(self, episode: Episode) -> Labels:
        """The target."""
        return _targets(episode)

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

    def values(self, outputs: Tensor) -> Tensor:
        """The outputs themselves."""
        return outputs

    def scale(self, values: Tensor, mask: Tensor) -> Tensor:
        """The largest absolute output."""
        return largest_magnitude(values, mask)


@dataclasses.dataclass(frozen=True)
class Classification:
    """Cross-entropy (in nats) of one output a class against a target that is a class; the action is the likeliest.

    Classes are `first`, `first` + 1, ..; the action of the i-th class is i, or the last action where there are fewer.
    """

    actions: int
    name: str = "classification"
    lookahead: int = 0
    classes: int | None = None  # by default one an action
    first: int = 0

    @property
    def outputs(self) -> int:
        """One a class."""
        return self.actions if self.classes is None else self.classes

    def labels(self, episode: Episode) -> Labels:
        """The number of the target's class, from 0."""
        labels = _targets(episode)
        return {"target": labels["target"] - np.float32(self.first)} if self.first else labels

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

    def scale(self, values: Tensor, mask: Tensor) -> Tensor:
        """The largest probability."""
        return largest_magnitude(values, mask)


@dataclasses.dataclass(frozen=True)
class QLearning:
    """Half the squared TD error of the action taken: double Q-learning with n-step targets (R2D2, section 2.3)."""

    actions: int
    settings: QLearningSettings
    name: str = "q-learning"

    @property
    def outputs(self) -> int:
        """One Q-value an action (rescaled, if the settings say so)."""
        return self.actions

    @property
    def lookahead(self) -> int:
        """The rewards in a target."""
        return self.settings.n_step

    def labels(self, episode: Episode) -> Labels:
        """The action taken, and the n-step return with what follows it."""
        found = q_learning.n_step_returns(
            episode.rewards, terminated=episode.terminated, n=self.settings.n_step, discount=self.settings.discount
        )
        return {"action": np.asarray(episode.actions, np.int32), **found._asdict()}

    def losses(self, outputs: Tensor, target_outputs: Tensor, labels: dict[str, Tensor]) -> StepLosses:
        """Half the squared TD error `[B, T]`, and the TD error."""
        steps = labels["action"].shape[1]
        values = q_learning.double_q_values(outputs, target_outputs)
        ahead = tf.range(steps)[None] + labels["offsets"]
        targets = q_learning.n_step_targets(
            labels["returns"],
            labels["discounts"],
            tf.gather(values, ahead, axis=1, batch_dims=1),
            rescaled=self.settings.value_rescaling,
        )
        taken = tf.gather(outputs[:, :steps], labels["action"], axis=2, batch_dims=2)
        errors = taken - tf.stop_gradient(targets)
        return StepLosses(0.5 * tf.square(errors), errors)

    def act(self, outputs: np.ndarray) -> np.ndarray:
        """The action of the largest Q-value `[...]`."""
        return np.asarray(np.argmax(outputs, axis=-1))

    def values(self, outputs: Tensor) -> Tensor:
        """The Q-values."""
        return outputs

    def scale(self, values: Tensor, mask: Tensor) -> Tensor:
        """The absolute value of the largest Q-value, as R2D2 defines it (section 3)."""
        return q_learning.largest_value(values, mask)


def largest_magnitude(values: Tensor, mask: Tensor) -> Tensor:
    """The largest absolute value `[B]` of `values` `[B, T, A]` over the steps in `mask` `[B, T]`."""
    return tf.reduce_max(tf.where(mask[..., None], tf.abs(values), 0.0), axis=[1, 2])


class EpsilonGreedy:
    """The objective's best action, or with each environment's own probability a random one."""

    def __init__(self, objective: Objective, actions: int, epsilons: np.ndarray, *, seed: int) -> None:
        self._objective = objective
        self._actions = actions
        self._epsilons = epsilons
        self._generator = np.random.default_rng(seed)

    @property
    def generator(self) -> np.random.Generator:
        """What random actions are drawn by."""
        return self._generator

    def __call__(self, outputs: np.ndarray) -> np.ndarray:
        """Actions `[S, N]` from outputs `[S, N, A]`; random numbers are drawn step by step."""
        steps, size = outputs.shape[:2]
        drawn = [
            (self._generator.random(size), self._generator.integers(self._actions, size=size)) for _ in range(steps)
        ]
        chances, random = (np.stack(numbers) for numbers in zip(*drawn, strict=True))
        return np.where(chances < self._epsilons, random, self._objective.act(outputs))


def make_objective(
    name: str,
    actions: int,
    agent: QLearningSettings | None = None,
    *,
    classes: spaces.Discrete | None = None,
) -> Regression | Classification | QLearning:
    """The objective of that name for actions 0 to `actions` - 1; `classes` of a classification are by default these."""
    if name == "q-learning":
        return QLearning(actions, agent or QLearningSettings())
    if name == "regression":
        return Regression(actions)
    if classes is None:
        return Classification(actions)
    return Classification(actions, classes=int(classes.n), first=int(classes.start))


def _targets(episode: Episode) -> Labels:
    """The targets; NaN at steps, or in whole episodes, without any."""
    if episode.targets is None:
        return {"target": np.full(len(episode), np.nan, np.float32)}
    return {"target": episode.targets.astype(np.float32)}
