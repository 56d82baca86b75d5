"""What is asked of a recurrent cell: by the time-fused unroll, or by the network, of one that is a whole layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from r2d2_burnin.networks.protocol import Tensor

CellState = tuple[Tensor, ...]
"""Arrays `[B, H]`; of a `Cell`, the first is its output."""


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


class RecurrentLayer(Protocol):
    """A recurrent layer of H units, from inputs of H features to outputs of as many.

    Where the cell itself is one (LRU, minGRU), it unrolls as it likes; any other is a layer by `layers.TimeFusedLayer`.
    """

    def shapes(self, units: int) -> dict[str, tuple[int, ...]]:
        """Names and shapes of its parameters, in the order in which it takes them."""

    def initial_values(self, units: int, seeds: Sequence[int]) -> Sequence[Any]:
        """The values of the parameters that training begins with, drawn from a seed for each."""

    def initial_state(self, units: int, batch_size: Any) -> CellState:
        """The state that an episode starts with."""

    def step(self, parameters: Sequence[Tensor], inputs: Tensor, state: CellState) -> tuple[Tensor, CellState]:
        """Outputs `[B, H]` and the new state from inputs `[B, H]`."""

    def unroll(
        self, parameters: Sequence[Tensor], inputs: Tensor, state: CellState, mask: Tensor | None = None
    ) -> tuple[Tensor, CellState]:
        """Outputs `[T, B, H]` and the last state; where `mask` `[T, B]` is False the state passes untouched."""

    def decay(self, parameters: Sequence[Tensor], inputs: Tensor) -> tuple[Tensor, ...] | None:
        """What each step multiplies the difference of two states by, where that depends on its inputs alone; else None.

        One array `[T, B, H]` for each in the state: two are the real and the imaginary part of complex numbers.
        """
