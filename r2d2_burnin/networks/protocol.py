"""What the library asks of a recurrent network.

Another network needs the three methods of `RecurrentNetwork` and its variables, nothing else: its state may be any nest
of arrays whose first axis is the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

Tensor = Any

State = Any
"""Any nest of arrays `[B, ...]`."""


class RecurrentNetwork(Protocol):
    """A network with a recurrent state, of F features and A outputs.

    Your own (`--network module:factory`) is made by `factory(observation_space, action_space)`. The observation space
    is an `inputs.InputSpace`, a Box `[F]`; its `split` gives images their shape back. The action space is
    `Discrete(A)`, one output an action (`Discrete(1)` for a regression). Any Keras layers may be inside; they are built
    by a first call of `step`. A class that inherits from `keras.Model` has its `trainable_variables` already.
    Variables that are not trained (see `all_variables`) are copied and saved with the others.

    State arrays may have any dtype. Those that are no floats (counters, flags) are carried, stored and refreshed like
    the others; they have no gradient, so `learned` leaves them initial, and distances of states leave them out.
    """

    @property
    def trainable_variables(self) -> Sequence[Any]:
        """What the learner changes."""

    def initial_state(self, batch_size: Any) -> State:
        """The state that an episode starts with, for `batch_size` examples."""

    def step(self, observations: Tensor, state: State) -> tuple[Tensor, State]:
        """One step: outputs `[B, A]` and the new state from observations `[B, F]`."""

    def unroll(self, observations: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """Many steps: outputs `[B, T, A]` and the last state from observations `[B, T, F]`.

        Where `mask` `[B, T]` is False the state passes through untouched. `unroll_step_by_step` does this for any
        network that has `step`.
        """
