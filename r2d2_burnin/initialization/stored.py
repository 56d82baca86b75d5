"""`stored`, `stored+K`: start from the state that the actor had."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from r2d2_burnin.initialization.base import Initialization


@dataclasses.dataclass(frozen=True)
class Stored(Initialization):
    """The state that the actor had, then K steps of burn-in (R2D2, section 3)."""

    start: ClassVar[str] = "stored"
    stores_states: ClassVar[bool] = True
    sees_the_past: ClassVar[bool] = True
    has_floor: ClassVar[bool] = True
    colour: ClassVar[str] = "#0072B2"
    marker: ClassVar[str] = "s"
