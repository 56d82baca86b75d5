"""The report of an atlas."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.atlas import plots, shares
from experiments.atlas.results import SHARES, AtlasResults, aggregates, tables
from experiments.atlas.shares import PublishedTask
from experiments.burnin_compare.verdict import ALARMS, verdict
from experiments.common.experiment import Report, Section


def report(results: AtlasResults, out: Path) -> Report:
    """The report of an atlas; draws its pictures in the directory `out`."""
    published, others = shares.published_tasks(results), results.unpublished()
    failed = shares.failed(published)
    alarms = [
        f"{name}: NOTHING LEARNED: at the end of training no initialization is shown to be better than random and"
        " constant actions, so nothing is compared on this task."
        for name in failed
    ]
    sections = [Section(pictures=_pictures(results, published, out))]
    if published:
        sections += _published(results, published)
    if others.comparisons:
        sections += [Section(title, table=table) for title, table in tables(others).items()]
    conclusions = list(alarms)
    for task, sweep in results.sweeps().items():
        title = f"{task}: outcome by learning rate, and at each initialization's own best"
        sections.append(Section(title, table=sweep.table(results.strategies)))
    if others.comparisons:
        over_tasks = aggregates(others)
        sections.append(Section(over_tasks.title, table=over_tasks.table))
    for task, sweep in results.sweeps().items():
        sentences = sweep.sentences()
        sections.append(Section(f"{task}: what holds over learning rates", sentences))
        conclusions += [f"{task}: {sentence}" for sentence in sentences]
    for cell, comparison in results.comparisons.items():
        sentences = verdict(comparison)
        sections.append(Section(f"{cell.name}: {comparison.outcome.name}", sentences))
        if cell.name not in failed:
            conclusions += [f"{cell.name}: {sentence}" for sentence in sentences if sentence.startswith(ALARMS)]
    return Report("What each initialization reaches on each task", sections, conclusions, alarms)


def _published(results: AtlasResults, tasks: Sequence[PublishedTask]) -> list[Section]:
    """Sections on published tasks: the table of all of them, what they add up to, and where figures are from."""
    over_tasks = aggregates(results.published(), SHARES)
    return [
        Section("Published tasks", table=shares.table(tasks), note=shares.NOTE),
        Section(over_tasks.title, table=over_tasks.table),
        Section("Published tasks: what is reachable, versions, and sources", shares.sentences(tasks)),
    ]


def _pictures(results: AtlasResults, published: Sequence[PublishedTask], out: Path) -> dict[Path, str]:
    """Draw the pictures; returns their captions."""
    captions, sweeps, others = {}, results.sweeps(), results.unpublished()
    if any(task.comparison.runs for task in published):
        path = out / "published.png"
        captions[path] = plots.draw_shares(published, results.strategies, path)
    if any(comparison.runs for comparison in others.comparisons.values()):
        path = out / "atlas.png"
        by_name = {cell.name: comparison for cell, comparison in others.comparisons.items()}
        captions[path] = plots.draw(by_name, results.strategies, path)
    if sweeps:
        path = out / "sweep.png"
        captions[path] = plots.draw_sweeps(sweeps, results.strategies, path)
    return captions
