"""The report of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.burnin_compare import plots
from experiments.burnin_compare.comparison import Comparison
from experiments.burnin_compare.memory import memory_results, memory_sentences
from experiments.burnin_compare.tables import cost_table, how_to_read, result_table
from experiments.burnin_compare.verdict import ALARMS, finding, verdict
from experiments.common.experiment import Report, Section
from experiments.memory_use.report import pictures as memory_pictures
from experiments.memory_use.results import HOW_TO_READ, MemoryResults
from experiments.memory_use.results import table as memory_table


def report(comparison: Comparison, out: Path) -> Report:
    """The report of a comparison; draws its pictures in the directory `out`."""
    sentences = verdict(comparison)
    alarms = [sentence for sentence in sentences if sentence.startswith(ALARMS)]
    pictures = plots.draw(comparison, out) if comparison.runs else {}
    memory, of_memory = memory_results(comparison), memory_sentences(comparison)
    return Report(
        title=finding(comparison),
        sections=[
            Section(
                sentences=[sentence for sentence in sentences if sentence not in alarms],
                table=result_table(comparison),
            ),
            Section(pictures={out / name: caption for name, caption in pictures.items()}),
            Section("At equal cost", table=cost_table(comparison)),
            *_memory_sections(memory, of_memory, out),
            Section("How to read it", sentences=how_to_read(comparison)),
        ],
        conclusions=[*sentences, *of_memory],
        alarms=alarms,
    )


def _memory_sections(memory: MemoryResults, sentences: Sequence[str], out: Path) -> list[Section]:
    """How much memory the agents use, where anything can be said of it."""
    if not memory.measured:
        return [Section("Memory use", sentences)] if sentences else []
    return [
        Section("Memory use", [*sentences, HOW_TO_READ], memory_pictures(memory, out), memory_table(memory)),
    ]
