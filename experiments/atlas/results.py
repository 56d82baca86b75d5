"""The comparisons of an atlas, and what they add up to over tasks and learning rates."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from experiments.atlas.aggregate import Aggregate, interquartile_mean, probability_of_improvement, scores
from experiments.atlas.sweep import Sweep
from experiments.atlas.tasks import TASKS
from experiments.burnin_compare.comparison import Comparison
from experiments.common.report import Table
from experiments.common.statistics import Estimate, Pair, estimate
from r2d2_burnin.runtime.formatting import number

Key = TypeVar("Key")


@dataclasses.dataclass(frozen=True)
class Cell:
    """One comparison of the atlas."""

    task: str
    learning_rate: float | None = None  # None: the task's own

    @property
    def name(self) -> str:
        """Of its directory, and in metrics.csv."""
        return self.task if self.learning_rate is None else f"{self.task}-lr{self.learning_rate:g}"


@dataclasses.dataclass(frozen=True)
class AtlasResults:
    """The comparisons, task by task, with their finished runs."""

    strategies: tuple[str, ...]
    comparisons: dict[Cell, Comparison]

    def published(self) -> AtlasResults:
        """Those of published tasks."""
        return self._with({c for c in self.comparisons if TASKS[c.task].benchmark is not None})

    def unpublished(self) -> AtlasResults:
        """Those of all other tasks."""
        return self._with({c for c in self.comparisons if TASKS[c.task].benchmark is None})

    def _with(self, cells: set[Cell]) -> AtlasResults:
        return AtlasResults(self.strategies, {c: part for c, part in self.comparisons.items() if c in cells})

    def sweeps(self) -> dict[str, Sweep]:
        """The comparisons of each task over learning rates; none where there is but one rate."""
        sweeps: dict[str, dict[float, Comparison]] = {}
        for cell, comparison in self.comparisons.items():
            if cell.learning_rate is not None:
                sweeps.setdefault(cell.task, {})[cell.learning_rate] = comparison
        alone = {task: Sweep(task, by_rate) for task, by_rate in sweeps.items() if len(by_rate) > 1}
        beside = _beside({task: sweep.pairs() for task, sweep in alone.items()})
        return {task: dataclasses.replace(sweep, beside=beside[task]) for task, sweep in alone.items()}


def in_one_report(comparisons: Mapping[Cell, Comparison]) -> dict[Cell, Comparison]:
    """The same comparisons, each with what the others compare, so that Holm's correction is over all of them."""
    beside = _beside({cell: part.pairs() for cell, part in comparisons.items()})
    return {cell: dataclasses.replace(part, beside=beside[cell]) for cell, part in comparisons.items()}


def _beside(pairs: Mapping[Key, Sequence[Pair]]) -> dict[Key, tuple[Pair, ...]]:
    """For each key the pairs of all others."""
    return {key: tuple(pair for other, of in pairs.items() if other != key for pair in of) for key in pairs}


def cost(comparison: Comparison, strategy: str, name: str) -> Estimate | None:
    """A cost of a strategy, over seeds: `update_seconds`, `replay_bytes` or `batch_bytes`."""
    return estimate([float(getattr(run, name)) for run in comparison.of(strategy).values()])


def tables(results: AtlasResults) -> dict[str, Table]:
    """Tables tasks x initializations, by title."""

    def of(value: Callable[[Comparison, str], Estimate | float | None]) -> Table:
        rows = [
            [cell.name, *(_text(value(comparison, strategy)) for strategy in results.strategies)]
            for cell, comparison in results.comparisons.items()
        ]
        return Table(["task", *results.strategies], rows)

    def costs(name: str, factor: float) -> Table:
        def mean(comparison: Comparison, strategy: str) -> float | None:
            value = cost(comparison, strategy, name)
            return None if value is None else value.mean * factor

        return of(mean)

    return {
        "Outcome over whole fresh episodes (mean, 95 % t-interval)": of(
            lambda comparison, name: comparison.estimate(name, comparison.outcome.metric)
        ),
        "Error floor of the loss on fresh fragments": of(lambda comparison, name: comparison.floors[name]),
        "Loss on fresh fragments": of(lambda comparison, name: comparison.estimate(name, "fresh_loss")),
        "ΔQ at the first trained step, against the exact state": of(
            lambda comparison, name: comparison.estimate(name, "delta_q_first_exact")
        ),
        "Milliseconds of an update": costs("update_seconds", 1e3),
        "Memory of replay (MB)": costs("replay_bytes", 1e-6),
        "Memory of a batch (kB)": costs("batch_bytes", 1e-3),
    }


def _text(value: Estimate | float | None) -> str:
    if value is None:
        return "-"
    return number(value) if isinstance(value, float) else str(value)


@dataclasses.dataclass(frozen=True)
class AggregateRow:
    """A strategy's scores over tasks and seeds."""

    strategy: str
    interquartile_mean: Aggregate
    improvement: Aggregate | None  # over the reference; None: it is the reference

    @property
    def improvement_text(self) -> str:
        """The improvement, as tables and files have it."""
        return "-" if self.improvement is None else str(self.improvement)


@dataclasses.dataclass(frozen=True)
class Aggregates:
    """Scores over tasks and seeds, and the comparisons that they leave out."""

    rows: list[AggregateRow]
    left_out: list[str]
    scale: str = "scores in relation to each task's baseline"

    @property
    def title(self) -> str:
        """Of the table."""
        title = f"Over tasks and seeds, {self.scale} (bootstrap intervals, somewhat narrow)"
        return title + (f" (left out: {', '.join(self.left_out)})" if self.left_out else "")

    @property
    def table(self) -> Table:
        """One row a strategy."""
        headers = ["initialization", "interquartile mean", "probability of improvement over the reference"]
        return Table(headers, [[row.strategy, str(row.interquartile_mean), row.improvement_text] for row in self.rows])


SHARES = "shares of the reachable return"
"""What the scores of published tasks are."""


def aggregates(results: AtlasResults, scale: str = Aggregates.scale) -> Aggregates:
    """Scores over the comparisons whose tasks were learned and in which every strategy has all seeds.

    Args:
        results: all on one scale: those of published tasks, or those of the others.
        scale: what the scores are, in words.
    """
    by_cell = {cell: scores(part, TASKS[cell.task].benchmark) for cell, part in results.comparisons.items()}
    whole = {
        cell.name: by_strategy
        for cell, by_strategy in by_cell.items()
        if by_strategy is not None
        and set(results.strategies) == set(by_strategy)
        and all(len(by_seed) == len(results.comparisons[cell].seeds) for by_seed in by_strategy.values())
    }
    left_out = [cell.name for cell in results.comparisons if cell.name not in whole]
    if not whole:
        return Aggregates([], left_out, scale)
    reference = str(next(iter(results.comparisons.values())).reference)
    of = {
        name: {task: np.array(list(by_strategy[name].values())) for task, by_strategy in whole.items()}
        for name in results.strategies
    }
    rows = [
        AggregateRow(
            name,
            interquartile_mean(of[name]),
            None if name == reference else probability_of_improvement(of[name], of[reference]),
        )
        for name in results.strategies
    ]
    return Aggregates(rows, left_out, scale)
