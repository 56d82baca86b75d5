"""Benchmarks of replay: drawing fragments, drawing by priority, and the bytes held."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.benchmark.peers import cpprb_draw, cpprb_priorities, peers
from experiments.benchmark.settings import Settings
from experiments.benchmark.timing import Candidates, Row, measure, ratio_rows
from r2d2_burnin.data import Episode
from r2d2_burnin.initialization import parse
from r2d2_burnin.learning.objectives import Regression
from r2d2_burnin.replay.buffer import Replay
from r2d2_burnin.replay.references import ReferenceSample
from r2d2_burnin.replay.sum_tree import SumTree
from r2d2_burnin.settings import ReplaySettings

BATCH, BURN_IN, TRAINED, FEATURES, UNITS = 64, 40, 80, 144, 512
FRAGMENTS = 1800
"""Fragments in replay: more than the processor's caches hold, so that everybody reads from memory."""


def drawing(settings: Settings) -> list[Row]:
    """64 fragments of 120 steps of 144 numbers, with states of 512 units."""
    generator = np.random.default_rng(0)
    replay = filled_replay()
    processed = BURN_IN + TRAINED
    steps = generator.random((FRAGMENTS * 40, FEATURES), np.float32)
    states = generator.random((FRAGMENTS, 2 * UNITS), np.float32)

    def gather() -> Any:
        first = generator.integers(0, len(steps) - processed, BATCH)
        return steps[first[:, None] + np.arange(processed)], states[generator.integers(0, FRAGMENTS, BATCH)]

    size = BATCH * (processed * FEATURES + 2 * UNITS)
    copies = itertools.cycle([generator.random(size, np.float32) for _ in range(16)])
    candidates: Candidates = {
        "sample and batch": lambda: replay.batch(replay.sample(generator, BATCH)),
        "memcpy of the same bytes": lambda: next(copies).copy(),
        "NumPy row gather": gather,
        **peers(
            "cpprb",
            {"cpprb": cpprb_draw},
            processed=processed,
            features=FEATURES,
            units=UNITS,
            fragments=FRAGMENTS,
            batch=BATCH,
        ),
    }
    seconds = measure(candidates, settings.repetitions, calls=20)
    goals = {"memcpy of the same bytes": 0.7, "cpprb": 2.0}
    return ratio_rows("replay, draw 64 fragments of 120 x 144 with states", seconds, "µs", goals)


def priorities(settings: Settings) -> list[Row]:
    """64 fragments drawn by priority, and their priorities changed, among a million."""
    count = 1_000_000
    candidates: Candidates = {"sum tree": _our_round(count)}
    candidates |= peers("cpprb", {"cpprb": cpprb_priorities}, count=count, batch=BATCH)
    candidates["the same among 10,000"] = _our_round(10_000)
    seconds = measure(candidates, settings.repetitions, calls=100)
    return ratio_rows("priorities, draw and change 64 of 1,000,000", seconds, "µs", {"cpprb": 0.5})


def memory(settings: Settings) -> list[Row]:
    """Bytes of a full replay, beside those of its distinct steps and stored states; nothing is timed."""
    replay = filled_replay()
    a_step = 4 * FEATURES + 3 * 4  # observation, action, reward, target
    needed = replay.steps * a_step + len(replay) * 2 * UNITS * 4
    unshared = len(replay) * ((BURN_IN + TRAINED) * a_step + 2 * UNITS * 4)
    held = replay.nbytes - replay.reference_bytes
    work, ours = "replay, bytes held", "replay"
    return [
        Row(work, ours, held / 1e6, "MB", "distinct steps and states", needed / 1e6, needed / held, 1 / 1.1),
        Row(work, ours, held / 1e6, "MB", "every fragment its own steps", unshared / 1e6, unshared / held),
    ]


def idle_episode(observations: np.ndarray, state: np.ndarray) -> Episode:
    """An episode with these observations `[L, O]` and states (twice `[L, H]`), in which nothing is done or earned."""
    length = len(observations)
    return Episode(
        observations=observations,
        actions=np.zeros(length, np.int64),
        rewards=np.zeros(length, np.float32),
        targets=np.zeros(length, np.float32),
        outputs=np.zeros((length, 1), np.float32),
        states=((state, state),),
        updates=np.zeros(length, np.int64),
        terminated=True,
        final_observation=np.zeros(observations.shape[1], np.float32),
        environment=0,
    )


def filled_replay() -> Replay:
    """A replay of episodes of 400 steps, filled to its capacity."""
    generator = np.random.default_rng(0)
    length = 400
    settings = ReplaySettings(TRAINED, 40, FRAGMENTS * 40)
    replay = Replay(settings, parse(f"stored+{BURN_IN}"), Regression(2), references=ReferenceSample())
    for _ in range(settings.replay_capacity // length + 20):
        state = generator.random((length, UNITS), np.float32)
        replay.add(idle_episode(generator.random((length, FEATURES), np.float32), state))
    return replay


def _our_round(count: int) -> Callable[[], None]:
    generator = np.random.default_rng(0)
    tree = SumTree()
    tree.append(generator.random(count))

    def draw_and_change() -> None:
        drawn = tree.sample(generator, (BATCH,))
        tree.set(drawn, generator.random(BATCH))

    return draw_and_change
