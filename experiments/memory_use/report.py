"""The report of the measure of memory."""

from __future__ import annotations

from pathlib import Path

from experiments.common.report import NextStep, Picture, Report, Section
from experiments.memory_use import plots
from experiments.memory_use.results import HOW_TO_READ, MemoryResults, finding, sentences, table


def report(results: MemoryResults, out: Path) -> Report:
    """The report of the measurements; draws its picture in the directory `out`."""
    lines = sentences(results)
    fewest = min((run.episodes for by_seed in results.runs.values() for run in by_seed.values()), default=0)
    more = ("--episodes", str(4 * fewest))
    return Report(
        title=finding(results),
        picture=picture(results, out),
        words={
            "steps of memory": "The smallest number of past steps, beside the current one, with which the agent does as"
            " well as uncut. k = 0 is the current observation alone.",
            "uncut": "The agent as it is, with the recurrent state of the whole episode.",
            "margin": "The most that a cut may lose for its steps to count as enough.",
            "±": "Half the width of a 95 % t-interval over seeds.",
        },
        table=table(results),
        sections=[Section("What the tests say", lines), Section("How to read it", HOW_TO_READ)],
        conclusions=lines,
        next_step=NextStep("to test it in more episodes", more, elsewhere=True) if fewest else None,
    )


def picture(results: MemoryResults, out: Path) -> Picture | None:
    """The picture of the measurements, drawn in the directory `out`; None where there are none."""
    return plots.draw(results, out / "memory.png") if results.measured else None
