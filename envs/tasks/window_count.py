"""WindowCount: how many ones there were lately."""

from __future__ import annotations

import dataclasses

import numpy as np

from envs.checks import check_integer
from envs.tasks.bits import binomial, delayed


@dataclasses.dataclass(frozen=True)
class WindowCount:
    """Ones among the last `window` bits; a window that reaches before the stream counts zeros there.

    - Observation: the bit.
    - Target: a number from 0 to `window`.
    - Diagnostic purpose: memory of a known length, so a burn-in of `window` steps or more is enough.
    """

    window: int = 15

    def __post_init__(self) -> None:
        check_integer("window", self.window, least=1)

    @property
    def is_class(self) -> bool:
        """Targets are counts."""
        return False

    def values(self, bits: np.ndarray) -> np.ndarray:
        """Targets `[..., L]` of bits `[..., L]`."""
        count = np.cumsum(bits, axis=-1, dtype=np.int64)
        return np.asarray(count - delayed(count, self.window))

    def size(self, length: int) -> int:
        """Number of different targets."""
        return min(self.window, length) + 1

    def unseen(self, offset: int, processed: int, p: float) -> np.ndarray:
        """Those of the bits before the processed ones that the window still reaches count."""
        return binomial(min(max(self.window - processed, 0), offset), p)
