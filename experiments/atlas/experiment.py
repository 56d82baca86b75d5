"""What an atlas is made of: a comparison for each task and learning rate, and its own result files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.atlas import shares
from experiments.atlas.results import SHARES, Aggregates, AtlasResults, Cell, aggregates, cost
from experiments.atlas.settings import Settings
from experiments.atlas.tasks import TASKS
from experiments.burnin_compare import experiment as comparing
from experiments.burnin_compare.comparison import Comparison
from experiments.burnin_compare.settings import Settings as ComparisonSettings
from experiments.burnin_compare.settings import read_settings as read_comparison_settings
from experiments.burnin_compare.summary import summary as comparison_summary
from experiments.common.experiment import Experiment, ImportedFunction
from experiments.common.results import settings_to_json, versions
from r2d2_burnin.data import TrainingResult

HEADER = ("task", *comparing.HEADER)
"""Columns of `metrics.csv`."""


def describe(settings: Settings) -> Experiment[TrainingResult, AtlasResults]:
    """The comparisons and result files of an atlas with these settings."""
    cells = [Cell(task, rate) for task in settings.tasks for rate in settings.learning_rates or (None,)]
    comparisons = {cell: comparing.describe(comparison_settings(cell, settings)) for cell in cells}
    config = {
        "experiment": "atlas",
        "settings": settings_to_json(settings),
        "versions": versions(),
    }

    def collect(contents: Mapping[Path, TrainingResult]) -> AtlasResults:
        return AtlasResults(settings.strategies, {cell: part.collect(contents) for cell, part in comparisons.items()})

    jobs = [(cell, part, job) for cell, part in comparisons.items() for job in part.jobs]
    return Experiment(
        name="atlas",
        directory=settings.directory,
        config=config,
        runs=settings.runs,
        jobs=[dataclasses.replace(job, name=f"{cell.name} {job.name}") for cell, _, job in jobs],
        work=ImportedFunction("experiments.burnin_compare.training:train"),
        record=TrainingResult,
        collect=collect,
        summary=summary,
        report=ImportedFunction("experiments.atlas.report:report"),
        header=HEADER,
        rows=csv_rows,
        columns={f"{cell.name} {job.name}": (cell.name, *part.columns[job.name]) for cell, part, job in jobs},
        tensorboard=settings.tensorboard,
        parts=list(comparisons.values()),
    )


def comparison_settings(cell: Cell, settings: Settings) -> ComparisonSettings:
    """The settings of a comparison."""
    more = [part for flag in settings.flags for part in (f"--{flag.partition('=')[0]}", flag.partition("=")[2])]
    task = TASKS[cell.task]
    count = min(settings.runs.seeds, settings.slow_seeds) if task.is_slow else settings.runs.seeds
    seeds = [] if settings.quick else ["--seeds", str(count)]
    return read_comparison_settings(
        [
            *task.flags,
            *("--strategies", *settings.strategies, "--out", str(settings.directory / cell.name)),
            *([] if settings.reference is None else ["--reference", settings.reference]),
            *(["--quick"] if settings.quick else []),
            *(["--fresh"] if settings.runs.fresh else []),
            *("--checkpoint-every", str(settings.checkpoint_every)),
            *seeds,
            *more,
            *([] if cell.learning_rate is None else ["--learning-rate", str(cell.learning_rate)]),
        ]
    )


def csv_rows(results: AtlasResults) -> Iterator[tuple[Any, ...]]:
    """All measurements, as `metrics.csv` has them."""
    for cell, comparison in results.comparisons.items():
        for row in comparison.rows():
            yield cell.name, *row


def summary(results: AtlasResults, errors: Sequence[str]) -> dict[str, Any]:
    """The content of `summary.json`."""
    return {
        "tasks": {cell.name: _task_summary(comparison) for cell, comparison in results.comparisons.items()},
        "learning_rates": {task: sweep.as_json(results.strategies) for task, sweep in results.sweeps().items()},
        "aggregates": _aggregates(aggregates(results.unpublished())),
        "published": shares.as_json(shares.published_tasks(results)),
        "published_aggregates": _aggregates(aggregates(results.published(), SHARES)),
        "errors": list(errors),
    }


def _aggregates(of: Aggregates) -> dict[str, dict[str, str]]:
    return {
        row.strategy: {"interquartile_mean": str(row.interquartile_mean), "improvement": row.improvement_text}
        for row in of.rows
    }


def _task_summary(comparison: Comparison) -> dict[str, Any]:
    content = comparison_summary(comparison)
    for name, entry in content["strategies"].items():
        for key in ("update_seconds", "replay_bytes", "batch_bytes"):
            value = cost(comparison, name, key)
            entry[key] = None if value is None else value.as_json()
    return content
