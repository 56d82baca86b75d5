"""Recall: a bit of some steps ago."""

from __future__ import annotations

import dataclasses

import numpy as np

from envs.checks import check_integer
from envs.tasks.bits import delayed


@dataclasses.dataclass(frozen=True)
class Recall:
    """The bit `delay` steps ago, 0 before that.

    - Observation: the bit.
    - Target: a class, 0 or 1.
    - Diagnostic purpose: one bit of the past at a known distance, so a burn-in of `delay` steps or more is enough.
    """

    delay: int = 10

    def __post_init__(self) -> None:
        check_integer("delay", self.delay, least=0)

    @property
    def is_class(self) -> bool:
        """Targets are classes."""
        return True

    def values(self, bits: np.ndarray) -> np.ndarray:
        """Targets `[..., L]` of bits `[..., L]`."""
        return delayed(bits, self.delay)

    def size(self, length: int) -> int:
        """Number of different targets."""
        return 2

    def unseen(self, offset: int, processed: int, p: float) -> np.ndarray:
        """The recalled bit itself, where it lies before the processed ones."""
        step = offset + processed - 1
        recalls_an_unseen_bit = self.delay <= step < offset + self.delay
        return np.array([1 - p, p]) if recalls_an_unseen_bit else np.array([1.0, 0.0])
