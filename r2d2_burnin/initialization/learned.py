"""`learned`, `learned+K`: start from one trained state."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from r2d2_burnin.initialization.base import Initialization
from r2d2_burnin.networks.protocol import State


@dataclasses.dataclass(frozen=True)
class Learned(Initialization):
    """One trained state for all fragments that do not begin their episode, then K steps of burn-in."""

    start: ClassVar[str] = "learned"
    learns_state: ClassVar[bool] = True
    knows_the_start: ClassVar[bool] = True
    has_floor: ClassVar[bool] = True
    colour: ClassVar[str] = "#CC79A7"
    marker: ClassVar[str] = "D"

    def fragment_state(self, stored: State, learned: State) -> State:
        """The trained state."""
        return learned
