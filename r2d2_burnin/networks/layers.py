"""Recurrent layers by the name of their cell: cells of the time-fused unroll as layers, and those that are layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from r2d2_burnin.networks import time_fused
from r2d2_burnin.networks.cells import Cell, CellState, RecurrentLayer, load_cell
from r2d2_burnin.networks.protocol import Tensor
from r2d2_burnin.runtime.tensorflow import keras, tf


def load_layer(name: str) -> RecurrentLayer:
    """The layer of a cell with a name of `settings.CELLS`, or of a class `module:Class` called without arguments.

    Raises:
        ValueError: for a module or class that does not exist.
    """
    cell = load_cell(name)
    return TimeFusedLayer(cell) if hasattr(cell, "residuals") else cell


@dataclasses.dataclass(frozen=True)
class TimeFusedLayer:
    """A layer of a `Cell`, with parameters as Keras lays them out and draws them, on the time-fused unroll."""

    cell: Cell

    def shapes(self, units: int) -> dict[str, tuple[int, ...]]:
        """Kernel `[H, G]`, recurrent kernel `[H, G]` and bias `[G]`, for a GRU one bias of each product."""
        width = self.cell.gates * units
        shapes: dict[str, tuple[int, ...]] = {"kernel": (units, width), "recurrent_kernel": (units, width)}
        shapes["bias"] = (width,)
        return shapes | ({"recurrent_bias": (width,)} if self.cell.has_recurrent_gradient else {})

    def initial_values(self, units: int, seeds: Sequence[int]) -> list[Tensor]:
        """Glorot uniform, orthogonal, and the cell's own bias."""
        shape = (units, self.cell.gates * units)
        kernel, recurrent_kernel = (
            keras.initializers.GlorotUniform(seeds[0]),
            keras.initializers.Orthogonal(seed=seeds[1]),
        )
        values = [kernel(shape), recurrent_kernel(shape), self.cell.initial_bias(units)]
        return [*values, *[tf.zeros(shape[1])] * self.cell.has_recurrent_gradient]

    def initial_state(self, units: int, batch_size: Any) -> CellState:
        """Zeros."""
        zeros = tf.zeros([batch_size, units])
        return tuple(zeros for _ in range(self.cell.state_parts))

    def step(self, parameters: Sequence[Tensor], inputs: Tensor, state: CellState) -> tuple[Tensor, CellState]:
        """Outputs `[B, H]` and the new state."""
        kernel, recurrent_kernel, *biases = parameters
        projected = tf.matmul(inputs, kernel) + biases[0]
        recurrent_bias = biases[1] if self.cell.has_recurrent_gradient else None
        new = time_fused.step(self.cell, projected, recurrent_kernel, recurrent_bias, state)
        return new[0], new

    def unroll(
        self, parameters: Sequence[Tensor], inputs: Tensor, state: CellState, mask: Tensor | None = None
    ) -> tuple[Tensor, CellState]:
        """Outputs `[T, B, H]` and the last state."""
        kernel, recurrent_kernel, *biases = parameters
        projected = tf.tensordot(inputs, kernel, 1)
        if self.cell.has_recurrent_gradient:
            projected += biases[0]
        # The last bias is added within the loop: outside it is one more pass over the projections of all steps.
        return time_fused.unroll(self.cell, projected, recurrent_kernel, tf.convert_to_tensor(biases[-1]), state, mask)

    def decay(self, parameters: Sequence[Tensor], inputs: Tensor) -> None:
        """None: what becomes of a wrong state depends on the state."""
