"""The report of a comparison."""

from __future__ import annotations

from pathlib import Path

from experiments.burnin_compare import plots
from experiments.burnin_compare.comparison import Comparison
from experiments.burnin_compare.tables import cost_table, how_to_read, result_table
from experiments.burnin_compare.verdict import ALARMS, finding, verdict
from experiments.common.experiment import Report, Section


def report(comparison: Comparison, out: Path) -> Report:
    """The report of a comparison; draws its pictures in the directory `out`."""
    sentences = verdict(comparison)
    alarms = [sentence for sentence in sentences if sentence.startswith(ALARMS)]
    pictures = plots.draw(comparison, out) if comparison.runs else {}
    return Report(
        title=finding(comparison),
        sections=[
            Section(
                sentences=[sentence for sentence in sentences if sentence not in alarms],
                table=result_table(comparison),
            ),
            Section(pictures={out / name: caption for name, caption in pictures.items()}),
            Section("At equal cost", table=cost_table(comparison)),
            Section("How to read it", sentences=how_to_read(comparison)),
        ],
        conclusions=sentences,
        alarms=alarms,
    )
