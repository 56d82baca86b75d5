"""Initializations by name.

| name | start state | burn-in |
| --- | --- | --- |
| `zero`, `zero+K` | the network's initial state | none, K steps |
| `stored`, `stored+K` | the state that the actor had there | none, K steps |
| `refreshed`, `refreshed+K` | the stored state, overwritten when a replayed fragment passes over it | none, K steps |
| `learned`, `learned+K` | one trained state for all fragments that do not begin an episode | none, K steps |
| `full` | the network's initial state | from the episode's first step on: exact, the reference |
| `module:Class`, `module:Class+K` | your own, a class that inherits from `Initialization` | none, K steps |

R2D2 (Kapturowski et al., ICLR 2019, section 3) compares the first two rows.
"""

from __future__ import annotations

import difflib
import re

from r2d2_burnin.environments.make import import_object
from r2d2_burnin.initialization.base import Initialization
from r2d2_burnin.initialization.full import Full
from r2d2_burnin.initialization.learned import Learned
from r2d2_burnin.initialization.refreshed import Refreshed
from r2d2_burnin.initialization.stored import Stored
from r2d2_burnin.initialization.zero import Zero

WITH_BURN_IN: dict[str, type[Initialization]] = {start.start: start for start in (Zero, Stored, Refreshed, Learned)}
"""Initializations that `+K` may follow, by name."""

NAMES = (*WITH_BURN_IN, *(f"{name}+K" for name in WITH_BURN_IN), Full().name)


def parse(name: str | Initialization) -> Initialization:
    """Read an initialization's name; an initialization is returned as it is.

    Raises:
        ValueError: for an unknown name; the message lists what exists.
    """
    if isinstance(name, Initialization):
        return name
    if name == Full().name:
        return Full()
    start, _, steps = name.partition("+")
    if (steps or "+" not in name) and re.fullmatch(r"\d*", steps, re.ASCII):
        if start in WITH_BURN_IN:
            return WITH_BURN_IN[start](int(steps or 0))
        if ":" in start:
            return _own(start, int(steps or 0))
    known = [known.replace("K", "20") for known in NAMES]
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    raise ValueError(
        f"strategies: got {name!r}, expected one of {', '.join(NAMES)} (K: burn-in steps), or module:Class of your"
        f" own{hint}"
    )


def _own(reference: str, burn_in: int) -> Initialization:
    """A user's initialization, whose name is its reference."""
    loaded = import_object("strategies", reference)
    if not (isinstance(loaded, type) and issubclass(loaded, Initialization)):
        raise ValueError(
            f"strategies: got {reference!r}, expected a class that inherits from {__package__}.Initialization"
        )
    initialization = loaded(burn_in)
    return initialization
