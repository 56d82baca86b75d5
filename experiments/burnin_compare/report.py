"""The report of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.burnin_compare import plots
from experiments.burnin_compare.comparison import Comparison
from experiments.burnin_compare.memory import memory_results, memory_sentences
from experiments.burnin_compare.tables import AT_EQUAL_COST, WORDS, cost_table, how_to_read, main_table, measure_table
from experiments.burnin_compare.verdict import ALARMS, finding, verdict
from experiments.common.report import NextStep, Picture, Report, Section
from experiments.common.statistics import FEWEST_SEEDS
from experiments.memory_use import plots as memory_plots
from experiments.memory_use.results import HOW_TO_READ, MemoryResults, episodes_needed
from experiments.memory_use.results import table as memory_table


def report(comparison: Comparison, out: Path) -> Report:
    """The report of a comparison; draws its pictures in the directory `out`."""
    sentences = verdict(comparison)
    alarms = [sentence for sentence in sentences if sentence.startswith(ALARMS)]
    pictures = plots.draw(comparison, out) if comparison.runs else {}
    memory, of_memory = memory_results(comparison), memory_sentences(comparison)

    def drawn(*names: str) -> list[Picture]:
        return [pictures[name] for name in names if name in pictures]

    return Report(
        title=finding(comparison),
        alarms=alarms,
        picture=pictures.get("outcome"),
        words=WORDS,
        table=main_table(comparison),
        sections=[
            Section("What the tests say", [sentence for sentence in sentences if sentence not in alarms]),
            Section("Learning curves", pictures=drawn("learning_curves")),
            Section("Error or reward at each step of an episode", pictures=drawn("error_by_position")),
            Section("ΔQ over training", pictures=drawn("delta_q", "delta_q_others")),
            *_memory_sections(memory, of_memory, out),
            Section("At equal cost", [AT_EQUAL_COST], table=cost_table(comparison)),
            Section("All other measures", table=measure_table(comparison)),
            Section("How it was measured", how_to_read(comparison)),
        ],
        conclusions=[*sentences, *of_memory],
        next_step=_next_step(comparison, memory, out),
    )


def _next_step(comparison: Comparison, memory: MemoryResults, out: Path) -> NextStep | None:
    """What a user would do next."""
    if not comparison.runs:
        return None
    if comparison.nothing_learned:
        return NextStep("to train for longer", ("--updates", str(4 * comparison.settings.updates)), elsewhere=True)
    if len(comparison.seeds) < FEWEST_SEEDS:
        return NextStep("to test this over seeds", ("--seeds", "5"))
    return NextStep(
        "to see how much memory these networks use, in more episodes",
        ("--checkpoint", str(out), "--episodes", str(episodes_needed(memory) or 256)),
        module="experiments.memory_use",
    )


def _memory_sections(memory: MemoryResults, sentences: Sequence[str], out: Path) -> list[Section]:
    """How much memory the agents use, where anything can be said of it."""
    if not memory.measured:
        return [Section("Memory use", sentences)] if sentences else []
    return [
        Section(
            "Memory use",
            [*sentences, *HOW_TO_READ],
            [memory_plots.draw(memory, out / "memory.png")],
            memory_table(memory),
        ),
    ]
