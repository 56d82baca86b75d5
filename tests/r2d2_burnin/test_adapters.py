"""Networks of other frameworks, called with NumPy arrays: each against its own framework, and against the equations."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from r2d2_burnin.networks.adapters import UnfitNetwork, adapt
from r2d2_burnin.runtime import nests

RANDOM = np.random.default_rng(0)
OBSERVATIONS = RANDOM.normal(size=(3, 7, 4)).astype(np.float32)


class Leaky:
    """Plain NumPy functions; a state that is a dictionary, with the batch in the second place of one array."""

    def initial_state(self, batch_size: int) -> Any:
        return {"steps": np.zeros(batch_size, np.int64), "memory": np.zeros((2, batch_size, 4), np.float32)}

    def unroll(self, observations: np.ndarray, state: Any) -> Any:
        memory, outputs = state["memory"], []
        for t in range(observations.shape[1]):
            memory = 0.9 * memory + observations[:, t]
            outputs.append(memory.sum(0))
        return np.stack(outputs, 1), {"steps": state["steps"] + observations.shape[1], "memory": memory}


def test_numpy_functions_with_the_batch_axis_anywhere() -> None:
    network = adapt(Leaky())
    assert adapt(network) is network
    state = network.initial_state(3)
    assert state["memory"].shape == (3, 2, 4)
    outputs, after = network.unroll(OBSERVATIONS, state)
    weights = 0.9 ** np.arange(6, -1, -1)
    np.testing.assert_allclose(outputs[:, -1], 2 * np.einsum("t,btf->bf", weights, OBSERVATIONS), rtol=1e-5)
    assert after["steps"].tolist() == [7, 7, 7]
    # Another container of the same arrays, as an archive gives them, is the same state.
    again, _ = network.unroll(OBSERVATIONS, tuple(nests.flatten(after)))
    np.testing.assert_array_equal(again, network.unroll(OBSERVATIONS, after)[0])


def lstm_by_hand(agent: Any, observations: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outputs `[B, T, A]` and the last h and c `[B, H]` of a one-layer PyTorch agent, by the equations of an LSTM."""
    weights = {name: value.detach().numpy().astype(np.float64) for name, value in agent.named_parameters()}

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    h = c = np.zeros((len(observations), agent.units))
    outputs = []
    for t in range(observations.shape[1]):
        x = np.tanh(observations[:, t] @ weights["encoder.weight"].T + weights["encoder.bias"])
        gates = x @ weights["memory.weight_ih_l0"].T + weights["memory.bias_ih_l0"]
        gates = gates + h @ weights["memory.weight_hh_l0"].T + weights["memory.bias_hh_l0"]
        i, f, g, o = np.split(gates, 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h @ weights["head.weight"].T + weights["head.bias"])
    return np.stack(outputs, 1), h, c


@pytest.mark.long
def test_a_torch_module_equals_the_equations() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed (pip install -e '.[torch]')")
    from tests.r2d2_burnin import torch_networks

    agent = torch_networks.Agent(4, 2)
    network = adapt(agent)
    state = network.initial_state(3)
    assert [leaf.shape for leaf in state] == [(3, 1, 8)] * 2
    outputs, (h, c) = network.unroll(OBSERVATIONS, state)
    expected, *last = lstm_by_hand(agent, OBSERVATIONS)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-6)
    for ours, theirs in zip((h, c), last, strict=True):
        np.testing.assert_allclose(ours[:, 0], theirs, rtol=1e-4, atol=1e-6)
    assert not any(parameter.grad is not None for parameter in agent.parameters())


@pytest.mark.long
def test_a_torch_module_keeps_its_precision_and_its_mode() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (pip install -e '.[torch]')")
    from tests.r2d2_burnin import torch_networks

    agent = torch_networks.Agent(4, 2, layers=2).double()
    network = adapt(agent)
    outputs, state = network.unroll(OBSERVATIONS, network.initial_state(3))
    assert outputs.dtype == np.float64
    assert {leaf.dtype for leaf in state} == {np.dtype(np.float64)}
    agent = torch_networks.Agent(4, 2).to(torch.bfloat16)
    network = adapt(agent)
    outputs, state = network.unroll(OBSERVATIONS, network.initial_state(3))
    with torch.no_grad():
        expected, (h, _) = agent(torch.tensor(OBSERVATIONS, dtype=torch.bfloat16), agent.initial_state(3))
    np.testing.assert_array_equal(outputs, expected.float().numpy())
    np.testing.assert_array_equal(state[0][:, 0], h[0].float().numpy())
    again, _ = network.unroll(OBSERVATIONS, state)  # float32 holds every number of bfloat16
    with torch.no_grad():
        expected, _ = agent(
            torch.tensor(OBSERVATIONS, dtype=torch.bfloat16),
            agent(torch.tensor(OBSERVATIONS, dtype=torch.bfloat16), agent.initial_state(3))[1],
        )
    np.testing.assert_array_equal(again, expected.float().numpy())
    normalized = torch_networks.BatchNormalized(4, 2).eval()
    adapt(normalized)
    assert not normalized.training


@pytest.mark.long
def test_batch_normalization_in_training_mode_is_refused() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed (pip install -e '.[torch]')")
    from tests.r2d2_burnin import torch_networks

    with pytest.raises(UnfitNetwork, match=r"batch normalization in training mode \(normalization: BatchNorm1d\)"):
        adapt(torch_networks.BatchNormalized(4, 2))


@pytest.mark.long
def test_a_jax_function_equals_the_equations() -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed (pip install -e '.[jax]')")
    jnp = jax.numpy
    parameters = {"w": jnp.asarray(RANDOM.normal(size=(5, 4)), jnp.float32), "u": jnp.eye(5) * 0.5}

    def apply(parameters: Any, observations: Any, state: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            h = jnp.tanh(parameters["w"] @ x + parameters["u"] @ carry["h"])
            return {"h": h}, h

        return jax.vmap(lambda x, s: jax.lax.scan(step, s, x)[::-1])(observations, state)

    def initial_state(batch_size: int) -> Any:
        return {"h": jnp.zeros((batch_size, 5))}

    network = adapt((apply, parameters, initial_state))
    outputs, state = network.unroll(OBSERVATIONS, network.initial_state(3))
    h = np.zeros((3, 5))
    for t in range(7):
        h = np.tanh(OBSERVATIONS[:, t] @ np.asarray(parameters["w"]).T + 0.5 * h)
        np.testing.assert_allclose(outputs[:, t], h, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(state["h"], h, rtol=1e-4, atol=1e-6)
    with pytest.raises(UnfitNetwork, match=r"expected \(function, parameters, initial_state\)"):
        adapt((apply, parameters))


def test_keras_models_and_recurrent_networks_equal_their_own_calls() -> None:
    from r2d2_burnin.runtime.tensorflow import keras
    from tests.common.networks import make_network

    ours = make_network("gru", 2, features=4, outputs=2)
    network = adapt(ours)
    outputs, state = network.unroll(OBSERVATIONS, network.initial_state(3))
    expected, last = ours.unroll(OBSERVATIONS, ours.initial_state(3))
    np.testing.assert_array_equal(outputs, expected)
    for leaf, own in zip(nests.flatten(state), nests.flatten(last), strict=True):
        np.testing.assert_array_equal(leaf, own)

    inputs = [keras.Input((None, 4)), keras.Input((6,))]
    sequence, last = keras.layers.GRU(6, return_sequences=True, return_state=True)(inputs[0], initial_state=inputs[1])
    model = keras.Model(inputs, [keras.layers.Dense(2)(sequence), last])
    network = adapt(model)
    outputs, (state,) = network.unroll(OBSERVATIONS, network.initial_state(3))
    again, _ = network.unroll(OBSERVATIONS, (state,))
    expected, last = model([OBSERVATIONS, np.zeros((3, 6), np.float32)])
    np.testing.assert_array_equal(outputs, expected)
    np.testing.assert_array_equal(again, model([OBSERVATIONS, np.asarray(last)])[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"initial_state": lambda batch_size: np.zeros(4)}, r"state/0 an array \[4\] for 2 examples and \[4\] for 3"),
        ({"initial_state": lambda batch_size: np.zeros((batch_size, batch_size))}, "expected one axis to be the batch"),
        ({"initial_state": lambda batch_size: 1 / 0}, r"initial_state\(2\) raised ZeroDivisionError: .*test_adapters"),
        ({"unroll": lambda x, state: x}, r"returned a ndarray, expected a pair \(outputs, state\)"),
        ({"unroll": lambda x, state: (x[:, 0], state)}, r"outputs \[3, 4\] for observations \[3, 7, 4\], expected \[3"),
        ({"unroll": lambda x, state: (x, ())}, "a state of 0 arrays, expected those of initial_state, 2"),
        ({"unroll": lambda x, state: {}["k"]}, r"called with observations \[3, 7, 4\], raised KeyError"),
        ({"initial_state": None}, "got a Leaky, expected a torch.nn.Module with initial_state"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_message(changes: dict[str, Any], message: str) -> None:
    leaky = Leaky()
    vars(leaky).update(changes)

    def call() -> None:
        network = adapt(leaky)
        network.unroll(OBSERVATIONS, network.initial_state(3))

    with pytest.raises(UnfitNetwork, match=message):
        call()


WITHOUT_TENSORFLOW = """
import sys
import numpy as np
from r2d2_burnin.networks.adapters import adapt
from tests.r2d2_burnin.test_adapters import OBSERVATIONS, Leaky

adapt(Leaky()).unroll(OBSERVATIONS, adapt(Leaky()).initial_state(3))
assert not {"tensorflow", "keras", "torch", "jax"} & set(sys.modules)
try:
    import torch
    from tests.r2d2_burnin.torch_networks import Agent
except ImportError:
    pass
else:
    network = adapt(Agent(4, 2))
    network.unroll(OBSERVATIONS, network.initial_state(3))
assert not {"tensorflow", "keras"} & set(sys.modules)
"""


def test_no_adapter_imports_a_framework_of_others() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_TENSORFLOW], check=True)
