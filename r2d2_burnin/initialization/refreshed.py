"""`refreshed`, `refreshed+K`: stored states, kept up to date by replay itself."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from r2d2_burnin.initialization.base import Initialization


@dataclasses.dataclass(frozen=True)
class Refreshed(Initialization):
    """The stored state, overwritten when a replayed fragment passes over it, then K steps of burn-in.

    DreamerV3 writes recomputed states back in the same way (Hafner et al., 2023).
    """

    start: ClassVar[str] = "refreshed"
    stores_states: ClassVar[bool] = True
    refreshes: ClassVar[bool] = True
    sees_the_past: ClassVar[bool] = True
    has_floor: ClassVar[bool] = True
    colour: ClassVar[str] = "#009E73"
    marker: ClassVar[str] = "^"
