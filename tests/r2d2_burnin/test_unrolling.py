"""Unrolls made of a network's own step: a compiled loop gives what its steps give one by one, gradients included."""

from __future__ import annotations

from typing import Any

import numpy as np

from r2d2_burnin.networks.unrolling import unroll_step_by_step, where
from r2d2_burnin.runtime.tensorflow import keras, tf
from tests.common.user_networks import Averaging, KerasNetwork

OBSERVATIONS = np.random.default_rng(0).normal(size=(3, 7, 4)).astype(np.float32)
MASK = np.random.default_rng(1).random((3, 7)) < 0.7


def one_by_one(network: Any, observations: Any, state: Any, mask: Any) -> tuple[Any, Any]:
    outputs = []
    for t in range(observations.shape[1]):
        output, new = network.step(observations[:, t], state)
        state = new if mask is None else where(mask[:, t], new, state)
        outputs.append(output)
    return tf.stack(outputs, 1), state


def test_a_compiled_loop_equals_its_steps_and_their_gradients() -> None:
    keras.utils.set_random_seed(0)
    network = KerasNetwork(2)

    def with_gradients(unroll: Any) -> Any:
        with tf.GradientTape() as tape:
            outputs, state = unroll(network, OBSERVATIONS, network.initial_state(3), MASK)
            loss = tf.reduce_sum(outputs**2) + tf.reduce_sum(tf.sin(state["memory"]))
        return outputs, state, tape.gradient(loss, network.trainable_variables)

    # The first call makes the layers' variables, outside the loop.
    compiled = tf.function(lambda: with_gradients(unroll_step_by_step), jit_compile=True)()
    for ours, expected in zip(tf.nest.flatten(compiled), tf.nest.flatten(with_gradients(one_by_one)), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


def test_every_step_is_taken_once() -> None:
    """A network that counts its steps, in a variable of its own, is where it would be after as many of them."""
    networks = []
    for unroll in (unroll_step_by_step, one_by_one):
        keras.utils.set_random_seed(0)
        network = Averaging(2)
        network.step(OBSERVATIONS[:, 0], network.initial_state(3))  # makes its variables
        for steps in (7, 1):
            unroll(network, OBSERVATIONS[:, :steps], network.initial_state(3), None)
        networks.append(network)
    np.testing.assert_allclose(networks[0].average, networks[1].average, rtol=1e-5)


def test_a_loop_is_no_longer_for_more_steps() -> None:
    """What is compiled does not grow with the steps: the graph of 100 has as many operations as that of 10."""
    network = KerasNetwork(2)
    network.step(OBSERVATIONS[:, 0], network.initial_state(3))

    def operations(steps: int) -> int:
        function = tf.function(lambda x: unroll_step_by_step(network, x, network.initial_state(3)))
        graph = function.get_concrete_function(tf.zeros([3, steps, 4])).graph.as_graph_def()
        return len(graph.node) + sum(len(inner.node_def) for inner in graph.library.function)

    assert operations(100) == operations(10)
