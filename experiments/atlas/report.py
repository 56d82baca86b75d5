"""The report of an atlas."""

from __future__ import annotations

from pathlib import Path

from experiments.atlas import plots
from experiments.atlas.results import AtlasResults, aggregates, tables
from experiments.burnin_compare.verdict import ALARMS, verdict
from experiments.common.experiment import Report, Section


def report(results: AtlasResults, out: Path) -> Report:
    """The report of an atlas; draws its pictures in the directory `out`."""
    sections = [Section(pictures=_pictures(results, out))]
    sections += [Section(title, table=table) for title, table in tables(results).items()]
    conclusions = []
    for task, sweep in results.sweeps().items():
        title = f"{task}: outcome by learning rate, and at each initialization's own best"
        sections.append(Section(title, table=sweep.table(results.strategies)))
    over_tasks = aggregates(results)
    sections.append(Section(over_tasks.title, table=over_tasks.table))
    for task, sweep in results.sweeps().items():
        sentences = sweep.sentences()
        sections.append(Section(f"{task}: what holds over learning rates", sentences))
        conclusions += [f"{task}: {sentence}" for sentence in sentences]
    for cell, comparison in results.comparisons.items():
        sentences = verdict(comparison)
        sections.append(Section(f"{cell.name}: {comparison.outcome.name}", sentences))
        conclusions += [f"{cell.name}: {sentence}" for sentence in sentences if sentence.startswith(ALARMS)]
    return Report("What each initialization reaches on each task", sections, conclusions)


def _pictures(results: AtlasResults, out: Path) -> dict[Path, str]:
    """Draw the pictures; returns their captions."""
    captions, sweeps = {}, results.sweeps()
    if any(comparison.runs for comparison in results.comparisons.values()):
        path = out / "atlas.png"
        by_name = {cell.name: comparison for cell, comparison in results.comparisons.items()}
        captions[path] = plots.draw(by_name, results.strategies, path)
    if sweeps:
        path = out / "sweep.png"
        captions[path] = plots.draw_sweeps(sweeps, results.strategies, path)
    return captions
