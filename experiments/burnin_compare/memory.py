"""How much memory the agents of a comparison use."""

from __future__ import annotations

import dataclasses

from experiments.burnin_compare.comparison import Comparison
from experiments.burnin_compare.verdict import task_name
from experiments.memory_use.results import MemoryResults, sentences
from r2d2_burnin.data import FEWEST_MEMORY_EPISODES, MemoryUse


def memory_results(comparison: Comparison) -> MemoryResults:
    """The measurements of finished runs; no number is stated of a run that is not shown to have learned anything."""
    learned = comparison.learned()
    runs = {
        name: {
            seed: run.memory if learned.get(name, {}).get(seed, True) else _nothing_learned(run.memory)
            for seed, run in comparison.of(name).items()
            if run.memory is not None
        }
        for name in comparison.strategies
    }
    return MemoryResults(task_name(comparison), comparison.outcome, runs)


def memory_sentences(comparison: Comparison) -> list[str]:
    """What can be said of memory, or why nothing can."""
    episodes = comparison.settings.evaluation_episodes
    if comparison.runs and episodes < FEWEST_MEMORY_EPISODES:
        return [
            f"Memory use is not tested with fewer than {FEWEST_MEMORY_EPISODES} evaluation episodes, got {episodes}"
            " (--evaluation-episodes)."
        ]
    return sentences(memory_results(comparison))


def _nothing_learned(memory: MemoryUse) -> MemoryUse:
    return dataclasses.replace(memory, used=None, too_few=None, better=None, learned=False)
