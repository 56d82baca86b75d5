"""Recurrent cells written from their equations, one example and one step at a time, in float64 NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def lstm_step(x: np.ndarray, state: tuple, weights: list[np.ndarray]) -> tuple[np.ndarray, tuple]:
    kernel, recurrent_kernel, bias = weights
    h, c = state
    i, f, g, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, (h, c)


def gru_step(x: np.ndarray, state: tuple, weights: list[np.ndarray]) -> tuple[np.ndarray, tuple]:
    kernel, recurrent_kernel, bias, recurrent_bias = weights
    (h,) = state
    x_z, x_r, x_n = np.split(x @ kernel + bias, 3)
    u_z, u_r, u_n = np.split(h @ recurrent_kernel + recurrent_bias, 3)
    z, r = sigmoid(x_z + u_z), sigmoid(x_r + u_r)
    h = z * h + (1 - z) * np.tanh(x_n + r * u_n)
    return h, (h,)


def gated(inputs: np.ndarray, y: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    linear, gate = np.split(y * np.array([0.5 * (1 + math.erf(v / math.sqrt(2))) for v in y]) @ kernel + bias, 2)
    return inputs + linear * sigmoid(gate)


def lru_step(u: np.ndarray, state: tuple, weights: list[np.ndarray]) -> tuple[np.ndarray, tuple]:
    nu_log, theta_log, gamma_log, b, c, d, *gate = weights
    units = len(nu_log)
    eigenvalues = np.exp(-np.exp(nu_log) + 1j * np.exp(theta_log))
    b, c = b[:, :units] + 1j * b[:, units:], c[:units] + 1j * c[units:]
    x = eigenvalues * (state[0] + 1j * state[1]) + np.exp(gamma_log) * (u @ b)
    return gated(u, (x @ c).real + d * u, *gate), (x.real, x.imag)


def mingru_step(x: np.ndarray, state: tuple, weights: list[np.ndarray]) -> tuple[np.ndarray, tuple]:
    kernel, bias, *gate = weights
    z, n = np.split(x @ kernel + bias, 2)
    h = (1 - sigmoid(z)) * state[0] + sigmoid(z) * n
    return gated(x, h, *gate), (h,)


STEPS = {"lstm": lstm_step, "gru": gru_step, "lru": lru_step, "mingru": mingru_step}
PARTS = {"lstm": 2, "gru": 1, "lru": 2, "mingru": 1}


def unroll(network: DenseRecurrentNetwork, observations: np.ndarray, state: Any = None) -> tuple[np.ndarray, list[Any]]:
    """Outputs `[T, A]` and the state of every layer before each step, and after the last, of one example `[T, F]`.

    It starts from `state`, by default from zeros.
    """
    weights = [variable.numpy().astype(np.float64) for variable in network.trainable_variables]
    cell = network.settings.cell
    per_layer = (len(weights) - 4) // network.settings.layers
    layers = [weights[2 + i * per_layer : 2 + (i + 1) * per_layer] for i in range(network.settings.layers)]
    zeros: Any = [tuple(np.zeros(network.settings.units) for _ in range(PARTS[cell])) for _ in layers]
    states = zeros if state is None else state
    outputs, history = [], [states]
    for x in observations.astype(np.float64):
        hidden = np.maximum(x @ weights[0] + weights[1], 0)
        new = []
        for layer, state in zip(layers, states, strict=True):
            hidden, state = STEPS[cell](hidden, state, layer)
            new.append(state)
        states = new
        history.append(states)
        outputs.append(hidden @ weights[-2] + weights[-1])
    return np.array(outputs), history
