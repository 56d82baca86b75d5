"""Count: how many ones there were."""

from __future__ import annotations

import dataclasses

import numpy as np

from envs.checks import check_integer
from envs.tasks.bits import binomial


@dataclasses.dataclass(frozen=True)
class Count:
    """Ones since the episode's start; with `modulo` set, that count modulo `modulo`.

    - Observation: the bit.
    - Target: a number from 0 to `length`, or with `modulo` a class.
    - Diagnostic purpose: the target depends on every bit of the past, so no burn-in shorter than the episode is enough.
    """

    modulo: int | None = None

    def __post_init__(self) -> None:
        if self.modulo is not None:
            check_integer("modulo", self.modulo, least=2)

    @property
    def is_class(self) -> bool:
        """Whether the count is taken modulo."""
        return self.modulo is not None

    def values(self, bits: np.ndarray) -> np.ndarray:
        """Targets `[..., L]` of bits `[..., L]`."""
        count = np.cumsum(bits, axis=-1, dtype=np.int64)
        return count if self.modulo is None else count % self.modulo

    def size(self, length: int) -> int:
        """Number of different targets."""
        return length + 1 if self.modulo is None else self.modulo

    def unseen(self, offset: int, processed: int, p: float) -> np.ndarray:
        """All `offset` bits before the processed ones count."""
        count = binomial(offset, p)
        if self.modulo is None:
            return count
        return np.bincount(np.arange(offset + 1) % self.modulo, weights=count, minlength=self.modulo)
