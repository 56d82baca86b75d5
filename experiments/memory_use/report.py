"""The report of the measure of memory."""

from __future__ import annotations

from pathlib import Path

from experiments.common.experiment import Report, Section
from experiments.memory_use import plots
from experiments.memory_use.results import HOW_TO_READ, MemoryResults, finding, sentences, table


def report(results: MemoryResults, out: Path) -> Report:
    """The report of the measurements; draws its picture in the directory `out`."""
    lines = sentences(results)
    return Report(
        title=finding(results),
        sections=[
            Section(sentences=lines, pictures=pictures(results, out), table=table(results)),
            Section("How to read it", sentences=[HOW_TO_READ]),
        ],
        conclusions=lines,
    )


def pictures(results: MemoryResults, out: Path) -> dict[Path, str]:
    """The picture of the measurements, drawn in the directory `out`, with its caption; none where there are none."""
    if not results.measured:
        return {}
    path = out / "memory.png"
    return {path: plots.draw(results, path)}
