"""Objectives: what a network's outputs mean, how wrong they are, and which action they choose."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np

from r2d2_burnin.quiet_tensorflow import tf
from r2d2_burnin.time_fused import Tensor


class Objective(Protocol):
    """Training on `info["target"]`, step by step."""

    @property
    def name(self) -> str:
        """What it is called on the command line."""

    @property
    def outputs(self) -> int:
        """Outputs of the network, A."""

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Loss `[B, T]` of every step from outputs `[B, T, A]` and targets `[B, T]`."""

    def error(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Error `[L]` of every step of an evaluation from outputs `[L, A]` and targets `[L]`."""

    def act(self, outputs: np.ndarray) -> np.ndarray:
        """Actions `[N]`, the guesses of the target, from outputs `[N, A]`."""


@dataclasses.dataclass(frozen=True)
class Regression:
    """Squared error of one output against a target that is a number; the action is the output, rounded."""

    actions: int
    name: str = "regression"

    @property
    def outputs(self) -> int:
        """One."""
        return 1

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Squared error `[B, T]`."""
        return tf.square(outputs[..., 0] - targets)

    def error(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Squared error `[L]`."""
        return np.asarray((outputs[..., 0].astype(np.float64) - targets) ** 2)

    def act(self, outputs: np.ndarray) -> np.ndarray:
        """The nearest action to the output `[N]`."""
        return np.asarray(np.clip(np.rint(outputs[..., 0]), 0, self.actions - 1), np.int64)


@dataclasses.dataclass(frozen=True)
class Classification:
    """Cross-entropy (in nats) of one output a class against a target that is a class; the action is the likeliest."""

    actions: int
    name: str = "classification"

    @property
    def outputs(self) -> int:
        """One a class."""
        return self.actions

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy `[B, T]`."""
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.cast(targets, tf.int32), logits=outputs)

    def error(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """1.0 for a wrong class, else 0.0, `[L]`."""
        return np.asarray(self.act(outputs) != targets, np.float64)

    def act(self, outputs: np.ndarray) -> np.ndarray:
        """The likeliest class `[N]`."""
        return np.asarray(np.argmax(outputs, axis=-1))


def make_objective(name: str, actions: int) -> Regression | Classification:
    """The objective `regression` or `classification` for guesses 0 to `actions` - 1."""
    return Regression(actions) if name == "regression" else Classification(actions)
