"""One run of the staleness experiment, in a worker process: what replay holds, by the age of its states."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from experiments.common.jobs import Report, Worker
from experiments.common.results import to_json, write_sealed
from experiments.staleness.results import MEASURES, AgeCurves, RunSpecification
from r2d2_burnin.initialization import parse
from r2d2_burnin.runtime.tensorflow import use_one_thread
from r2d2_burnin.training.trainer import Trainer

FRAGMENTS = 1024
"""Fragments drawn at each measurement."""


def measure_ages(run: RunSpecification, progress: Report, worker: Worker) -> None:
    """Train a network, measure in the second half of training, and write the `AgeCurves` to `run.path`."""
    settings = run.training
    use_one_thread()
    trainer, initialization = worker.shared(Trainer, settings), parse(run.strategy)
    generator = np.random.default_rng(run.seed)
    ages: list[np.ndarray] = []
    values: dict[str, list[np.ndarray]] = {name: [] for name in MEASURES}

    def observe(update: int, replay: Any, learner: Any) -> None:
        if update < settings.updates / 2:
            return
        rows = replay.all_rows()
        rows = generator.choice(rows[replay.starts(rows) > 0], FRAGMENTS)
        measure = trainer.parts.measure(initialization)  # a network of the user's is made anew for each run
        discrepancies, _ = measure(replay.batch(rows), replay.references(rows), learner.learned_state)
        ages.append(replay.staleness(rows, update))
        for name in MEASURES:
            values[name].append(getattr(discrepancies, name))

    trainer.run(initialization, run.seed, progress, observe)
    measured = {name: np.concatenate(values[name]) for name in MEASURES}
    write_sealed(run.path, to_json(age_curves(np.concatenate(ages), measured, settings.updates_between)))


def age_curves(age: np.ndarray, measured: dict[str, np.ndarray], updates_between: int) -> AgeCurves:
    """Means over fragments of like age, and the slope of a line through ΔQ.

    Args:
        age: of the state that each measured fragment starts from, in learner updates, `[N]`.
        measured: `MEASURES`, `[N]` each.
        updates_between: learner updates between two rounds of acting.
    """
    bins = np.digitize(age, age_edges(int(age.max()), updates_between)) - 1
    members = [bins == index for index in np.unique(bins)]
    slope = stats.linregress(age / 100, measured["delta_q_first_exact"]).slope if np.ptp(age) else None
    return AgeCurves(
        oldest=int(age.max()),
        age=[float(age[mine].mean()) for mine in members],
        fragments=[int(mine.sum()) for mine in members],
        **{name: [float(values[mine].mean()) for mine in members] for name, values in measured.items()},
        delta_q_first_exact_per_100_updates=None if slope is None else float(slope),
    )


def age_edges(oldest: int, updates_between: int) -> np.ndarray:
    """Edges of the age bins: the youngest fragments alone, then one more round of acting, then doubling."""
    edges = [0, 1]
    while edges[-1] <= oldest:
        edges.append(max(2 * edges[-1], updates_between + 1))
    return np.array(edges)
