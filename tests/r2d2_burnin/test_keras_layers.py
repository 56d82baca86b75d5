"""The drop-in layers against the Keras layers that they stand in for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2d2_burnin.keras_layers import TimeFusedGRU, TimeFusedLSTM
from r2d2_burnin.quiet_tensorflow import keras, tf

PAIRS = {"lstm": (keras.layers.LSTM, TimeFusedLSTM), "gru": (keras.layers.GRU, TimeFusedGRU)}


def both(kind, units, features, batch=None, **keywords):
    """A Keras layer and ours, with the same weights drawn at random (biases too)."""
    theirs, ours = (layer(units, **keywords) for layer in PAIRS[kind])
    generator = np.random.default_rng(0)
    for layer in (theirs, ours):
        layer.build((batch, None, features))
    weights = [generator.normal(size=weight.shape) / 2 for weight in theirs.get_weights()]
    theirs.set_weights(weights)
    ours.set_weights(weights)
    return theirs, ours


def values_and_gradients(layer, inputs, state, mask):
    """Everything a layer returns, and the gradients of a fixed mixture of it."""
    inputs, state = tf.constant(inputs), [tf.constant(part) for part in state]
    with tf.GradientTape() as tape:
        tape.watch([inputs, *state])
        returned = tf.nest.flatten(layer(inputs, initial_state=state, mask=mask))
        mixture = sum(
            tf.reduce_sum(part * np.cos(np.arange(np.prod(part.shape))).reshape(part.shape)) for part in returned
        )
    return returned, tape.gradient(mixture, [inputs, *state, *layer.trainable_weights])


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(sorted(PAIRS)),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 7), st.integers(1, 3)),
    units=st.integers(1, 5),
    dtype=st.sampled_from(["float32", "float64"]),
    masked=st.booleans(),
    return_sequences=st.booleans(),
    go_backwards=st.booleans(),
    zero_output=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_values_and_gradients_are_those_of_keras(
    kind, shape, units, dtype, masked, return_sequences, go_backwards, zero_output, seed
):
    theirs, ours = both(
        kind,
        units,
        shape[2],
        dtype=dtype,
        return_sequences=return_sequences,
        return_state=True,
        go_backwards=go_backwards,
        zero_output_for_mask=zero_output,
    )
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=shape).astype(dtype)
    state = [generator.normal(size=(shape[0], units)).astype(dtype) for _ in range(2 if kind == "lstm" else 1)]
    mask = generator.random(shape[:2]) < 0.6 if masked else None
    tolerance = {"float32": 2e-5, "float64": 1e-12}[dtype]
    for expected, got in zip(
        tf.nest.flatten(values_and_gradients(theirs, inputs, state, mask)),
        tf.nest.flatten(values_and_gradients(ours, inputs, state, mask)),
        strict=True,
    ):
        assert got.dtype == expected.dtype
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", sorted(PAIRS))
def test_length_and_batch_may_be_unknown(kind):
    theirs, ours = both(kind, 4, 3, return_sequences=True)
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, ours(inputs))
    for shape in ((2, 5, 3), (1, 1, 3), (3, 40, 3)):
        sequences = np.random.default_rng(1).normal(size=shape).astype(np.float32)
        np.testing.assert_allclose(model.predict(sequences, verbose=0), theirs(sequences), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", sorted(PAIRS))
def test_a_saved_model_comes_back_the_same(kind, tmp_path):
    _, ours = both(kind, 4, 3)
    model = keras.Sequential([keras.Input((6, 3)), keras.layers.Masking(), ours, keras.layers.Dense(2)])
    sequences = np.random.default_rng(1).normal(size=(5, 6, 3)).astype(np.float32)
    sequences[0, :2] = 0
    expected = model.predict(sequences, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[-2]) is PAIRS[kind][1]
    np.testing.assert_array_equal(loaded.predict(sequences, verbose=0), expected)


@pytest.mark.parametrize("kind", sorted(PAIRS))
def test_fit_goes_the_way_of_keras(kind):
    losses = []
    for layer in PAIRS[kind]:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((6, 3)), layer(8), keras.layers.Dense(1)])
        model.compile("adam", "mse")
        generator = np.random.default_rng(0)
        inputs, targets = generator.normal(size=(64, 6, 3)), generator.normal(size=64)
        losses.append(model.fit(inputs, targets, epochs=3, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


@pytest.mark.parametrize("kind", sorted(PAIRS))
@pytest.mark.parametrize(
    "keywords", [{"activation": "relu"}, {"unroll": True}, {"recurrent_dropout": 0.5}, {"use_bias": False}]
)
def test_what_is_not_covered_is_left_to_keras(kind, keywords):
    theirs, ours = both(kind, 4, 3, seed=0, **keywords)
    sequences = np.random.default_rng(1).normal(size=(2, 5, 3)).astype(np.float32)
    training = "recurrent_dropout" in keywords
    np.testing.assert_allclose(
        ours(sequences, training=training), theirs(sequences, training=training), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("kind", sorted(PAIRS))
def test_dropout_is_that_of_keras(kind):
    theirs, ours = both(kind, 4, 3, seed=0, dropout=0.5)
    sequences = np.random.default_rng(1).normal(size=(2, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(ours(sequences, training=True), theirs(sequences, training=True), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", sorted(PAIRS))
def test_a_stateful_layer_goes_on_from_its_last_state(kind):
    theirs, ours = both(kind, 4, 3, batch=2, stateful=True)
    for seed in range(3):
        sequences = np.random.default_rng(seed).normal(size=(2, 5, 3)).astype(np.float32)
        np.testing.assert_allclose(ours(sequences), theirs(sequences), rtol=1e-5, atol=1e-5)


def test_a_gpu_is_left_to_keras(monkeypatch):
    # There is no GPU in CI: only the question whether there is one is answered in its place.
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    _, ours = both("lstm", 4, 3)
    calls = []
    monkeypatch.setattr(keras.layers.LSTM, "inner_loop", lambda *_, **__: calls.append(1) or (tf.zeros([2, 4]),) * 3)
    ours(np.zeros((2, 5, 3), np.float32))
    assert calls == [1]
