"""The report of an atlas."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from experiments.atlas import plots, shares
from experiments.atlas.results import SHARES, AtlasResults, aggregates, tables
from experiments.atlas.shares import PublishedTask
from experiments.burnin_compare.verdict import ALARMS, verdict
from experiments.common.report import NextStep, Picture, Report, Section
from experiments.common.settings import environment_flags
from experiments.common.statistics import FEWEST_SEEDS

WORDS = {
    "initialization": "Where a fragment starts from: the network's initial state (zero), the state the actor had there"
    " (stored), a stored state that replayed fragments overwrite (refreshed), one trained state (learned), or the exact"
    " state from the episode's first step (full). +K: after K steps of burn-in.",
    "worse": "By a paired test over seeds, with Holm's correction over all comparisons of this page. A task's own page"
    " corrects for that task's alone.",
    "share of what can be reached": "0 is what random actions or the best constant answer reach, 1 no error or the best"
    " return; where this is not known, 1 is the initialization that earns most.",
    "error floor": "The smallest expected loss on fragments that any predictor could reach from what the initialization"
    " lets it see.",
    "ΔQ": "The norm of the difference between the outputs from the state tried and from the exact one, in relation to"
    " the size of the outputs (Kapturowski et al., ICLR 2019, section 3).",
    "±": "Half the width of a 95 % t-interval over seeds.",
}
"""What the words of the report mean."""


def report(results: AtlasResults, out: Path) -> Report:
    """The report of an atlas; draws its pictures in the directory `out`."""
    published, others = shares.published_tasks(results), results.unpublished()
    failed = shares.failed(published)
    alarms = [
        f"{name}: NOTHING LEARNED: at the end of training no initialization is shown to be better than random and"
        " constant actions, so nothing is compared on this task."
        for name in failed
    ]
    pictures = _pictures(results, published, out)
    by_title = tables(others) if others.comparisons else {}
    if published:
        main = dataclasses.replace(shares.table(published), title="Published tasks")
    else:
        title = next(iter(by_title))
        main = dataclasses.replace(by_title.pop(title), title=title)
    sections = [Section("More pictures", pictures=pictures[1:])] if len(pictures) > 1 else []
    if published:
        sections += _published(results, published)
    sections += [Section(title, table=table) for title, table in by_title.items()]
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
    return Report(
        plots.answer(results, published),
        sections,
        conclusions,
        alarms,
        picture=pictures[0] if pictures else None,
        words=WORDS,
        table=main,
        next_step=_next_step(results),
    )


def _next_step(results: AtlasResults) -> NextStep:
    """More seeds, then more learning rates, then nothing but one task in detail."""
    if max(len(comparison.seeds) for comparison in results.comparisons.values()) < FEWEST_SEEDS:
        return NextStep("to test this over seeds", ("--seeds", "5"))
    if not results.sweeps():
        rates = ("--learning-rates", "0.0015", "0.003", "0.006", "0.012")
        return NextStep("to see what holds at other learning rates", rates, elsewhere=True)
    comparison = next(iter(results.comparisons.values()))
    flags = (*environment_flags(comparison.settings.environment), "--strategies", *comparison.strategies)
    return NextStep("to see one task in detail", flags, module="experiments.burnin_compare")


def _published(results: AtlasResults, tasks: Sequence[PublishedTask]) -> list[Section]:
    """Sections on published tasks: the table of all of them, what they add up to, and where figures are from."""
    over_tasks = aggregates(results.published(), SHARES)
    return [
        Section("Published tasks: how to read the table", [shares.NOTE]),
        Section(over_tasks.title, table=over_tasks.table),
        Section("Published tasks: what is reachable, versions, and sources", shares.sentences(tasks)),
    ]


def _pictures(results: AtlasResults, published: Sequence[PublishedTask], out: Path) -> list[Picture]:
    """Draw the pictures, the answer's first."""
    pictures, sweeps, others = [], results.sweeps(), results.unpublished()
    if sweeps:
        pictures.append(plots.draw_sweeps(sweeps, results.strategies, out / "sweep.png"))
    if any(task.comparison.runs for task in published):
        pictures.append(plots.draw_shares(published, results.strategies, out / "published.png"))
    if any(comparison.runs for comparison in others.comparisons.values()):
        pictures.append(plots.draw(others.comparisons, results.strategies, out / "atlas.png"))
    return pictures
