"""Runs of the staleness experiment, their results, and what these add up to."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from experiments.common.report import Table
from experiments.common.results import to_json
from experiments.common.statistics import LEVEL, Contrast, Estimate, compare_all, estimate, holm
from r2d2_burnin.runtime.formatting import listed, number
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
    flags: tuple[str, ...] = ()
    """Those of the command line that name the environment."""

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
        "ΔQ first, change in 100 updates": lambda curves: curves.delta_q_first_exact_per_100_updates,
        "state error (L2), oldest": lambda curves: curves.state_error[-1],
    }
    rows = []
    for case in results.runs:
        values = [results.estimate(case, value_of) for value_of in columns.values()]
        texts = ["-" if value is None else str(value) for value in values]
        rows.append([case.strategy, f"{case.learning_rate:g}", f"{case.replay_ratio:g}", *texts])
    return Table(["initialization", "learning rate", "replay ratio", *columns], rows, MEANINGS)


MEANINGS = {
    "replay ratio": "Trained steps for each acted one.",
    "ΔQ first, youngest": "At the first trained step against the exact state, of the youngest states in replay.",
    "ΔQ first, oldest": "The same of the oldest states in replay.",
    "age of the oldest (updates)": "Learner updates between storing and measuring the oldest states.",
    "ΔQ first, change in 100 updates": "The slope of ΔQ at the first trained step over age.",
    "state error (L2), oldest": "The distance of the oldest stored states from the exact ones.",
}
"""What columns show, by header."""


def growth(results: AgeResults) -> dict[str, Contrast]:
    """ΔQ of the oldest states against that of the youngest ones, by initialization, over seeds; ratios.

    Of each seed it is the geometric mean over learning rates and replay ratios. Paired t-tests of the logarithms; the
    p-values are adjusted over the initializations (Holm, 1979), and a direction is that of the adjusted test.
    """
    contrasts = {}
    for name in dict.fromkeys(case.strategy for case in results.runs):
        cases = [by_seed for case, by_seed in results.runs.items() if case.strategy == name and by_seed]
        seeds = set.intersection(*map(set, cases)) if cases else set()
        if seeds:
            ends = {
                which: {seed: _mean_delta_q([by_seed[seed] for by_seed in cases], end) for seed in sorted(seeds)}
                for which, end in (("youngest", 0), ("oldest", -1))
            }
            (contrasts[name],) = compare_all(ends, "youngest", higher_is_better=False)
    adjusted, _ = holm({name: contrast.p for name, contrast in contrasts.items() if contrast.is_tested})
    return {
        name: dataclasses.replace(contrast, p=adjusted.get(name, 1.0), direction=contrast.direction if
                                  adjusted.get(name, 1.0) <= LEVEL else None)
        for name, contrast in contrasts.items()
    }  # fmt: skip


def _mean_delta_q(runs: list[AgeCurves], end: int) -> float:
    """Geometric mean over runs of ΔQ at one end of the ages; 0 where one of them is 0."""
    values = [curves.delta_q_first_exact[end] for curves in runs]
    return float(np.exp(np.mean(np.log(values)))) if min(values) > 0 else 0.0


def finding(results: AgeResults) -> str:
    """One sentence: whether ΔQ grows from the youngest to the oldest states, as far as tests say so."""
    contrasts = growth(results)
    if not contrasts:
        return "no run has finished"
    times = {name: f"{name} ({number(math.exp(contrast.estimate))} times)" for name, contrast in contrasts.items()}
    if not any(contrast.is_tested for contrast in contrasts.values()):
        return (
            f"ΔQ of the oldest against the youngest states, not tested for lack of seeds: {', '.join(times.values())}"
        )
    groups = {
        "ΔQ grows with the age of states": [times[name] for name, c in contrasts.items() if c.direction == "worse"],
        "falls with it": [times[name] for name, c in contrasts.items() if c.direction == "better"],
        "no change is seen": [times[name] for name, c in contrasts.items() if c.direction is None],
    }
    return "; ".join(f"{what} for {listed(names)}" for what, names in groups.items() if names)


def sentences(results: AgeResults) -> list[str]:
    """The tests behind the finding."""
    lines = []
    for name, contrast in growth(results).items():
        ratio = f"{name}: ΔQ of the oldest states is {number(math.exp(contrast.estimate))} times that of the youngest"
        if contrast.is_tested and math.isfinite(contrast.low):
            low, high = number(math.exp(contrast.low)), number(math.exp(contrast.high))
            lines.append(f"{ratio} [{low}, {high}] (p {contrast.p:.2g}).")
        else:
            lines.append(f"{ratio} ({contrast.seeds} seeds, no test).")
    return [
        *lines,
        "At the first trained step, against the exact state; means over learning rates and replay ratios. Paired"
        " t-tests over seeds of logarithms; the p-values are adjusted over initializations (Holm), the intervals are"
        " not.",
    ]
