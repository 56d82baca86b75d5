"""Parity: whether the number of ones is odd."""

from __future__ import annotations

import dataclasses

import numpy as np

from envs.tasks.count import Count

_COUNT = Count(modulo=2)


@dataclasses.dataclass(frozen=True)
class Parity:
    """Parity of the ones so far.

    - Observation: the bit.
    - Target: a class, 0 or 1.
    - Diagnostic purpose: one unknown bit of the past makes every answer as good as chance; there is no partial credit.
    """

    @property
    def is_class(self) -> bool:
        """Targets are classes."""
        return True

    def values(self, bits: np.ndarray) -> np.ndarray:
        """Targets `[..., L]` of bits `[..., L]`."""
        return _COUNT.values(bits)

    def size(self, length: int) -> int:
        """Number of different targets."""
        return 2

    def unseen(self, offset: int, processed: int, p: float) -> np.ndarray:
        """The parity of the bits before the processed ones."""
        return _COUNT.unseen(offset, processed, p)
