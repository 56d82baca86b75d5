"""Published tasks: what each initialization reaches of what is reachable, beside what others reached."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.atlas.results import AtlasResults, Cell
from experiments.atlas.tasks import TASKS, Benchmark
from experiments.burnin_compare.comparison import Comparison
from experiments.burnin_compare.memory import memory_results
from experiments.common.report import Table
from experiments.common.statistics import Estimate, estimate
from r2d2_burnin.runtime.formatting import number
from r2d2_burnin.settings import environment_steps


@dataclasses.dataclass(frozen=True)
class Row:
    """What one initialization reached on a published task, over seeds."""

    strategy: str
    end: Estimate | None
    """Return at the end of training, as every comparison has it."""
    share: Estimate | None
    """The same as a share of what is reachable: 0 is what random actions earn, 1 the best return."""
    best_evaluation: Estimate | None
    """Largest mean return of one evaluation, in each seed: the counterpart of a published best epoch."""
    learned: int | None
    """Seeds in which it is shown to be better than random and constant actions; None if that was not tested."""
    seeds: int
    memory_steps: Estimate | None
    """Steps of memory that the episodes show to be enough for the agent, where that was measured."""
    memory_steps_estimate: Estimate | None
    """Their estimate in each seed, without a test over episodes: what seeds and initializations are compared by."""
    seconds: Estimate | None
    """Of a run."""
    environment_steps: int
    """Of a run, evaluations apart."""


@dataclasses.dataclass(frozen=True)
class PublishedTask:
    """A published task with our results."""

    name: str
    benchmark: Benchmark
    comparison: Comparison
    rows: tuple[Row, ...]

    @property
    def is_learned(self) -> bool:
        """Whether any run is shown to be better than its baselines, or none could be tested."""
        return not self.comparison.nothing_learned


def published_tasks(results: AtlasResults) -> list[PublishedTask]:
    """The published tasks among the results, each with a row an initialization."""
    tasks = []
    for cell, comparison in results.comparisons.items():
        benchmark = benchmark_of(cell)
        if benchmark is not None:
            rows = tuple(_row(comparison, benchmark, name) for name in results.strategies)
            tasks.append(PublishedTask(cell.name, benchmark, comparison, rows))
    return tasks


def benchmark_of(cell: Cell) -> Benchmark | None:
    """What is reachable on a cell's task, and what others reached; None where it is no published task."""
    return TASKS[cell.task].benchmark


def _row(comparison: Comparison, benchmark: Benchmark, strategy: str) -> Row:
    metric = comparison.outcome.metric
    final = list(comparison.final(strategy, metric).values())
    runs = comparison.of(strategy).values()
    evaluations = [[m.value for m in run.measurements if m.metric == metric] for run in runs]
    learned = comparison.learned().get(strategy)
    memory = memory_results(comparison)
    return Row(
        strategy=strategy,
        end=estimate(final),
        share=estimate([benchmark.share(value) for value in final]),
        best_evaluation=estimate([max(values) for values in evaluations if values]),
        learned=sum(learned.values()) if learned else None,
        seeds=len(runs),
        memory_steps=estimate([float(steps) for steps in memory.used(strategy)]),
        memory_steps_estimate=estimate([float(steps) for steps in memory.estimated(strategy)]),
        seconds=estimate([run.seconds for run in runs]),
        environment_steps=environment_steps(comparison.settings, comparison.settings.updates),
    )


HEADERS = (
    "task",
    "initialization",
    "return at the end",
    "share of the reachable",
    "best evaluation or epoch",
    "learned",
    "memory (steps)",
    "seconds",
    "environment steps",
)


MEANINGS = {
    "return at the end": "Mean over the last evaluations, in whole fresh episodes, and over seeds.",
    "share of the reachable": "Of the return: 0 is what random actions earn, 1 the best return.",
    "best evaluation or epoch": "The best return at any evaluation; of published agents, of their best epoch.",
    "learned": "Seeds that are shown to be better than random and constant actions.",
    "memory (steps)": "The smallest number of past steps from which on none costs the agent more than a margin; an"
    " estimate, mean over seeds. What the episodes show is on the task's own page.",
    "seconds": "Of a whole run.",
    "environment steps": "Acted in training.",
}
"""What columns show, by header."""


def table(tasks: Sequence[PublishedTask]) -> Table:
    """Every initialization on every published task, and below it what others published."""
    rows: list[list[str]] = []
    for task in tasks:
        rows += [_cells(task, row) for row in task.rows if row.seeds]
        rows += [
            [
                *(task.name, f"published: {result.agent}", "-", number(task.benchmark.share(result.best_epoch))),
                *(str(result), f"{result.trials} trials", "-", "-", f"{result.environment_steps:,}"),
            ]
            for result in task.benchmark.results
        ]
    return Table(HEADERS, rows, MEANINGS)


def _cells(task: PublishedTask, row: Row) -> list[str]:
    learned = "-" if row.learned is None else f"{row.learned} of {row.seeds}"
    estimates = (row.end, row.share, row.best_evaluation)
    costs = (row.memory_steps_estimate, row.seconds)
    return [
        *(task.name, row.strategy),
        *("-" if value is None else str(value) for value in estimates),
        learned,
        *("-" if value is None else number(value.mean) for value in costs),
        f"{row.environment_steps:,}",
    ]


NOTE = (
    "Share of the reachable: 0 is what random actions earn, 1 the best return. Return at the end: mean over the last"
    " evaluations, in fresh episodes, of the greedy policy; where a task sets --evaluation-epsilon, that part of the"
    " actions is random. A published best epoch is the largest mean return of a training epoch, of sampled actions; our"
    " counterpart is the largest mean return of an evaluation. Both are the best of many noisy means, so they are above"
    " what the agent earns on average, and may be above the best return."
)


def sentences(tasks: Sequence[PublishedTask]) -> list[str]:
    """What is reachable on each task, which version it is, and where published figures are from."""
    texts = [
        f"{task.name}: best return {task.benchmark.best_return:.4g}, random actions"
        f" {task.benchmark.random_return:.3g} ({task.benchmark.reachable}). Version: {task.benchmark.version}."
        for task in tasks
    ]
    results = [result for task in tasks for result in task.benchmark.results]
    sources = {result.source: result for result in results}
    for source, result in sources.items():
        checked = "" if result.is_checked else f" Not checked: {result.note}."
        texts.append(f"Published figures: {source}.{checked}")
    return texts


def failed(tasks: Sequence[PublishedTask]) -> list[str]:
    """Tasks on which no initialization is shown to have learned anything."""
    return [task.name for task in tasks if task.comparison.runs and not task.is_learned]


def as_json(tasks: Sequence[PublishedTask]) -> dict[str, Any]:
    """The form that `summary.json` has."""
    return {
        task.name: {
            "best_return": task.benchmark.best_return,
            "random_return": task.benchmark.random_return,
            "version": task.benchmark.version,
            "published": [dataclasses.asdict(result) for result in task.benchmark.results],
            "strategies": {row.strategy: _row_as_json(row) for row in task.rows},
        }
        for task in tasks
    }


def _row_as_json(row: Row) -> dict[str, Any]:
    estimates: Mapping[str, Estimate | None] = {
        "share": row.share,
        "best_evaluation": row.best_evaluation,
        "memory_steps": row.memory_steps,
        "memory_steps_estimate": row.memory_steps_estimate,
    }
    content: dict[str, Any] = {name: None if value is None else value.as_json() for name, value in estimates.items()}
    return {**content, "environment_steps": row.environment_steps}
