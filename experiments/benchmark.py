"""Time what this project makes fast, against the public way of doing it, in turns within one process.

Machines are shared and noisy, so the ratios count: every repetition times all candidates one after another, and the
ratio is the median of the repetitions' ratios.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from experiments.common.report import table
from r2d2_burnin.command_line import fail, from_command_line


@dataclasses.dataclass(frozen=True)
class Settings:
    """The flags of the command line."""

    batch_size: int = 32
    """Fragments in an update."""
    sequence_length: int = 20
    """Trained steps of a fragment, T."""
    units: int = 32
    """Units of the dense layer and of the LSTM."""
    updates: int = 20
    """Updates that are compiled as one program, in the row that says so."""
    repetitions: int = 15
    """Rounds through all candidates."""
    threads: int = 1
    """Threads of TensorFlow; small networks are fastest on one."""


def train_steps(settings: Settings) -> dict[str, Callable[[], Any]]:
    """One training step (or several, see `steps_of`) of the same network, in each way."""
    from r2d2_burnin.learner import Learner
    from r2d2_burnin.networks import DenseRecurrentNetwork
    from r2d2_burnin.objectives import Regression
    from r2d2_burnin.quiet_tensorflow import keras, tf
    from r2d2_burnin.replay import FragmentBatch
    from r2d2_burnin.settings import LearnerSettings, NetworkSettings

    shape = (settings.updates, settings.batch_size, settings.sequence_length)
    observations = np.random.default_rng(0).integers(0, 2, (*shape, 1)).astype(np.float32)
    targets = observations[..., 0].cumsum(-1)
    network = DenseRecurrentNetwork(1, 1, NetworkSettings(settings.units))
    learner = Learner(network, Regression(settings.sequence_length + 1), LearnerSettings(), updates=100_000)
    batches = FragmentBatch(
        observations=observations,
        labels={"target": targets},
        mask=np.ones(shape, bool),
        weights=np.ones(shape[:2], np.float32),
        burn_in_observations=observations[:, :, :0],
        burn_in_mask=np.ones((*shape[:2], 0), bool),
        start_state=tf.nest.map_structure(
            lambda zero: np.zeros((settings.updates, *zero.shape), np.float32), network.initial_state(shape[1])
        ),
        from_initial_state=np.ones(shape[:2], bool),
    )
    one = tf.nest.map_structure(lambda array: array[:1], batches)

    def keras_step(compiled: bool) -> Callable[[], Any]:
        model = keras.Sequential(
            [
                keras.Input((settings.sequence_length, 1)),
                keras.layers.Dense(settings.units, "relu"),
                keras.layers.LSTM(settings.units, return_sequences=True),
                keras.layers.Dense(1),
            ]
        )
        optimizer = keras.optimizers.Adam(1e-3, global_clipnorm=10.0)
        optimizer.build(model.trainable_variables)

        def step(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(model(x, training=True)[..., 0] - y))
            optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            return loss

        function = tf.function(step, jit_compile=compiled)
        x, y = tf.constant(observations[0]), tf.constant(targets[0])
        return lambda: function(x, y).numpy()

    return {
        "Keras LSTM in tf.function": keras_step(False),
        "Keras LSTM in tf.function with XLA": keras_step(True),
        "time-fused LSTM, one update a call": lambda: learner.update(one),
        f"time-fused LSTM, {settings.updates} updates a call": lambda: learner.update(batches),
    }


def replay_draws() -> dict[str, Callable[[], Any]]:
    """64 fragments of 120 steps of 144 numbers, with their states of 512 units: drawn, and merely copied."""
    from r2d2_burnin.episodes import Episode
    from r2d2_burnin.initialization import parse
    from r2d2_burnin.objectives import Regression
    from r2d2_burnin.replay import Replay
    from r2d2_burnin.settings import ReplaySettings

    generator = np.random.default_rng(0)
    settings = ReplaySettings(sequence_length=80, period=40, replay_capacity=100_000)
    replay = Replay(settings, parse("stored+40"), Regression(2))
    length = 400
    for _ in range(200):
        state = generator.random((length, 512), np.float32)
        replay.add(
            Episode(
                observations=generator.random((length, 144), np.float32),
                actions=np.zeros(length, np.int64),
                rewards=np.zeros(length, np.float32),
                targets=np.zeros(length, np.float32),
                outputs=np.zeros((length, 1), np.float32),
                states=((state, state),),
                updates=np.zeros(length, np.int64),
                terminated=True,
                final_observation=np.zeros(144, np.float32),
                environment=0,
            )
        )
    same = np.zeros((64, 120, 144), np.float32)
    states = np.zeros((2, 64, 512), np.float32)
    return {
        "copy of the same bytes": lambda: (same.copy(), states.copy()),
        "replay: sample and batch": lambda: replay.batch(replay.sample(generator, 64)),
    }


PRIORITIES = (10_000, 1_000_000)
"""Fragments in replay, for the cost of priorities."""


def priority_rounds() -> dict[str, Callable[[], Any]]:
    """Drawing 64 fragments by priority and changing their priorities, in a small and in a large replay."""
    from r2d2_burnin.priorities import SumTree

    generator = np.random.default_rng(0)

    def round_of(rows: int) -> Callable[[], Any]:
        tree = SumTree()
        tree.append(generator.random(rows))

        def draw_and_change() -> None:
            drawn = tree.sample(generator, (64,))
            tree.set(drawn, generator.random(64))

        return draw_and_change

    return {f"{rows:,} fragments": round_of(rows) for rows in PRIORITIES}


def measure(candidates: dict[str, Callable[[], Any]], repetitions: int, calls: dict[str, int]) -> dict[str, np.ndarray]:
    """Seconds of a call, `[repetitions]` for each candidate, measured in turns, `calls` times (or once) each."""
    for candidate in candidates.values():
        candidate()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in tqdm(range(repetitions), unit="round", disable=not sys.stderr.isatty()):
        for name, candidate in candidates.items():
            count = calls.get(name, 1)
            began = time.perf_counter()
            for _ in range(count):
                candidate()
            seconds[name].append((time.perf_counter() - began) / count)
    return {name: np.array(values) for name, values in seconds.items()}


def rows(seconds: dict[str, np.ndarray], steps: dict[str, int], unit: float) -> list[list[str]]:
    """Median time of a step, and its ratio to the first candidate's, in table rows."""
    per_step = {name: values / steps.get(name, 1) for name, values in seconds.items()}
    first = next(iter(per_step.values()))
    return [[name, f"{np.median(v) * unit:.3g}", f"{np.median(v / first):.2f}"] for name, v in per_step.items()]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its tables."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    settings = from_command_line(Settings, "experiments.benchmark", __doc__ or "", given)
    for name, value in dataclasses.asdict(settings).items():
        if value < 1:
            fail(f"{name}: got {value}, expected at least 1")
    from r2d2_burnin.quiet_tensorflow import tf

    tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
    tf.config.threading.set_inter_op_parallelism_threads(settings.threads)

    candidates = train_steps(settings)
    several = list(candidates)[-1]
    calls = {name: settings.updates for name in candidates if name != several} if settings.units < 128 else {}
    found = measure(candidates, settings.repetitions, calls)
    print(f"train step, batch {settings.batch_size}, T {settings.sequence_length}, {settings.units} units")
    print(table(rows(found, {several: settings.updates}, 1e3), ("", "ms a step", "ratio")))

    draws = replay_draws()
    found = measure(draws, settings.repetitions, dict.fromkeys(draws, 10))
    print("\nreplay: 64 fragments of 120 steps of 144 numbers, with states of 512 units")
    print(table(rows(found, {}, 1e6), ("", "µs a draw", "ratio")))

    rounds = priority_rounds()
    found = measure(rounds, settings.repetitions, dict.fromkeys(rounds, 100))
    print("\npriorities: 64 fragments drawn, and their priorities changed")
    print(table(rows(found, {}, 1e6), ("", "µs a round", "ratio")))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
