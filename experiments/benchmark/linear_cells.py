"""Benchmark of linear recurrences: a train step of each, by the loop and by the scan, beside the LSTM's."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.benchmark.settings import Settings
from experiments.benchmark.timing import Row, measure, ratio_rows
from r2d2_burnin.networks.cells.lru import LRU
from r2d2_burnin.networks.cells.mingru import MinGRU
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork
from r2d2_burnin.runtime.tensorflow import tf, use_one_thread
from r2d2_burnin.settings import NetworkSettings

STEPS = (20, 80, 320, 1000)
"""Steps of a sequence, T."""

UNITS = (32, 128, 512)

LARGEST = 1000 * 128
"""Steps times units, at most: a batch of 32 of the largest has 16 MB for each array of all steps."""

CELLS = {
    "LRU, loop": "experiments.benchmark.linear_cells:lru_by_loop",
    "LRU, scan": "experiments.benchmark.linear_cells:lru_by_scan",
    "minGRU, loop": "experiments.benchmark.linear_cells:mingru_by_loop",
    "minGRU, scan": "experiments.benchmark.linear_cells:mingru_by_scan",
    "LSTM": "lstm",
}


def lru_by_loop() -> LRU:
    """An LRU unrolled step by step."""
    return LRU(way="loop")


def lru_by_scan() -> LRU:
    """An LRU unrolled by a parallel scan."""
    return LRU(way="scan")


def mingru_by_loop() -> MinGRU:
    """A minGRU unrolled step by step."""
    return MinGRU(way="loop")


def mingru_by_scan() -> MinGRU:
    """A minGRU unrolled by a parallel scan."""
    return MinGRU(way="scan")


def linear_cells(settings: Settings) -> list[Row]:
    """Gradients of whole networks, batch 32, one thread: the loop beside the scan, and both beside the LSTM."""
    use_one_thread()
    rows = []
    for steps, units in itertools.product(STEPS, UNITS):
        if steps * units > LARGEST:
            continue
        candidates = {name: gradient_step(cell, units, 32, steps) for name, cell in CELLS.items()}
        calls = max(1, 10_000 // (steps * units))
        seconds = measure(candidates, min(settings.repetitions, 7), calls=calls)
        work = f"gradients, batch 32, T {steps}, {units} units"
        for cell in ("LRU", "minGRU"):
            loop, scan = f"{cell}, loop", f"{cell}, scan"
            pairs = {name: seconds[name] for name in (loop, scan, "LSTM")}
            rows += ratio_rows(work, pairs, "ms", {})
    return rows


def gradient_step(cell: str, units: int, batch: int, steps: int) -> Callable[[], Any]:
    """Loss and gradients of a network with one such layer, on random numbers, in one compiled program."""
    network = DenseRecurrentNetwork(1, 1, NetworkSettings(units, cell))
    x = tf.constant(np.random.default_rng(0).normal(size=(batch, steps, 1)), tf.float32)

    def gradients(x: Any) -> Any:
        with tf.GradientTape() as tape:
            outputs, _ = network.unroll(x, network.initial_state(batch))
            loss = tf.reduce_mean(tf.square(outputs))
        return tape.gradient(loss, network.trainable_variables)

    function = tf.function(gradients, jit_compile=True)
    return lambda: function(x)[0].numpy()
