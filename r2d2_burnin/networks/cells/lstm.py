"""The elementwise part of an LSTM cell (Hochreiter and Schmidhuber, 1997; forget gate: Gers et al., 2000)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from r2d2_burnin.networks.cells.protocol import CellState
from r2d2_burnin.networks.protocol import Tensor
from r2d2_burnin.runtime.tensorflow import tf


@dataclasses.dataclass(frozen=True)
class LSTMCell:
    """Gates in the order input, forget, candidate, output (as `keras.layers.LSTM` has them); the state is (h, c).

    c' = f * c + i * g and h' = o * tanh(c'), with i, f, o = sigmoid and g = tanh of their pre-activations.
    """

    state_parts: int = 2
    gates: int = 4
    residuals: int = 4
    has_recurrent_gradient: bool = False

    def forward(self, projected: Tensor, recurrent: Tensor, state: CellState) -> tuple[CellState, Tensor]:
        """New (h, c), and the activated gates `[B, 4H]`."""
        _, c = state
        # sigmoid(x) = tanh(x / 2) / 2 + 1/2, so that all four gates are one vectorised tanh.
        scale, shift = _scale_and_shift(c.shape[-1], tf.as_dtype(c.dtype).as_numpy_dtype)
        activated = tf.tanh((projected + recurrent) * scale) * scale + shift
        i, f, g, o = tf.split(activated, 4, axis=-1)
        c = f * c + i * g
        return (o * tf.tanh(c), c), activated

    def backward(
        self, residuals: Tensor, previous: CellState, new: CellState, gradient: CellState
    ) -> tuple[Tensor, Tensor | None, CellState]:
        """Gradients of the pre-activations and of (h, c); h acts through the recurrent product alone."""
        of_h, of_c = gradient
        i, f, g, o = tf.split(residuals, 4, axis=-1)
        squashed = tf.tanh(new[1])
        of_c = of_c + of_h * o * (1 - squashed * squashed)
        of_gates = tf.concat(
            [
                of_c * g * i * (1 - i),
                of_c * previous[1] * f * (1 - f),
                of_c * i * (1 - g * g),
                of_h * squashed * o * (1 - o),
            ],
            axis=-1,
        )
        return of_gates, None, (tf.zeros_like(of_h), of_c * f)

    def initial_bias(self, units: int) -> np.ndarray:
        """Ones for the forget gate, so that it begins open (Jozefowicz et al., 2015), zeros for the others."""
        return np.repeat(np.array([0.0, 1.0, 0.0, 0.0], np.float32), units)


def _scale_and_shift(units: int, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    scale = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], dtype), units)
    shift = np.repeat(np.array([0.5, 0.5, 0.0, 0.5], dtype), units)
    return scale, shift
