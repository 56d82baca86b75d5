"""Benchmarks of whole commands: the default comparison, and what a user waits for at its start."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from experiments.benchmark.settings import Settings
from experiments.benchmark.timing import Row
from r2d2_burnin.runtime.tensorflow import keras

PYTHON = [sys.executable, "-P"]
"""Python without the working directory in front of the path: it may hold other packages of our names."""

COMPARISON = [*PYTHON, "-m", "experiments.burnin_compare"]


def comparison(settings: Settings) -> list[Row]:
    """The default `burnin_compare`, 25 networks, beside the article's way to train two: whole commands, once each."""
    with tempfile.TemporaryDirectory() as directory:
        ours = _seconds([*COMPARISON, "--out", str(Path(directory) / "out")])
    theirs = _seconds([*PYTHON, "-c", "from experiments.benchmark.whole import article; article()"])
    work = "default comparison, 25 networks, start to report"
    return [Row(work, "burnin_compare", ours, "s", "the article's way, 2 networks", theirs, theirs / ours, 1.0)]


def start_up(settings: Settings) -> list[Row]:
    """Seconds until `--help` has answered, and until the first progress bar of the default comparison."""
    helped = float(np.median([_seconds([*COMPARISON, "--help"]) for _ in range(min(settings.repetitions, 5))]))
    with tempfile.TemporaryDirectory() as directory:
        bar = seconds_until([*COMPARISON, "--out", str(Path(directory) / "out")], b"| 0/")
    return [
        Row("--help answers", "burnin_compare --help", helped, "s", "goal", 1.0, 1.0 / helped, 1.0),
        Row("first progress bar", "burnin_compare", bar, "s", "goal", 8.0, 8.0 / bar, 1.0),
    ]


def article() -> None:
    """Train two networks as the article does: last count and running counts of 1000 sequences, `Model.fit`."""
    bits = np.random.default_rng(0).integers(0, 2, (1000, 20, 1)).astype(np.float32)
    counts = bits.cumsum(1)
    for every_step in (False, True):
        model = keras.Sequential(
            [
                keras.Input((20, 1)),
                keras.layers.Dense(32, "relu"),
                keras.layers.LSTM(32, return_sequences=every_step),
                keras.layers.Dense(1),
            ]
        )
        model.compile("adam", "mse")
        targets = counts if every_step else counts[:, -1]
        model.fit(bits, targets, batch_size=32, epochs=100, validation_split=0.1, verbose=2)


def seconds_until(command: list[str], shown: bytes) -> float:
    """Seconds until a command, which is ended then, has written something to its terminal.

    Raises:
        RuntimeError: when it ends without.
    """
    terminal, of_command = os.openpty()  # without one it would log lines instead of showing bars
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=of_command, env=_environment())
    os.close(of_command)
    seen = b""
    try:
        while shown not in seen:
            read = _read(terminal)
            if not read:
                raise RuntimeError(f"{' '.join(command)} ended without showing {shown!r}: {seen[-500:]!r}")
            seen += read
    finally:
        seconds = time.perf_counter() - began
        process.terminate()
        process.wait()
        os.close(terminal)
    return seconds


def _read(terminal: int) -> bytes:
    """What was written to a terminal; nothing once its other end is closed."""
    try:
        return os.read(terminal, 4096)
    except OSError:  # so Linux says it
        return b""


def _environment() -> dict[str, str]:
    """Environment variables with which other processes find what this one finds."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment())
    return time.perf_counter() - began
