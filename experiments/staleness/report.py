"""The report of the staleness experiment."""

from __future__ import annotations

from pathlib import Path

from experiments.common.experiment import Report, Section
from experiments.staleness import plots
from experiments.staleness.results import AgeResults, finding, result_table


def report(results: AgeResults, out: Path) -> Report:
    """The report of the runs; draws its picture in the directory `out`."""
    title, pictures = f"{results.environment}: {finding(results)}", {}
    if any(results.runs.values()):
        path = out / "staleness.png"
        pictures[path] = plots.draw(results.runs, title, path)
    return Report(title, [Section(pictures=pictures, table=result_table(results))], conclusions=[title])
