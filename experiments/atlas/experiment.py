"""The runs of all comparisons of an atlas, and its result files."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments import burnin_compare
from experiments.atlas.aggregate import interquartile_mean, probability_of_improvement, scores
from experiments.atlas.settings import TASKS, Settings
from experiments.atlas.sweep import Sweep
from experiments.burnin_compare import experiment as comparing
from experiments.burnin_compare.comparison import Comparison, summary
from experiments.burnin_compare.verdict import ALARMS, verdict
from experiments.common import report
from experiments.common.metrics import LiveMetrics
from experiments.common.results import versions, write_csv, write_json
from experiments.common.runs import finish, finished
from experiments.common.statistics import Estimate, estimate


@dataclasses.dataclass(frozen=True)
class Cell:
    """One comparison of the atlas."""

    task: str
    learning_rate: float | None = None  # None: the task's own

    @property
    def name(self) -> str:
        """Of its directory, and in metrics.csv."""
        return self.task if self.learning_rate is None else f"{self.task}-lr{self.learning_rate:g}"


def cells_of(settings: Settings) -> list[Cell]:
    """The comparisons of an atlas, task by task."""
    return [Cell(task, rate) for task in settings.tasks for rate in settings.learning_rates or (None,)]


def settings_of(cell: Cell, settings: Settings) -> burnin_compare.Settings:
    """The settings of a comparison."""
    more = [part for flag in settings.flags for part in (f"--{flag.partition('=')[0]}", flag.partition("=")[2])]
    seeds = [] if settings.quick else ["--seeds", str(settings.runs.seeds)]
    return burnin_compare.read_settings(
        [
            *TASKS[cell.task],
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


HEADER = ("task", *comparing.HEADER)
"""Columns of `metrics.csv`."""

Comparisons = dict[Cell, Comparison]


def make_runs(settings: Settings) -> tuple[Comparisons, list[str], Path]:
    """Make all runs that are not finished yet; returns the comparisons, the errors, and the directory."""
    prepared = {cell: comparing.prepare(settings_of(cell, settings)) for cell in cells_of(settings)}
    named = {
        f"{cell.name} {job.name}": ((cell.name, *run), job)
        for cell, (_, jobs, _) in prepared.items()
        for run, job in jobs.items()
    }
    jobs = [dataclasses.replace(job, name=name) for name, (_, job) in named.items()]
    before = finished(jobs)
    for comparison, runs, _ in prepared.values():
        comparing.fill(comparison, runs, before)
    comparisons = {cell: comparison for cell, (comparison, _, _) in prepared.items()}
    names = {name: columns for name, (columns, _) in named.items()}
    out = settings.directory
    with LiveMetrics(out / "metrics.csv", HEADER, csv_rows(comparisons), names, settings.tensorboard) as listen:
        contents, errors = finish(jobs, comparing.train, settings.runs, title="atlas", listen=listen)
    for cell, (comparison, runs, directory) in prepared.items():
        comparing.fill(comparison, runs, contents)
        comparing.write_results(comparison, [], settings_of(cell, settings), directory, show=False)
    return comparisons, errors, out


def csv_rows(comparisons: Comparisons) -> Iterator[tuple[Any, ...]]:
    """All measurements, as `metrics.csv` has them."""
    for cell, comparison in comparisons.items():
        for row in comparison.rows():
            yield cell.name, *row


def outcome(comparison: Comparison, strategy: str) -> Estimate | None:
    """The outcome of a cell."""
    return comparison.estimate(strategy, comparison.outcome.metric)


def cost(comparison: Comparison, strategy: str, name: str) -> Estimate | None:
    """A cost of a cell: `update_seconds`, `replay_bytes` or `batch_bytes`."""
    return estimate([float(getattr(run, name)) for run in comparison.of(strategy).values()])


def tables(comparisons: Comparisons, strategies: Sequence[str]) -> dict[str, list[list[str]]]:
    """Tables tasks x initializations by title."""

    def rows(tell: Any) -> list[list[str]]:
        return [
            [cell.name, *(_told(tell(comparison, strategy)) for strategy in strategies)]
            for cell, comparison in comparisons.items()
        ]

    def scaled(name: str, factor: float) -> Any:
        def tell(comparison: Comparison, strategy: str) -> float | None:
            found = cost(comparison, strategy, name)
            return None if found is None else found.mean * factor

        return tell

    return {
        "Outcome over whole fresh episodes (mean, 95 % t-interval)": rows(outcome),
        "Error floor of the loss on fresh fragments": rows(lambda comparison, name: comparison.floors[name]),
        "Loss on fresh fragments": rows(lambda comparison, name: comparison.estimate(name, "fresh_loss")),
        "ΔQ at the first trained step, against the exact state": rows(
            lambda comparison, name: comparison.estimate(name, "delta_q_first_exact")
        ),
        "Milliseconds of an update": rows(scaled("update_seconds", 1e3)),
        "Memory of replay (MB)": rows(scaled("replay_bytes", 1e-6)),
        "Memory of a batch (kB)": rows(scaled("batch_bytes", 1e-3)),
    }


def sweeps_of(comparisons: Comparisons) -> dict[str, Sweep]:
    """The comparisons of each task over learning rates; none where there is but one rate."""
    sweeps: dict[str, dict[float, Comparison]] = {}
    for cell, comparison in comparisons.items():
        if cell.learning_rate is not None:
            sweeps.setdefault(cell.task, {})[cell.learning_rate] = comparison
    return {task: Sweep(task, by_rate) for task, by_rate in sweeps.items() if len(by_rate) > 1}


def aggregate_rows(comparisons: Comparisons, strategies: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """Rows of the table of aggregates, one a strategy, and the names of the comparisons that they leave out.

    A comparison counts where its tasks were learned and every strategy has all seeds.
    """
    found = {cell: scores(comparison) for cell, comparison in comparisons.items()}
    whole = {
        cell.name: by_strategy
        for cell, by_strategy in found.items()
        if by_strategy is not None
        and set(strategies) == set(by_strategy)
        and all(len(by_seed) == len(comparisons[cell].seeds) for by_seed in by_strategy.values())
    }
    left_out = [cell.name for cell in comparisons if cell.name not in whole]
    if not whole:
        return [], left_out
    reference = next(iter(comparisons.values())).reference
    of = {
        name: {task: np.array(list(by_strategy[name].values())) for task, by_strategy in whole.items()}
        for name in strategies
    }
    rows = []
    for name in strategies:
        improvement = "-" if name == reference else str(probability_of_improvement(of[name], of[str(reference)]))
        rows.append([name, str(interquartile_mean(of[name])), improvement])
    return rows, left_out


def _told(value: Estimate | float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def write_results(comparisons: Comparisons, errors: Sequence[str], settings: Settings, out: Path) -> Path:
    """Write the page and its files and print the tables; returns the path of the page."""
    from experiments.atlas import plots  # draws with Matplotlib, which no command line waits for

    strategies = settings.strategies
    config = {
        "experiment": "atlas",
        "settings": json.loads(json.dumps(dataclasses.asdict(settings), default=str)),
        "versions": versions(),
    }
    write_json(out / "config.json", config)
    write_csv(out / "metrics.csv", HEADER, csv_rows(comparisons))
    parts = [report.paragraph(text, alarm=True) for text in errors]
    sweeps = sweeps_of(comparisons)
    if any(comparison.runs for comparison in comparisons.values()):
        named = {cell.name: comparison for cell, comparison in comparisons.items()}
        parts.append(report.picture(out / "atlas.png", plots.draw(named, strategies, out / "atlas.png")))
    if sweeps:
        parts.append(report.picture(out / "sweep.png", plots.draw_sweeps(sweeps, strategies, out / "sweep.png")))
    headers = ["task", *strategies]
    shown = {title: (headers, rows) for title, rows in tables(comparisons, strategies).items()}
    for task, sweep in sweeps.items():
        shown[f"{task}: outcome by learning rate, and at each initialization's own best"] = sweep.table(strategies)
    aggregates, left_out = aggregate_rows(comparisons, strategies)
    without = f" (left out: {', '.join(left_out)})" if left_out else ""
    shown[AGGREGATES + without] = (
        ["initialization", "interquartile mean", "probability of improvement over the reference"],
        aggregates,
    )
    for title, (head, rows) in shown.items():
        print(f"\n{title}\n{report.table(rows, head)}")
        parts += [report.heading(title), report.html_table(rows, head)]
    for task, sweep in sweeps.items():
        sentences = sweep.sentences()
        parts += [report.heading(f"{task}: what holds over learning rates"), report.bullets(sentences)]
        print(f"\n{task}", *(f"- {sentence}" for sentence in sentences), sep="\n")
    for cell, comparison in comparisons.items():
        sentences = verdict(comparison)
        parts += [report.heading(f"{cell.name}: {comparison.outcome.name}"), report.bullets(sentences)]
        for sentence in sentences:
            if sentence.startswith(ALARMS):
                print(f"- {cell.name}: {sentence}")
    for error in errors:
        print(f"- {error}")
    content = {
        "tasks": {cell.name: _summary(comparison) for cell, comparison in comparisons.items()},
        "learning_rates": {task: sweep.as_json(strategies) for task, sweep in sweeps.items()},
        "aggregates": {name: {"interquartile_mean": iqm, "improvement": p} for name, iqm, p in aggregates},
        "errors": list(errors),
    }
    write_json(out / "summary.json", content)
    report.write_page(out / "report.html", "What each initialization reaches on each task", parts)
    return out / "report.html"


AGGREGATES = "Over tasks and seeds, scores in relation to each task's baseline (bootstrap intervals, somewhat narrow)"


def _summary(comparison: Comparison) -> dict[str, Any]:
    content = summary(comparison)
    for name, entry in content["strategies"].items():
        for key in ("update_seconds", "replay_bytes", "batch_bytes"):
            found = cost(comparison, name, key)
            entry[key] = None if found is None else found.as_json()
    return content
