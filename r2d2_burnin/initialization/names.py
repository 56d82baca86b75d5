"""Initialization: the recurrent state that a fragment's trained steps start from, by name.

| name | start state | burn-in |
| --- | --- | --- |
| `zero`, `zero+K` | the network's initial state | none, K steps |
| `stored`, `stored+K` | the state that the actor had there | none, K steps |
| `refreshed`, `refreshed+K` | the stored state, overwritten when a replayed fragment passes over it | none, K steps |
| `learned`, `learned+K` | one trained state for all fragments that do not begin an episode | none, K steps |
| `full` | the network's initial state | from the episode's first step on: exact, the reference |

R2D2 (Kapturowski et al., ICLR 2019, section 3) compares the first two rows. This module only reads the names;
`start_state` computes the states, the learner refreshes and learns them.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from typing import Literal, cast

Start = Literal["zero", "stored", "refreshed", "learned"]
NAMES = ("zero", "stored", "refreshed", "learned", "zero+K", "stored+K", "refreshed+K", "learned+K", "full")


@dataclasses.dataclass(frozen=True)
class Initialization:
    """A start state and a number of burn-in steps."""

    start: Start
    burn_in: int | None
    """Burn-in steps, k; None: all steps since the episode's start."""

    @property
    def name(self) -> str:
        """The name that `parse` reads."""
        if self.burn_in is None:
            return "full"
        return f"{self.start}+{self.burn_in}" if self.burn_in else self.start

    @property
    def sees_the_past(self) -> bool:
        """Whether the start state carries what happened before the first processed step."""
        return self.burn_in is None or self.start in ("stored", "refreshed")


def parse(name: str) -> Initialization:
    """Read an initialization's name.

    Raises:
        ValueError: for an unknown name; the message lists what exists.
    """
    if name == "full":
        return Initialization("zero", None)
    match = re.fullmatch(r"(zero|stored|refreshed|learned)(?:\+(\d+))?", name)
    if match is None:
        known = [known.replace("K", "20") for known in NAMES]
        nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(f"strategies: got {name!r}, expected one of {', '.join(NAMES)} (K: burn-in steps){hint}")
    return Initialization(cast(Start, match[1]), int(match[2] or 0))
