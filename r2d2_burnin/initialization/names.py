"""Initializations by name.

| name | start state | burn-in |
| --- | --- | --- |
| `zero`, `zero+K` | the network's initial state | none, K steps |
| `stored`, `stored+K` | the state that the actor had there | none, K steps |
| `refreshed`, `refreshed+K` | the stored state, overwritten when a replayed fragment passes over it | none, K steps |
| `learned`, `learned+K` | one trained state for all fragments that do not begin an episode | none, K steps |
| `full` | the network's initial state | from the episode's first step on: exact, the reference |
| `module:Class`, `module:Class+K` | your own, a class that inherits from `Initialization` | none, K steps |

`@M` at the end of each of these gives fragments M trained steps instead of `sequence_length`: `zero@40`,
`stored+20@40`, `full@40`. They end where they would end without, so that `zero@40` trains at T 20 what `zero+20`
processes.

R2D2 (Kapturowski et al., ICLR 2019, section 3) compares the first two rows.
"""

from __future__ import annotations

import dataclasses
import difflib
import re

from r2d2_burnin.environments.make import import_object
from r2d2_burnin.initialization.base import Initialization
from r2d2_burnin.initialization.full import Full
from r2d2_burnin.initialization.learned import Learned
from r2d2_burnin.initialization.refreshed import Refreshed
from r2d2_burnin.initialization.stored import Stored
from r2d2_burnin.initialization.zero import Zero
from r2d2_burnin.replay.fragments import further_steps
from r2d2_burnin.runtime.errors import described

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
    if not isinstance(name, str):
        raise ValueError(f"strategies: got {name!r}, expected a name or an Initialization")
    parts = _PARTS.fullmatch(name)
    if parts is not None:
        start, steps, trained = parts.groups()
        burn_in, trained_steps = (None if number is None else int(number) for number in (steps, trained))
        if start == Full().name and burn_in is None:
            return Full(trained_steps=trained_steps)
        if start in WITH_BURN_IN:
            return WITH_BURN_IN[start](burn_in or 0, trained_steps=trained_steps)
        if ":" in start:
            return _own(start, burn_in, trained_steps)
    raise ValueError(
        f"strategies: got {name!r}, expected one of {', '.join(NAMES)} (K: burn-in steps), or module:Class of your"
        f" own, each also with @M (trained steps){_hint(name)}"
    )


_PARTS = re.compile(r"([^+@]*)(?:\+(\d{1,9}))?(?:@0*([1-9]\d{0,8}))?", re.ASCII)
"""Start, steps of burn-in and trained steps of a name."""


def _hint(name: str) -> str:
    """The nearest name that exists, for one that does not."""
    nearest = difflib.get_close_matches(re.split("[+@]", name)[0], (*WITH_BURN_IN, Full().name), n=1, cutoff=0.5)
    if not nearest:
        return ""
    burn_in = _steps("+", name) if nearest[0] in WITH_BURN_IN else ""
    return f"; did you mean {nearest[0] + burn_in + _steps('@', name)!r}?"


def _steps(sign: str, name: str) -> str:
    """The sign with the number of steps that a name has behind it, or with 20 for none; empty without the sign."""
    numbers = re.findall(rf"{re.escape(sign)}0*([1-9]\d{{0,8}})(?!\d)", name, re.ASCII)
    return f"{sign}{numbers[0] if numbers else 20}" if sign in name else ""


def check_trained_steps(sequence_length: int, initialization: Initialization) -> None:
    """Raise a ValueError for an initialization that trains fewer steps than a fragment has."""
    further_steps(initialization.trained_steps, sequence_length)


def check_cut(cut_episodes: int | None, initialization: Initialization) -> None:
    """Raise a ValueError for an initialization that needs whole episodes where they are cut."""
    if cut_episodes is not None and initialization.burn_in is None:
        raise ValueError(
            f"cut_episodes: got {cut_episodes}, but {initialization.name} starts from an episode's first step; expected"
            " initializations with a number of burn-in steps, such as stored+40"
        )


def _own(reference: str, burn_in: int | None, trained_steps: int | None) -> Initialization:
    """A user's initialization, with these steps of burn-in and trained steps, or those that its class has by itself."""
    loaded = import_object("strategies", reference)
    if not (isinstance(loaded, type) and issubclass(loaded, Initialization) and loaded is not Initialization):
        raise ValueError(
            f"strategies: got {reference!r}, expected a class that inherits from {__package__}.Initialization"
        )
    try:
        initialization = loaded() if burn_in is None else loaded(burn_in)
        if trained_steps is not None:
            initialization = dataclasses.replace(initialization, trained_steps=trained_steps)
    except Exception as error:  # whatever the user's code raises
        raise ValueError(
            f"strategies: {reference} could not be made, as Class() or Class(burn_in): {described(error)}"
        ) from error
    steps = initialization.burn_in
    if steps is not None and (type(steps) is not int or steps < 0):
        raise ValueError(f"strategies: {reference} has burn_in {steps!r}, expected a whole number, at least 0, or None")
    if burn_in is not None and steps != burn_in:
        raise ValueError(f"strategies: {reference}+{burn_in} has burn_in {steps!r}, expected the steps after the +")
    return initialization
