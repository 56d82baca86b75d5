"""What an atlas is made of: a comparison for each task and learning rate, and its own result files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from experiments.atlas import shares
from experiments.atlas.results import SHARES, Aggregates, AtlasResults, Cell, aggregates, cost, in_one_report
from experiments.atlas.settings import Settings
from experiments.atlas.tasks import TASKS
from experiments.burnin_compare import several
from experiments.burnin_compare.comparison import Comparison
from experiments.burnin_compare.settings import Settings as ComparisonSettings
from experiments.burnin_compare.summary import summary as comparison_summary
from experiments.common.experiment import Experiment, ImportedFunction
from experiments.common.results import settings_to_json, versions
from r2d2_burnin.data import TrainingResult


def describe(settings: Settings) -> Experiment[TrainingResult, AtlasResults]:
    """The comparisons and result files of an atlas with these settings."""
    cells = {cell.name: cell for cell in _cells(settings)}
    config = {"experiment": "atlas", "settings": settings_to_json(settings), "versions": versions()}

    def collect(comparisons: dict[str, Comparison]) -> AtlasResults:
        parts = {cells[name]: part for name, part in comparisons.items()}
        return AtlasResults(settings.strategies, in_one_report(parts))

    return several.describe(
        "atlas",
        config,
        {name: comparison_settings(cell, settings) for name, cell in cells.items()},
        settings.shared,
        collect=collect,
        summary=summary,
        report=ImportedFunction("experiments.atlas.report:report"),
        rows=lambda results: several.rows_of({cell.name: part for cell, part in results.comparisons.items()}),
        first_column="task",
    )


def _cells(settings: Settings) -> list[Cell]:
    return [Cell(task, rate) for task in settings.tasks for rate in settings.learning_rates or (None,)]


def comparison_settings(cell: Cell, settings: Settings) -> ComparisonSettings:
    """The settings of a comparison."""
    task = TASKS[cell.task]
    count = min(settings.runs.seeds, settings.slow_seeds) if task.is_slow else settings.runs.seeds
    flags = [
        *task.flags,
        *([] if settings.quick or task.updates is None else ["--updates", str(task.updates)]),
        *([] if settings.reference is None else ["--reference", settings.reference]),
        *([] if settings.quick else ["--seeds", str(count)]),
    ]
    rate = [] if cell.learning_rate is None else ["--learning-rate", str(cell.learning_rate)]
    return several.comparison_settings(cell.name, settings.strategies, flags, settings.shared, rate)


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
