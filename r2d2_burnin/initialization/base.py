"""What an initialization is: the recurrent state that a fragment's trained steps start from.

Everything that differs between initializations is asked of the initialization, never decided by its name. One of your
own inherits from `Initialization` and is chosen as `module:Class` or `module:Class+K`; the tests have a complete one.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from r2d2_burnin.networks.protocol import State


@dataclasses.dataclass(frozen=True)
class Initialization:
    """A start state and a number of burn-in steps.

    The answers of the base are those of an initialization that starts from the initial state where a fragment's first
    processed step is its episode's first, and elsewhere from what `fragment_state` returns.
    """

    burn_in: int | None = 0
    """Burn-in steps, k; None: all steps since the episode's start."""
    trained_steps: int | None = dataclasses.field(default=None, kw_only=True)
    """Trained steps of a fragment, m; None: as many as the settings say (`sequence_length`, T). A fragment with more
    ends where it ends without, and its m - T further steps are those before its first one: `zero@40` processes at T 20
    what `zero+20` processes, and trains all of it."""

    start: ClassVar[str]
    """What it is called in result files and, with its burn-in, on the command line; by default `module:Class`."""
    stores_states: ClassVar[bool] = False
    """Whether replay keeps the state that the actor had before each fragment's first processed step."""
    refreshes: ClassVar[bool] = False
    """Whether replayed fragments overwrite the stored states that they pass over."""
    learns_state: ClassVar[bool] = False
    """Whether one state is trained together with the network."""
    sees_the_past: ClassVar[bool] = False
    """Whether the start state carries what happened before the first processed step."""
    knows_the_start: ClassVar[bool] = False
    """Whether the start state tells fragments that begin their episode from the others."""
    has_floor: ClassVar[bool] = False
    """Whether the two answers above are all that decides the error floor."""
    colour: ClassVar[str] = ""
    """Its colour in pictures, `#rrggbb`, with any burn-in; by default one of a few that are free."""
    marker: ClassVar[str] = ""
    """Its marker in pictures, a name of Matplotlib's; by default one of a few that are free."""

    def __init_subclass__(cls) -> None:
        inherited = {"start": f"{cls.__module__}:{cls.__qualname__}", "colour": "", "marker": ""}
        for name, value in inherited.items():
            if name not in cls.__dict__:
                setattr(cls, name, value)

    @property
    def name(self) -> str:
        """The name that `parse` reads."""
        burn_in = f"+{self.burn_in}" if self.burn_in else ""
        return self.start + burn_in + self._trained

    @property
    def _trained(self) -> str:
        """The end of the name, of a number of trained steps of its own."""
        return "" if self.trained_steps is None else f"@{self.trained_steps}"

    @property
    def programs(self) -> tuple[str, bool, bool]:
        """Initializations with the same answer share the compiled programs of a learner."""
        state = type(self).fragment_state
        return f"{state.__module__}.{state.__qualname__}", self.refreshes, self.learns_state

    def from_initial_state(self, begins: np.ndarray) -> np.ndarray:
        """`[...]` bool: fragments that start from the network's initial state.

        Args:
            begins: `[...]` bool: fragments whose first processed step is their episode's first.
        """
        return begins

    def fragment_state(self, stored: State, learned: State) -> State:
        """The state before the first processed step of fragments that do not start from the initial state.

        Args:
            stored: nest of `[B, ...]`, what the actor had there; None without `stores_states`. A nest is what a
                network's `initial_state` returns: `tf.nest.map_structure` goes over its arrays.
            learned: nest of `[1, ...]`, if `learns_state`.
        """
        return stored
