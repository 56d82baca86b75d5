"""Benchmarks of the train step: against Keras and PyTorch, and against a plain matrix product."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.benchmark.peers import counted_bits, peers, torch_train_step
from experiments.benchmark.settings import Settings
from experiments.benchmark.timing import Candidates, Row, measure, ratio_rows
from r2d2_burnin.data import FragmentBatch
from r2d2_burnin.learning.learner import Learner
from r2d2_burnin.learning.objectives import Regression
from r2d2_burnin.networks.keras_layers import TimeFusedLSTM
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork
from r2d2_burnin.runtime.tensorflow import keras, tf
from r2d2_burnin.settings import LearnerSettings, NetworkSettings


def small(settings: Settings) -> list[Row]:
    """Train step, batch 32, T 20, 32 units, one thread."""
    _threads(1)
    batch, steps, units, updates = 32, 20, 32, 20
    several = our_step(units, batch, steps, updates=updates)
    fit, fit_updates = keras_fit(units, batch, steps)
    candidates: Candidates = {
        "time-fused, 20 updates a call": several,
        "time-fused, one update a call": our_step(units, batch, steps),
        "Keras LSTM in tf.function": keras_step(units, batch, steps, compiled=False),
        "Keras LSTM with XLA": keras_step(units, batch, steps, compiled=True),
        "Keras with our layer, with XLA": keras_step(units, batch, steps, compiled=True, layer=TimeFusedLSTM),
        "Keras Model.fit": fit,
        **torch_step(units, batch, steps, threads=1),
    }
    per_call = {"time-fused, 20 updates a call": updates, "Keras Model.fit": fit_updates}
    goals = {"Keras LSTM in tf.function": 2.5, "torch.nn.LSTM": 1.0, "Keras Model.fit": 10.0}
    seconds = measure(candidates, settings.repetitions, calls=10, steps=per_call)
    return ratio_rows("train step, batch 32, T 20, 32 units", seconds, "ms", goals)


def large(settings: Settings) -> list[Row]:
    """Train step, batch 64, T 80, 512 units, two threads; and a burn-in of 40 steps added to it."""
    _threads(2)
    batch, steps, units = 64, 80, 512
    candidates: Candidates = {
        "time-fused": our_step(units, batch, steps),
        "Keras LSTM in tf.function": keras_step(units, batch, steps, compiled=False),
        "Keras LSTM with XLA": keras_step(units, batch, steps, compiled=True),
        "Keras with our layer, with XLA": keras_step(units, batch, steps, compiled=True, layer=TimeFusedLSTM),
        **torch_step(units, batch, steps, threads=2),
    }
    product, product_flops = large_product()
    flops = 3 * 2 * batch * steps * 4 * units * 2 * units  # forward, and twice that backward
    limit = "the same FLOP in one matrix product"
    seconds = measure({**candidates, limit: product}, settings.repetitions, steps={limit: product_flops / flops})
    goals = {"Keras LSTM in tf.function": 3.5, "torch.nn.LSTM": 1 / 1.1, limit: 0.7}
    result = ratio_rows("train step, batch 64, T 80, 512 units", seconds, "ms", goals)

    pair = {"with burn-in 40": our_step(units, batch, steps, burn_in=40), "without": our_step(units, batch, steps)}
    seconds = measure(pair, 2 * settings.repetitions)
    return result + ratio_rows("burn-in of 40 steps added to that step", seconds, "ms", {"without": 1 / 1.2})


def precision(settings: Settings) -> list[Row]:
    """Train step of the Keras drop-in layer in float32, bfloat16 and mixed_bfloat16: batch 64, T 80, 256 units."""
    _threads(2)
    batch, steps, units = 64, 80, 256
    candidates = {
        policy: keras_step(units, batch, steps, compiled=True, layer=TimeFusedLSTM, dtype=policy)
        for policy in ("float32", "bfloat16", "mixed_bfloat16")
    }
    return ratio_rows("precision, batch 64, T 80, 256 units", measure(candidates, settings.repetitions), "ms", {})


def drop_in(settings: Settings) -> list[Row]:
    """`fit` and `predict` of a Keras model with the drop-in layer, with Keras' defaults and with XLA, one thread."""
    _threads(1)
    return [
        *_drop_in(settings.repetitions, units=32, batch=32, steps=20, batches=40),
        *_drop_in(settings.repetitions, units=256, batch=64, steps=80, batches=4),
    ]


def _drop_in(repetitions: int, *, units: int, batch: int, steps: int, batches: int) -> list[Row]:
    x, y = counted_bits((batch * batches, steps))
    candidates = {
        "our layer, jit_compile=True": (TimeFusedLSTM, True),
        "our layer by default": (TimeFusedLSTM, "auto"),
        "Keras LSTM by default": (keras.layers.LSTM, "auto"),
        "Keras LSTM, jit_compile=True": (keras.layers.LSTM, True),
    }
    models = {name: keras_model(units, steps, layer) for name, (layer, _) in candidates.items()}
    for name, (_, jit_compile) in candidates.items():
        models[name].compile("adam", "mse", jit_compile=jit_compile)
    calls: dict[str, Callable[[Any], Any]] = {
        "fit": lambda model: model.fit(x, y[..., None], batch_size=batch, epochs=1, shuffle=False, verbose=0),
        "predict": lambda model: model.predict(x, batch_size=batch, verbose=0),
    }
    result = []
    for method, call in calls.items():
        timed: Candidates = {name: functools.partial(call, model) for name, model in models.items()}
        seconds = measure(timed, repetitions, steps=dict.fromkeys(timed, batches))
        work = f"Keras {method}, a batch of {batch}, T {steps}, {units} units"
        result += ratio_rows(work, seconds, "ms", {})
    return result


def our_step(units: int, batch: int, steps: int, *, burn_in: int = 0, updates: int = 1) -> Callable[[], Any]:
    """Updates of a learner, several in a call."""
    shape = (updates, batch, steps)
    observations, targets = counted_bits(shape)
    unseen = np.zeros((updates, batch, burn_in, 1), np.float32)
    network = DenseRecurrentNetwork(1, 1, NetworkSettings(units))
    learner = Learner(network, Regression(steps + 1), LearnerSettings(), updates=100_000)
    batches = FragmentBatch(
        processed=np.concatenate([unseen, observations], 2),
        labels={"target": targets},
        mask=np.ones(shape, bool),
        weights=np.ones(shape[:2], np.float32),
        burn_in_mask=np.ones((*shape[:2], burn_in), bool),
        start_state=tf.nest.map_structure(
            lambda zero: np.zeros((updates, *zero.shape), np.float32), network.initial_state(batch)
        ),
        from_initial_state=np.ones(shape[:2], bool),
    )
    return lambda: learner.update(batches)


def keras_model(units: int, steps: int, layer: Any = keras.layers.LSTM, dtype: str = "float32") -> Any:
    """The same network of Keras layers."""
    return keras.Sequential(
        [
            keras.Input((steps, 1)),
            keras.layers.Dense(units, "relu", dtype=dtype),
            # Keras' orthogonal matrices need a decomposition that there is none of in bfloat16.
            layer(units, return_sequences=True, dtype=dtype, recurrent_initializer="glorot_uniform"),
            keras.layers.Dense(1, dtype=dtype),
        ]
    )


def keras_step(
    units: int,
    batch: int,
    steps: int,
    *,
    compiled: bool,
    layer: Any = keras.layers.LSTM,
    dtype: str = "float32",
) -> Callable[[], Any]:
    """One update of the Keras network in a `tf.function`."""
    model = keras_model(units, steps, layer, dtype)
    optimizer = keras.optimizers.Adam(1e-3, global_clipnorm=10.0)
    optimizer.build(model.trainable_variables)

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(tf.cast(model(x, training=True)[..., 0], tf.float32) - y))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    function = tf.function(step, jit_compile=compiled)
    x, y = (tf.constant(values) for values in counted_bits((batch, steps)))
    return lambda: function(x, y).numpy()


def keras_fit(units: int, batch: int, steps: int) -> tuple[Callable[[], Any], int]:
    """An epoch of `Model.fit` as the article has it, with its validation data and progress; and its updates."""
    model = keras_model(units, steps)
    model.compile("adam", "mse")
    x, y = counted_bits((1000, steps))
    updates = -(-900 // batch)
    return lambda: model.fit(x, y[..., None], batch_size=batch, epochs=1, validation_split=0.1, verbose=0), updates


def torch_step(units: int, batch: int, steps: int, *, threads: int) -> Candidates:
    """One update of the same network in PyTorch, where it is installed, in a process of its own."""
    builds = {"torch.nn.LSTM": torch_train_step}
    return peers("torch", builds, units=units, batch=batch, steps=steps, threads=threads)


def large_product() -> tuple[Callable[[], Any], int]:
    """A float32 matrix product large enough to reach what the machine can, and its floating-point operations."""
    size = 3072
    a = tf.random.normal((size, size), seed=0)
    return lambda: tf.matmul(a, a).numpy(), 2 * size**3


def _threads(count: int) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(count)
