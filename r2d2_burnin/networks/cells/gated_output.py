"""What follows a linear recurrence within its layer: without it, a stack of them is one linear recurrence.

The layer's output is its input plus a gated linear unit of the recurrence's output (Dauphin et al., 2017), as in the
blocks of S5 and of the LRU (Smith et al., 2023; Orvieto et al., 2023, figure 1), without their normalization.
"""

from __future__ import annotations

from r2d2_burnin.networks.protocol import Tensor
from r2d2_burnin.runtime.tensorflow import tf


def gated_output(inputs: Tensor, values: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """`[..., H]`: inputs `[..., H]` plus a gated linear unit, kernel `[N, 2H]`, of GELU(values) `[..., N]`."""
    linear, gate = tf.split(tf.tensordot(tf.nn.gelu(values), kernel, 1) + bias, 2, axis=-1)
    return inputs + linear * tf.sigmoid(gate)
