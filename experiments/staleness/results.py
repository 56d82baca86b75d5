"""Runs of the staleness experiment, their results, and what these add up to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from experiments.common.experiment import Table
from experiments.common.results import to_json
from experiments.common.statistics import Estimate, estimate
from r2d2_burnin.settings import TrainingSettings

MEASURES = ("delta_q_first_exact", "delta_q_last_exact", "state_error")
"""What is measured by the age of states."""

HEADER = ("strategy", "learning_rate", "replay_ratio", "seed", "age", "fragments", *MEASURES)
"""Columns of `metrics.csv`."""


@dataclasses.dataclass(frozen=True)
class Case:
    """One combination of what is tried."""

    strategy: str
    learning_rate: float
    replay_ratio: float

    @property
    def name(self) -> str:
        """Of its runs' files."""
        return f"{self.strategy}_lr{self.learning_rate:g}_ratio{self.replay_ratio:g}"

    def training(self, settings: TrainingSettings) -> TrainingSettings:
        """The training settings of the case, from those that all cases share."""
        learner = dataclasses.replace(
            settings.learner, learning_rate=self.learning_rate, final_learning_rate=self.learning_rate
        )
        trained = settings.batch_size * settings.replay.sequence_length * settings.updates_between
        return dataclasses.replace(settings, learner=learner, new_steps=max(round(trained / self.replay_ratio), 1))


@dataclasses.dataclass(frozen=True)
class RunSpecification:
    """What a worker needs to know of a run."""

    training: TrainingSettings
    strategy: str
    seed: int
    path: Path  # of the result


@dataclasses.dataclass(frozen=True)
class AgeCurves:
    """The result of a run: means over fragments of like age, from the youngest to the oldest, A of them."""

    oldest: int  # age of the oldest state, in learner updates
    age: list[float]  # [A], learner updates
    fragments: list[int]  # [A]
    delta_q_first_exact: list[float]  # [A]
    delta_q_last_exact: list[float]  # [A]
    state_error: list[float]  # [A], L2
    delta_q_first_exact_per_100_updates: float | None  # slope of a line; None where all ages are the same


@dataclasses.dataclass(frozen=True)
class AgeResults:
    """Finished runs by case and seed."""

    environment: str
    objective: str
    runs: dict[Case, dict[int, AgeCurves]]

    def estimate(self, case: Case, value_of: Callable[[AgeCurves], float | None]) -> Estimate | None:
        """A number of each run of a case, over seeds."""
        values = [value_of(curves) for curves in self.runs[case].values()]
        return estimate([value for value in values if value is not None])

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """All results, as `metrics.csv` has them."""
        for case, by_seed in self.runs.items():
            for seed, curves in by_seed.items():
                columns = (getattr(curves, name) for name in ("age", "fragments", *MEASURES))
                for row in zip(*columns, strict=True):
                    yield case.strategy, case.learning_rate, case.replay_ratio, seed, *row


def summary(results: AgeResults) -> dict[str, Any]:
    """The content of `summary.json`."""
    cases = []
    for case, by_seed in results.runs.items():
        slope = results.estimate(case, lambda curves: curves.delta_q_first_exact_per_100_updates)
        cases.append(
            {
                **to_json(case),
                "delta_q_first_exact_per_100_updates": None if slope is None else slope.as_json(),
                "runs": {str(seed): to_json(curves) for seed, curves in by_seed.items()},
            }
        )
    return {"env": results.environment, "objective": results.objective, "cases": cases}


def result_table(results: AgeResults) -> Table:
    """The ends of the curves, one row a case."""
    columns: dict[str, Callable[[AgeCurves], float | None]] = {
        "ΔQ first, youngest": lambda curves: curves.delta_q_first_exact[0],
        "ΔQ first, oldest": lambda curves: curves.delta_q_first_exact[-1],
        "age of the oldest (updates)": lambda curves: curves.age[-1],
        "ΔQ first, each 100 updates": lambda curves: curves.delta_q_first_exact_per_100_updates,
        "state error, oldest": lambda curves: curves.state_error[-1],
    }
    rows = []
    for case in results.runs:
        values = [results.estimate(case, value_of) for value_of in columns.values()]
        texts = ["-" if value is None else str(value) for value in values]
        rows.append([case.strategy, f"{case.learning_rate:g}", f"{case.replay_ratio:g}", *texts])
    return Table(["initialization", "learning rate", "replay ratio", *columns], rows)


def finding(results: AgeResults) -> str:
    """One sentence: from the youngest to the oldest states, at the largest learning rate and replay ratio."""
    finished = {case: by_seed for case, by_seed in results.runs.items() if by_seed}
    if not finished:
        return "no run has finished"
    rate = max(case.learning_rate for case in finished)
    ratio = max(case.replay_ratio for case in finished)
    texts = []
    for case, by_seed in finished.items():
        if (case.learning_rate, case.replay_ratio) == (rate, ratio):
            ends = [np.mean([curves.delta_q_first_exact[end] for curves in by_seed.values()]) for end in (0, -1)]
            texts.append(f"{case.strategy} {ends[0]:.2g} to {ends[1]:.2g}")
    where = f"learning rate {rate:g}, replay ratio {ratio:g}"
    return f"ΔQ from the youngest to the oldest states at {where}: {'; '.join(texts)}"
