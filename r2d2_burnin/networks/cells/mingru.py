"""The minimal gated recurrent unit, whose gate sees the input alone, and a gated output (Feng et al., 2024)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from r2d2_burnin.networks import linear_recurrence
from r2d2_burnin.networks.cells.gated_output import gated_output
from r2d2_burnin.networks.cells.protocol import CellState
from r2d2_burnin.networks.linear_recurrence import Numbers
from r2d2_burnin.networks.protocol import Tensor
from r2d2_burnin.runtime.tensorflow import keras, tf


@dataclasses.dataclass(frozen=True)
class MinGRU:
    """h_t = (1 - z_t) h_(t-1) + z_t n_t, with z = sigmoid and n linear in the input x_t, then a gated output of h.

    "Were RNNs All We Needed?", section 3.1: no gate depends on h. The state is (h,), `[B, H]`.
    """

    longest: float = 100.0
    """Steps in which the slowest unit forgets at first, the fastest in 1: the biases of z are drawn so (Tallec and
    Ollivier, 2018, section 2)."""
    way: linear_recurrence.Way = "auto"
    """How it is unrolled."""

    def shapes(self, units: int) -> dict[str, tuple[int, ...]]:
        """Of z and n: kernel `[H, 2H]` and bias `[2H]`; and the gated output's."""
        return {
            "kernel": (units, 2 * units),
            "bias": (2 * units,),
            "gate_kernel": (units, 2 * units),
            "gate_bias": (2 * units,),
        }

    def initial_values(self, units: int, seeds: Sequence[int]) -> list[Tensor]:
        """Kernels as Keras draws them, Glorot uniform; biases zero but for those of z."""
        times = np.exp(np.random.default_rng(seeds[1]).uniform(0, np.log(self.longest), units))
        return [
            keras.initializers.GlorotUniform(seeds[0])((units, 2 * units)),
            np.concatenate([-np.log(times), np.zeros(units)]),
            keras.initializers.GlorotUniform(seeds[2])((units, 2 * units)),
            np.zeros(2 * units),
        ]

    def initial_state(self, units: int, batch_size: Any) -> CellState:
        """Zeros."""
        return (tf.zeros([batch_size, units]),)

    def step(self, parameters: Sequence[Tensor], inputs: Tensor, state: CellState) -> tuple[Tensor, CellState]:
        """Outputs `[B, H]` and the new state."""
        h = linear_recurrence.step(*_recurrence(parameters, inputs), state)
        return gated_output(inputs, h[0], *parameters[2:]), h

    def unroll(
        self, parameters: Sequence[Tensor], inputs: Tensor, state: CellState, mask: Tensor | None = None
    ) -> tuple[Tensor, CellState]:
        """Outputs `[T, B, H]` and the last state."""
        h, last = linear_recurrence.unroll(*_recurrence(parameters, inputs), state, mask, self.way)
        return gated_output(inputs, h[0], *parameters[2:]), last

    def decay(self, parameters: Sequence[Tensor], inputs: Tensor) -> Numbers:
        """1 - z at every step `[T, B, H]` of inputs `[T, B, H]`."""
        return _recurrence(parameters, inputs)[0]


def _recurrence(parameters: Sequence[Tensor], inputs: Tensor) -> tuple[Numbers, Numbers]:
    """1 - z, and z n."""
    z, n = tf.split(tf.tensordot(inputs, parameters[0], 1) + parameters[1], 2, axis=-1)
    return (tf.sigmoid(-z),), (tf.sigmoid(z) * n,)
