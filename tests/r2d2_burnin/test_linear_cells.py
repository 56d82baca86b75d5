"""Cells that are linear in their state, against the recurrence in NumPy, and what they say of a wrong state."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2d2_burnin.diagnostics.burn_in_advice import advise
from r2d2_burnin.networks import linear_recurrence
from r2d2_burnin.networks.cells import load_cell
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork
from r2d2_burnin.runtime.tensorflow import tf
from r2d2_burnin.settings import NetworkSettings
from r2d2_burnin.testing import record_episodes

WAYS = ("loop", "scan")
UNITS = 3


def numbers(generator: np.random.Generator, parts: int, *shape: int) -> np.ndarray:
    """Real numbers, or complex ones, of modulus below 1."""
    values = generator.uniform(-0.7, 0.7, (parts, *shape))
    return values[0] if parts == 1 else values[0] + 1j * values[1]


def parts_of(values: np.ndarray, dtype: str = "float64") -> tuple[Any, ...]:
    parts = [values.real, values.imag] if values.dtype.kind == "c" else [values]
    return tuple(tf.constant(part, dtype) for part in parts)


def whole(parts: Any) -> np.ndarray:
    arrays = [np.asarray(tf.cast(part, tf.float64)) for part in parts]
    return arrays[0] if len(arrays) == 1 else arrays[0] + 1j * arrays[1]


def by_numpy(a: np.ndarray, b: np.ndarray, h: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    states = []
    for t in range(len(b)):
        new = (a if a.ndim == 1 else a[t]) * h + b[t]
        h = new if mask is None else np.where(mask[t][:, None], new, h)
        states.append(h)
    return np.array(states)


@given(
    seed=st.integers(0, 1000),
    steps=st.integers(1, 33),
    parts=st.sampled_from([1, 2]),
    constant=st.booleans(),
    masked=st.booleans(),
    way=st.sampled_from(WAYS),
)
def test_values_and_gradients_are_those_of_the_recurrence(
    seed: int, steps: int, parts: int, constant: bool, masked: bool, way: linear_recurrence.Way
) -> None:
    """In float64; gradients against a central difference along a random direction of all inputs at once."""
    generator = np.random.default_rng(seed)
    shape = (steps, 2, UNITS)
    given_numbers = [numbers(generator, parts, *s) for s in ((UNITS,) if constant else shape, shape, shape[1:])]
    mask = generator.random(shape[:2]) < 0.6 if masked else None
    weights = numbers(generator, parts, *shape)
    tensors = [parts_of(values) for values in given_numbers]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        states, last = linear_recurrence.unroll(*tensors, mask, way)  # type: ignore[arg-type]
        loss = sum(tf.reduce_sum(tf.sin(s) * w) for s, w in zip(states, parts_of(weights), strict=True))
        loss += sum(tf.reduce_sum(part**2) for part in last)
    gradients = tape.gradient(loss, tensors)
    expected = by_numpy(*given_numbers, mask)  # type: ignore[call-arg]
    np.testing.assert_allclose(whole(states), expected, rtol=1e-11, atol=1e-12)
    np.testing.assert_array_equal(whole(last), whole(states)[-1])

    directions = [numbers(generator, parts, *values.shape) for values in given_numbers]

    def loss_at(change: float) -> float:
        moved = [values + change * way for values, way in zip(given_numbers, directions, strict=True)]
        states = by_numpy(*moved, mask)  # type: ignore[call-arg]
        sines = np.sin(states.real) * weights.real + (np.sin(states.imag) * weights.imag if parts == 2 else 0)
        return float(sines.sum() + (np.abs(states[-1]) ** 2).sum())

    slope = (loss_at(1e-5) - loss_at(-1e-5)) / 2e-5
    along = sum(
        float((whole(gradient).real * way.real).sum() + (whole(gradient).imag * way.imag).sum())
        for gradient, way in zip(gradients, directions, strict=True)
    )
    assert along == pytest.approx(slope, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_narrow_floats_are_rounded_once(way: linear_recurrence.Way, dtype: str) -> None:
    """Many steps near modulus 1, which bfloat16 has no numbers for: steps added up in it would be off by far more."""
    generator = np.random.default_rng(0)
    decay = np.array([0.5, 0.99, 0.9375])
    drive, state = generator.normal(size=(64, 2, 3)), generator.normal(size=(2, 3))
    arguments = [parts_of(values, dtype) for values in (decay, drive, state)]
    states, _ = linear_recurrence.unroll(*arguments, None, way)  # type: ignore[arg-type]
    assert states[0].dtype == dtype
    rounded = [whole(parts) for parts in arguments]
    epsilon = {"float16": 2**-10, "bfloat16": 2**-7, "float32": 2**-22}[dtype]
    np.testing.assert_allclose(whole(states), by_numpy(*rounded, None), rtol=epsilon, atol=1e-5)


def test_what_cannot_be_unrolled_is_refused() -> None:
    one = (tf.ones([2, 1, 3]),)
    with pytest.raises(ValueError, match="way: got 'both', expected one of auto, loop, scan"):
        linear_recurrence.unroll((tf.ones([3]),), one, (tf.ones([1, 3]),), None, "both")  # type: ignore[arg-type]
    whole_numbers = (tf.ones([2, 1, 3], tf.int32),)
    with pytest.raises(ValueError, match="drive: got int32, expected float32, float64"):
        linear_recurrence.unroll((tf.ones([3]),), whole_numbers, (tf.ones([1, 3]),))
    with pytest.raises(ValueError, match="drive: got 0 steps"):
        linear_recurrence.unroll((tf.ones([3]),), (tf.ones([0, 1, 3]),), (tf.ones([1, 3]),))


def test_eigenvalues_begin_on_the_ring_and_states_at_the_size_of_their_inputs() -> None:
    """Lemma 3.2, and the normalization of section 3.4: of white noise, states have a variance that none depends on."""
    layer = load_cell("lru").__class__(r_min=0.6, r_max=0.95, max_phase=1.0, way="scan")
    parameters = [tf.constant(v, tf.float32) for v in layer.initial_values(400, range(8))]
    inputs = tf.constant(np.random.default_rng(0).normal(size=(300, 1, 400)), tf.float32)
    real, imaginary = (part.numpy()[0, 0] for part in layer.decay(parameters, inputs))
    modulus, phase = np.hypot(real, imaginary), np.arctan2(imaginary, real)
    assert (modulus.min() >= 0.6, modulus.max() <= 0.95) == (True, True)
    # Uniform in area: half of them where half of the ring's area is.
    assert np.mean(modulus**2 < (0.6**2 + 0.95**2) / 2) == pytest.approx(0.5, abs=0.08)
    assert np.median(phase) == pytest.approx(0.5, abs=0.08)
    _, last = layer.unroll(parameters, inputs, layer.initial_state(400, 1))
    power = last[0][0].numpy() ** 2 + last[1][0].numpy() ** 2
    for slow in (modulus < 0.8, modulus >= 0.8):
        assert power[slow].mean() == pytest.approx(1, abs=0.3)


def network_of(cell: str, layers: int = 1, moduli: np.ndarray | None = None) -> DenseRecurrentNetwork:
    """A network of 6 units, of an LRU with the eigenvalues of given `moduli`."""
    network = DenseRecurrentNetwork(1, 1, NetworkSettings(6, cell, layers), seed=3)
    for variable in network.trainable_variables:
        if "bias" in variable.name and not variable.name.startswith("recurrent"):
            variable.assign(np.random.default_rng(1).normal(size=variable.shape))
        if moduli is not None and "nu_log" in variable.name:
            variable.assign(np.log(-np.log(moduli)))
    return network


@pytest.mark.parametrize(
    ("cell", "moduli"),
    [
        ("lru", np.full(6, 0.85)),
        pytest.param("lru", np.array([0.2, 0.5, 0.8, 0.9, 0.93, 0.6]), marks=pytest.mark.long),
        ("mingru", None),
    ],
)
def test_the_advice_agrees_with_the_closed_form(cell: str, moduli: np.ndarray | None) -> None:
    network = network_of(cell, moduli=moduli)
    episodes = record_episodes(network, "BitStream/Count-v0", count=24)
    advice = advise(network, episodes, sequence_length=10, period=5, tolerance=0.02)
    law = advice.closed_form
    assert law is not None
    assert advice.burn_in == law.burn_in
    assert advice.burn_in is not None
    assert 0 < advice.burn_in < advice.longest
    if moduli is None:
        return
    assert law.slowest == pytest.approx(law.largest) == pytest.approx(moduli.max())
    assert law.fastest == pytest.approx(moduli.min())
    assert law.forgetting_steps == pytest.approx(-1 / math.log(moduli.max()), rel=1e-5)
    if moduli.min() == moduli.max():
        assert advice.forgetting.steps == pytest.approx(law.forgetting_steps, rel=1e-3)


def test_of_a_stack_there_is_a_bound_and_no_burn_in() -> None:
    network = network_of("lru", 2, np.full(6, 0.8))
    episodes = record_episodes(network, "BitStream/Count-v0", count=24)
    advice = advise(network, episodes, sequence_length=10, period=5)
    law = advice.closed_form
    assert law is not None
    assert (law.layers, law.burn_in) == (2, None)
    assert "at most a constant times k^1 times 0.8^k" in law.sentence
    k = np.arange(1, 25)
    within = np.array(advice.forgetting.errors)[1:25] / (k * 0.8**k)
    assert within.max() <= 3 * within[:4].max()


def test_cells_that_are_not_linear_have_none() -> None:
    network = network_of("gru")
    assert network.state_decays(tf.zeros([1, 2, 1])) is None
