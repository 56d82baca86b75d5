"""`zero`, `zero+K`: start from the network's initial state."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from r2d2_burnin.initialization.base import Initialization


@dataclasses.dataclass(frozen=True)
class Zero(Initialization):
    """The network's initial state, then K steps of burn-in (R2D2, section 3)."""

    start: ClassVar[str] = "zero"
    has_floor: ClassVar[bool] = True
    colour: ClassVar[str] = "#D55E00"
    marker: ClassVar[str] = "o"

    def from_initial_state(self, begins: np.ndarray) -> np.ndarray:
        """All of them."""
        return np.ones_like(begins)
