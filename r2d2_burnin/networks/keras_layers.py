"""Drop-ins for `keras.layers.LSTM` and `keras.layers.GRU` on the time-fused unroll.

Weights, configuration, values and gradients are those of the Keras layers; what the time-fused unroll does not cover
(other activations, a cell of another class, recurrent dropout, `unroll`, masks that are not `[B, T]`) and every machine
with a GPU, where Keras has cuDNN, is left to them.

What is gained depends on size, and partly on XLA, which Keras does not use on a CPU unless it is asked to:
`model.compile(..., jit_compile=True)`. In `Model.fit` with 32 units, T 20 and a batch of 32 the LSTM takes about half
the time of the Keras layer by default, and a tenth less with `jit_compile=True`. With 256 units, T 80 and a batch of 64
there is no gain, either way: on one thread the time goes into matrix products, which are the same. `predict` gains
little. (`python -m experiments.benchmark drop-in`; `train-small` and `train-large` time a train step in a
`tf.function`.)

A saved model names `r2d2_burnin.keras_layers` as the layers' module. `keras.models.load_model` needs no
`custom_objects`, but the program has to import that module first: for safety Keras imports nothing that a file names.
"""

from __future__ import annotations

from typing import Any

from r2d2_burnin.networks import time_fused
from r2d2_burnin.networks.cells.gru import GRUCell
from r2d2_burnin.networks.cells.lstm import LSTMCell
from r2d2_burnin.networks.cells.protocol import Cell
from r2d2_burnin.networks.protocol import Tensor
from r2d2_burnin.runtime.tensorflow import keras, tf

PUBLIC_MODULE = "r2d2_burnin.keras_layers"
"""What saved models and pickles name as the layers' module, wherever the classes stand."""


@keras.saving.register_keras_serializable("r2d2_burnin")
class TimeFusedLSTM(keras.layers.LSTM):  # type: ignore[misc]
    """`keras.layers.LSTM` on the time-fused unroll; inputs `[B, T, F]`, with all arguments of Keras.

    Faster on a CPU where the network is small; pass `jit_compile=True` to `Model.compile` (see the module).
    """

    __module__ = PUBLIC_MODULE

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        if _applies(self, keras.layers.LSTMCell):
            self.supports_jit: bool = True

    def inner_loop(self, sequences: Tensor, initial_state: Any, mask: Tensor | None, training: bool = False) -> Any:
        """Last output `[B, H]`, outputs and last state, as `keras.layers.RNN.call` asks for them."""
        if not (_applies(self, keras.layers.LSTMCell) and _covers(self, sequences, mask, training)):
            return super().inner_loop(sequences, initial_state, mask, training)
        projected = tf.tensordot(_time_major(self, sequences, training), self.cell.kernel, 1)
        # Within the loop: outside it, adding the bias is one more pass over the projections of all steps.
        bias = tf.convert_to_tensor(self.cell.bias) if self.use_bias else None
        return _unroll(self, LSTMCell(), projected, bias, initial_state, mask)


@keras.saving.register_keras_serializable("r2d2_burnin")
class TimeFusedGRU(keras.layers.GRU):  # type: ignore[misc]
    """`keras.layers.GRU` on the time-fused unroll; inputs `[B, T, F]`, with all arguments of Keras.

    Faster on a CPU where the network is small; pass `jit_compile=True` to `Model.compile` (see the module).
    """

    __module__ = PUBLIC_MODULE

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        if _applies(self, keras.layers.GRUCell):
            self.supports_jit: bool = True

    def inner_loop(self, sequences: Tensor, initial_state: Any, mask: Tensor | None, training: bool = False) -> Any:
        """Last output `[B, H]`, outputs and last state, as `keras.layers.RNN.call` asks for them."""
        if not (_applies(self, keras.layers.GRUCell) and _covers(self, sequences, mask, training)):
            return super().inner_loop(sequences, initial_state, mask, training)
        bias, recurrent_bias = tf.unstack(tf.convert_to_tensor(self.cell.bias))
        projected = tf.tensordot(_time_major(self, sequences, training), self.cell.kernel, 1) + bias
        return _unroll(self, GRUCell(), projected, recurrent_bias, initial_state, mask)


def _applies(layer: Any, cell: type) -> bool:
    """Whether the time-fused unroll computes what the layer, with a Keras `cell`, is set to, and is the fastest here.

    Functions and cells are compared themselves, never by name: a user's own `tanh` is another function.
    """
    return (
        type(layer.cell) is cell
        and layer.activation is keras.activations.tanh
        and layer.recurrent_activation is keras.activations.sigmoid
        and getattr(layer, "reset_after", True)
        and (layer.use_bias or cell is keras.layers.LSTMCell)
        and not layer.unroll
        and layer.use_cudnn is not True
        and not tf.config.list_physical_devices("GPU")
    )


def _covers(layer: Any, sequences: Tensor, mask: Any, training: Any) -> bool:
    """Whether the time-fused unroll takes these arguments of a call; Keras takes more kinds of masks and dropout."""
    drops = training and (layer.dropout or layer.recurrent_dropout)
    # A cell of implementation 1 drops each gate's inputs by a mask of its own; Keras leaves a rate of 1 out.
    one_mask = not layer.recurrent_dropout and layer.dropout < 1 and layer.cell.implementation == 2
    plain_mask = mask is None or len(getattr(mask, "shape", ())) == 2
    return sequences.shape[1] != 0 and plain_mask and (not drops or one_mask)


def _time_major(layer: Any, sequences: Tensor, training: Any) -> Tensor:
    """Inputs `[T, B, F]` in the order in which they are processed, after the layer's dropout."""
    sequences = tf.convert_to_tensor(sequences)
    if training and layer.dropout:
        sequences = sequences * layer.cell.get_dropout_mask(sequences[:, 0, :])[:, None]
    sequences = tf.transpose(sequences, [1, 0, 2])
    return tf.reverse(sequences, [0]) if layer.go_backwards else sequences


def _unroll(
    layer: Any, cell: Cell, projected: Tensor, recurrent_bias: Tensor | None, initial_state: Any, mask: Any
) -> tuple[Tensor, Tensor, list[Tensor]]:
    if mask is not None:
        mask = tf.transpose(tf.cast(mask, tf.bool))
        mask = tf.reverse(mask, [0]) if layer.go_backwards else mask
    kernel = tf.convert_to_tensor(layer.cell.recurrent_kernel)
    outputs, state = time_fused.unroll(cell, projected, kernel, recurrent_bias, tuple(initial_state), mask)
    if mask is not None:
        # As Keras has it: an output before the first step that counts is zero, not the initial state.
        started = tf.cumsum(tf.cast(mask, tf.int32)) > 0
        if layer.zero_output_for_mask:
            started &= mask
        outputs = tf.where(started[..., None], outputs, tf.zeros_like(outputs))
    last = outputs[-1]
    return last, tf.transpose(outputs, [1, 0, 2]) if layer.return_sequences else last[:, None], list(state)
