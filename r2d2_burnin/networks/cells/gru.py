"""The elementwise part of a gated recurrent unit (Cho et al., 2014), reset after the recurrent product."""

from __future__ import annotations

import dataclasses

import numpy as np

from r2d2_burnin.networks.cells.protocol import CellState
from r2d2_burnin.networks.protocol import Tensor
from r2d2_burnin.runtime.tensorflow import tf


@dataclasses.dataclass(frozen=True)
class GRUCell:
    """Gates in the order update, reset, candidate, as `keras.layers.GRU(reset_after=True)`; the state is (h,).

    h' = z * h + (1 - z) * n with z, r = sigmoid of their pre-activations and n = tanh(x_n + r * u_n), where x_n and u_n
    are the candidate's input and recurrent projections.
    """

    state_parts: int = 1
    gates: int = 3
    residuals: int = 4
    has_recurrent_gradient: bool = True

    def forward(self, projected: Tensor, recurrent: Tensor, state: CellState) -> tuple[CellState, Tensor]:
        """New (h,), and z, r, n and u_n as one `[B, 4H]`."""
        (h,) = state
        x_z, x_r, x_n = tf.split(projected, 3, axis=-1)
        u_z, u_r, u_n = tf.split(recurrent, 3, axis=-1)
        z = 0.5 * tf.tanh(0.5 * (x_z + u_z)) + 0.5
        r = 0.5 * tf.tanh(0.5 * (x_r + u_r)) + 0.5
        n = tf.tanh(x_n + r * u_n)
        return (n + z * (h - n),), tf.concat([z, r, n, u_n], axis=-1)

    def backward(
        self, residuals: Tensor, previous: CellState, new: CellState, gradient: CellState
    ) -> tuple[Tensor, Tensor | None, CellState]:
        """Gradients of both projections, and of h through the update gate."""
        (of_h,) = gradient
        z, r, n, u_n = tf.split(residuals, 4, axis=-1)
        of_z = of_h * (previous[0] - n) * z * (1 - z)
        of_n = of_h * (1 - z) * (1 - n * n)
        of_r = of_n * u_n * r * (1 - r)
        return tf.concat([of_z, of_r, of_n], axis=-1), tf.concat([of_z, of_r, of_n * r], axis=-1), (of_h * z,)

    def initial_bias(self, units: int) -> np.ndarray:
        """Zeros."""
        return np.zeros(3 * units, np.float32)
