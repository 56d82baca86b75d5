"""Initialization: the recurrent state that a fragment's trained steps start from, by name.

| name | start state | burn-in |
| --- | --- | --- |
| `zero`, `zero+K` | the network's initial state | none, K steps |
| `stored`, `stored+K` | the state that the actor had there | none, K steps |
| `full` | the network's initial state | from the episode's first step on: exact, the reference |

R2D2 (Kapturowski et al., ICLR 2019, section 3) compares the first four.
This module only reads the names; `start_state` computes the states.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from typing import Literal

NAMES = ("zero", "stored", "zero+K", "stored+K", "full")


@dataclasses.dataclass(frozen=True)
class Initialization:
    """A start state and a number of burn-in steps."""

    start: Literal["zero", "stored"]
    burn_in: int | None
    """Burn-in steps, k; None: all steps since the episode's start."""

    @property
    def name(self) -> str:
        """The name that `parse` reads."""
        if self.burn_in is None:
            return "full"
        return f"{self.start}+{self.burn_in}" if self.burn_in else self.start


def parse(name: str) -> Initialization:
    """Read an initialization's name.

    Raises:
        ValueError: for an unknown name; the message lists what exists.
    """
    if name == "full":
        return Initialization("zero", None)
    match = re.fullmatch(r"(zero|stored)(?:\+(\d+))?", name)
    if match is None:
        nearest = difflib.get_close_matches(name, ["zero", "stored", "full", "zero+20", "stored+20"], n=1, cutoff=0.5)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(f"strategies: got {name!r}, expected one of {', '.join(NAMES)} (K: burn-in steps){hint}")
    start: Literal["zero", "stored"] = "zero" if match[1] == "zero" else "stored"
    return Initialization(start, int(match[2] or 0))
