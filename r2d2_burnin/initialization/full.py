"""`full`: the exact state, the reference."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from r2d2_burnin.initialization.base import Initialization


@dataclasses.dataclass(frozen=True)
class Full(Initialization):
    """The network's initial state, and burn-in from the episode's first step on, with today's parameters."""

    burn_in: int | None = None

    start: ClassVar[str] = "zero"
    sees_the_past: ClassVar[bool] = True
    has_floor: ClassVar[bool] = True
    colour: ClassVar[str] = "#000000"
    marker: ClassVar[str] = "v"

    @property
    def name(self) -> str:
        """The name that `parse` reads."""
        return "full" + self._trained

    def from_initial_state(self, begins: np.ndarray) -> np.ndarray:
        """All of them."""
        return np.ones_like(begins)
