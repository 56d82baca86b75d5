"""The drop-in layers against the Keras layers that they stand in for."""

import json
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from r2d2_burnin.networks.keras_layers import TimeFusedGRU, TimeFusedLSTM
from r2d2_burnin.runtime.tensorflow import keras, tf

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


def values_and_gradients(layer, inputs, state, mask, training=None):
    """Everything a layer returns, its states and losses, and the gradients of a fixed mixture of it."""
    inputs = inputs if isinstance(inputs, tf.Variable) else tf.constant(inputs)
    sources = [inputs, *(part for part in state or [] if not isinstance(part, np.ndarray))]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        returned = tf.nest.flatten(layer(inputs, initial_state=state, mask=mask, training=training))
        mixture = sum(
            tf.reduce_sum(tf.cast(part, tf.float64) * np.cos(np.arange(np.prod(part.shape))).reshape(part.shape))
            for part in returned
        ) + sum(tf.cast(loss, tf.float64) for loss in layer.losses)
    states = [tf.convert_to_tensor(part) for part in layer.states] if layer.stateful else []
    gradients = tape.gradient(mixture, [*sources, *layer.trainable_weights])
    return [*returned, *states, *layer.losses], gradients


def assert_same(theirs, ours, tolerance, *arguments):
    expected, got = values_and_gradients(theirs, *arguments), values_and_gradients(ours, *arguments)
    for theirs_part, ours_part in zip(tf.nest.flatten(expected), tf.nest.flatten(got), strict=True):
        assert ours_part.dtype == theirs_part.dtype
        assert ours_part.shape == theirs_part.shape
        scale = max(1.0, float(np.abs(np.asarray(theirs_part, np.float64)).max(initial=0)))
        np.testing.assert_allclose(
            np.asarray(ours_part, np.float64),
            np.asarray(theirs_part, np.float64),
            rtol=tolerance,
            atol=tolerance * scale,
        )


class Doubled(keras.constraints.Constraint):
    """A constraint that changes weights only when an optimizer asks for it."""

    def __call__(self, weights):
        return 2 * weights


def tanh(x):
    """Not the hyperbolic tangent, for all its name."""
    return x / (1 + keras.ops.abs(x))


def sigmoid(x):
    """Not the logistic function, for all its name."""
    return keras.ops.clip(0.2 * x + 0.5, 0, 1)


ACTIVATIONS = ["tanh", "sigmoid", "relu", "linear", None, tanh, sigmoid, tf.tanh, keras.ops.sigmoid]
TOLERANCES = {"float32": 5e-5, "float64": 1e-11, "float16": 0.03, "mixed_bfloat16": 0.2, "mixed_float16": 0.03}
LAYER_ARGUMENTS = {
    "activation": st.sampled_from(["tanh"] * 5 + ACTIVATIONS),
    "recurrent_activation": st.sampled_from(["sigmoid"] * 5 + ACTIVATIONS),
    "use_bias": st.sampled_from([True, True, True, False]),
    "dropout": st.sampled_from([0.0, 0.0, 0.3, 1.0]),
    "recurrent_dropout": st.sampled_from([0.0, 0.0, 0.0, 0.3, 1.0]),
    "return_sequences": st.booleans(),
    "return_state": st.booleans(),
    "go_backwards": st.booleans(),
    "stateful": st.booleans(),
    "unroll": st.sampled_from([False, False, False, True]),
    "zero_output_for_mask": st.booleans(),
    "use_cudnn": st.sampled_from(["auto", False]),
    "implementation": st.sampled_from([1, 2, 2, 2]),
    "dtype": st.sampled_from(["float32", "float32", "float64", "float16", "mixed_bfloat16", "mixed_float16"]),
    "kernel_regularizer": st.sampled_from([None, "l2"]),
    "recurrent_regularizer": st.sampled_from([None, "l1"]),
    "activity_regularizer": st.sampled_from([None, "l2"]),
    "kernel_constraint": st.sampled_from([None, Doubled()]),
    "bias_constraint": st.sampled_from([None, "non_neg"]),
    "trainable": st.booleans(),
}
MASKS = {
    "none": lambda mask: None,
    "bool": lambda mask: mask,
    "tensor": tf.constant,
    "variable": tf.Variable,
    "integers": lambda mask: mask.astype(np.int32),
    "floats": lambda mask: tf.constant(mask.astype(np.float32)),
    "three axes": lambda mask: mask[..., None],
    "in a list": lambda mask: [tf.constant(mask)],
    "all false": np.zeros_like,
}
STATES = {
    "none": lambda state: None,
    "arrays": lambda state: state,
    "tensors": lambda state: [tf.constant(part) for part in state],
    "variables": lambda state: [tf.Variable(part) for part in state],
    "float64": lambda state: [tf.constant(part, tf.float64) for part in state],
    "a tuple": lambda state: tuple(tf.constant(part) for part in state),
}


CASES = {
    "kind": st.sampled_from(sorted(PAIRS)),
    "shape": st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 3)),
    "units": st.integers(1, 5),
    "keywords": st.fixed_dictionaries({"seed": st.integers(0, 5)}, optional=LAYER_ARGUMENTS),
    "reset_after": st.sampled_from([True, True, False]),
    "mask": st.sampled_from(sorted(MASKS)),
    "state": st.sampled_from(sorted(STATES)),
    "variable": st.booleans(),
    "training": st.sampled_from([None, False, True]),
    "seed": st.integers(0, 1000),
}
PHASES = [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink]


def check_against_keras(kind, shape, units, keywords, reset_after, mask, state, variable, training, seed):
    if kind == "gru":
        keywords = {**keywords, "reset_after": reset_after}
    theirs, ours = both(kind, units, shape[2], batch=shape[0], **keywords)
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=shape).astype(theirs.compute_dtype)
    given_mask = MASKS[mask](generator.random(shape[:2]) < 0.6)
    given_state = STATES[state](
        [generator.normal(size=(shape[0], units)).astype(np.float32) for _ in range(2 if kind == "lstm" else 1)]
    )
    arguments = (tf.Variable(inputs) if variable else inputs, given_state, given_mask, training)
    try:
        values_and_gradients(theirs, *arguments)
    except Exception:  # whatever Keras raises, it does not take these arguments
        assume(False)
    theirs, ours = both(kind, units, shape[2], batch=shape[0], **keywords)  # with fresh seeds and states
    for _ in range(2):  # a stateful layer goes on from its last state
        assert_same(theirs, ours, TOLERANCES[keywords.get("dtype", "float32")], *arguments)


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=8, deadline=None, phases=PHASES)
@given(**CASES)
def test_values_and_gradients_are_those_of_keras(**case):
    check_against_keras(**case)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", sorted(PAIRS))
@pytest.mark.parametrize(
    "case",
    [
        {"keywords": {"activation": tanh}},
        {"keywords": {"recurrent_activation": sigmoid}},
        {"mask": "three axes"},
        {"mask": "in a list"},
        {"keywords": {"dropout": 0.5}, "training": True, "variable": True},
        {"keywords": {"dropout": 0.5, "implementation": 1, "use_cudnn": False}, "training": True},
        {"keywords": {"dropout": 1.0}, "training": True},
        {"keywords": {"stateful": True, "return_sequences": True}, "state": "none"},
        {"state": "float64"},
    ],
    ids=[
        "own tanh",
        "own sigmoid",
        "mask of three axes",
        "mask in a list",
        "dropout of a variable",
        "dropout by gates",
        "dropout of all",
        "stateful",
        "float64 state",
    ],
)
def test_each_kind_of_argument_is_taken_as_keras_takes_it(kind, case):
    plain = {"keywords": {}, "mask": "none", "state": "arrays", "variable": False, "training": None}
    case = {**plain, **case, "keywords": {"seed": 1, **case.get("keywords", {})}}
    check_against_keras(kind, (2, 4, 3), 3, reset_after=True, seed=0, **case)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=80, deadline=None, phases=PHASES)
@given(**CASES)
def test_values_and_gradients_are_those_of_keras_for_many_arguments(**case):
    check_against_keras(**case)


@pytest.mark.parametrize("kind", sorted(PAIRS))
@pytest.mark.parametrize("what", ["stateful", "variables"])
def test_variables_assigned_before_the_gradient_is_asked_for_change_nothing(kind, what):
    theirs, ours = both(kind, 4, 3, batch=2, stateful=what == "stateful", return_sequences=True)
    generator = np.random.default_rng(1)
    sequences = generator.normal(size=(2, 5, 3)).astype(np.float32)
    result = []
    for layer in (theirs, ours):
        layer(sequences)  # a stateful layer's state is no longer zero
        state = [tf.Variable(tf.fill([2, 4], 0.3)) for _ in range(2 if kind == "lstm" else 1)]
        inputs, mask = tf.Variable(sequences), tf.Variable(np.arange(10).reshape(2, 5) % 4 > 0)
        sources = [*layer.trainable_weights, inputs, *state]
        with tf.GradientTape() as tape:
            outputs = layer(inputs, mask=mask, initial_state=None if what == "stateful" else state)
            loss = tf.reduce_sum(tf.square(outputs) * np.arange(5)[:, None])
        changed = layer.states if what == "stateful" else [*layer.trainable_weights, inputs, *state]
        for variable in changed:
            variable.assign(variable + 1.0)
        if what == "variables":
            mask.assign(~mask)
        result.append([gradient for gradient in tape.gradient(loss, sources) if gradient is not None])
    for expected, got in zip(*result, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_a_cell_of_another_class_is_left_to_keras():
    class LSTMCell(keras.layers.LSTMCell):
        def call(self, inputs, states, training=False):
            h, (_, c) = super().call(inputs, states, training=training)
            return -h, [-h, c]

    theirs, ours = both("lstm", 4, 3)
    for layer in (theirs, ours):
        layer.cell.__class__ = LSTMCell
    sequences = np.random.default_rng(1).normal(size=(2, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(ours(sequences), theirs(sequences), rtol=1e-5, atol=1e-6)


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


LOAD = """
import sys
import keras, numpy
try:
    keras.models.load_model(sys.argv[1])
except TypeError as error:
    assert "'module': 'r2d2_burnin.keras_layers'" in str(error)
import r2d2_burnin.keras_layers
model = keras.models.load_model(sys.argv[1])
numpy.save(sys.argv[2], model.predict(numpy.ones((2, 6, 3), "float32"), verbose=0))
print(*(type(layer).__name__ for layer in model.layers), sep=", ")
"""


@pytest.mark.long
def test_a_new_process_loads_a_model_once_the_layers_are_imported(tmp_path):
    """Without `custom_objects`; before the import Keras, which imports nothing that a file names, says which module."""
    layers = [PAIRS["lstm"][1](4, return_sequences=True), PAIRS["gru"][1](4), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((6, 3)), *layers])
    path, outputs = tmp_path / "model.keras", tmp_path / "outputs.npy"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        saved = json.loads(archive.read("config.json"))["config"]["layers"][1]
    # As models saved before the layers moved into a room have it.
    assert (saved["module"], saved["registered_name"]) == ("r2d2_burnin.keras_layers", "r2d2_burnin>TimeFusedLSTM")
    done = subprocess.run(
        [sys.executable, "-c", LOAD, path, outputs], cwd="/", capture_output=True, text=True, check=False
    )
    assert done.stdout == "TimeFusedLSTM, TimeFusedGRU, Dense\n", done.stderr
    expected = model.predict(np.ones((2, 6, 3), np.float32), verbose=0)
    np.testing.assert_allclose(np.load(outputs), expected, rtol=1e-6, atol=1e-6)


def test_layers_are_pickled_by_their_public_path():
    for _, layer in PAIRS.values():
        assert pickle.loads(pickle.dumps(layer)) is layer
        assert b"r2d2_burnin.keras_layers" in pickle.dumps(layer)


def test_fit_goes_the_way_of_keras():
    losses = []
    for which in (0, 1):
        lstm, gru = (PAIRS[kind][which] for kind in ("lstm", "gru"))
        keras.utils.set_random_seed(0)
        layers = [lstm(8, return_sequences=True), gru(8), keras.layers.Dense(1)]
        model = keras.Sequential([keras.Input((6, 3)), *layers])
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
