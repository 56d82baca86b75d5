"""What a task of a bit stream is."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Task(Protocol):
    """What an environment asks of a predictor after each bit."""

    @property
    def is_class(self) -> bool:
        """Whether targets are classes (cross-entropy) or counts (squared error)."""

    def values(self, bits: np.ndarray) -> np.ndarray:
        """Targets `[..., L]` of streams of bits `[..., L]`, both int64."""

    def size(self, length: int) -> int:
        """Number of different targets in a stream of `length` bits; they are 0, 1, .., size - 1."""


@runtime_checkable
class TaskWithFloor(Task, Protocol):
    """A task that says what the bits which a predictor did not process contribute: error floors follow from it."""

    def unseen(self, offset: int, processed: int, p: float) -> np.ndarray:
        """Distribution of what the bits before the processed ones add to the target.

        The predictor has processed the `processed` bits that follow the first `offset` bits of the stream. Its target
        is a known function of those bits plus (for classes: modulo `size`) an independent unseen part. The returned
        `[n]` array holds the probability of the unseen part being 0, 1, .., n - 1.
        """
