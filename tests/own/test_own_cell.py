"""A new recurrent cell is one class: this file defines one, and a comparison uses it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from r2d2_burnin.networks import time_fused
from r2d2_burnin.networks.cells import CellState, load_cell
from r2d2_burnin.networks.protocol import Tensor
from r2d2_burnin.runtime.tensorflow import keras, tf
from tests.common.tiny import compare

ELMAN = f"{__name__}:Elman"


@dataclasses.dataclass(frozen=True)
class Elman:
    """h' = tanh(x + U h): `keras.layers.SimpleRNN` (Elman, 1990)."""

    state_parts: int = 1
    gates: int = 1
    residuals: int = 1
    has_recurrent_gradient: bool = False

    def forward(self, projected: Tensor, recurrent: Tensor, state: CellState) -> tuple[CellState, Tensor]:
        h = tf.tanh(projected + recurrent)
        return (h,), h

    def backward(
        self, residuals: Tensor, previous: CellState, new: CellState, gradient: CellState
    ) -> tuple[Tensor, Tensor | None, CellState]:
        return gradient[0] * (1 - residuals * residuals), None, (tf.zeros_like(gradient[0]),)

    def initial_bias(self, units: int) -> np.ndarray:
        return np.zeros(units, np.float32)


def test_it_computes_what_the_layer_of_keras_computes() -> None:
    layer = keras.layers.SimpleRNN(4, return_sequences=True)
    generator = np.random.default_rng(0)
    inputs = tf.constant(generator.normal(size=(3, 6, 2)), tf.float32)
    with tf.GradientTape() as tape:
        expected = layer(inputs)
        loss = tf.reduce_sum(tf.square(expected))
    variables = layer.trainable_variables
    of_layer = tape.gradient(loss, variables)
    kernel, recurrent_kernel, bias = variables
    with tf.GradientTape() as tape:
        projected = tf.tensordot(tf.transpose(inputs, [1, 0, 2]), tf.convert_to_tensor(kernel), 1)
        outputs, _ = time_fused.unroll(
            load_cell(ELMAN), projected, recurrent_kernel.value, tf.convert_to_tensor(bias), (tf.zeros([3, 4]),)
        )
        loss = tf.reduce_sum(tf.square(outputs))
    np.testing.assert_allclose(tf.transpose(outputs, [1, 0, 2]), expected, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(tape.gradient(loss, variables), of_layer, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.long
@pytest.mark.usefixtures("jobs_in_process")
def test_a_comparison_uses_it(tmp_path: Path) -> None:
    summary = compare(tmp_path, "--strategies", "stored", "full", "--cell", ELMAN, "--env-kwargs", "length=12")
    assert summary["strategies"]["full"]["delta_q_first_exact"]["mean"] == 0
    assert summary["strategies"]["stored"]["delta_q_first_exact"]["mean"] > 0
    parameters = np.load(next((tmp_path / "runs").glob("stored*.npz")))
    recurrent = list(parameters["parameter_names"]).index("recurrent_0/recurrent_kernel")
    assert parameters[f"parameter/{recurrent}"].shape == (4, 4)
