"""What the time-fused unroll asks of a recurrent cell."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from r2d2_burnin.networks.protocol import Tensor

CellState = tuple[Tensor, ...]
"""Arrays `[B, H]` of which the first is the cell's output."""


class Cell(Protocol):
    """The elementwise part of a recurrent cell; its state is a tuple of `[B, H]` of which the first is the output."""

    @property
    def state_parts(self) -> int:
        """Arrays in the state."""

    @property
    def gates(self) -> int:
        """Pre-activations of a unit: G = gates * H."""

    @property
    def has_recurrent_gradient(self) -> bool:
        """Whether the gradient of the recurrent projection differs from that of the input projection."""

    @property
    def residuals(self) -> int:
        """Numbers of a unit that `forward` leaves for `backward`: R = residuals * H."""

    def forward(self, projected: Tensor, recurrent: Tensor, state: CellState) -> tuple[CellState, Tensor]:
        """New state, and what `backward` needs of this step as one `[B, R]` tensor, from pre-activations `[B, G]`."""

    def backward(
        self, residuals: Tensor, previous: CellState, new: CellState, gradient: CellState
    ) -> tuple[Tensor, Tensor | None, CellState]:
        """Gradients, from the `gradient` of the new state, of one step's three inputs.

        Of projected `[B, G]`; of recurrent `[B, G]`, None where `has_recurrent_gradient` is False; and of the previous
        state, not counting what it does through the recurrent product.
        """

    def initial_bias(self, units: int) -> np.ndarray:
        """The bias `[G]` that training begins with."""
