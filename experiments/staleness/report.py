"""The report of the staleness experiment."""

from __future__ import annotations

from pathlib import Path

from experiments.common.report import NextStep, Report, Section
from experiments.common.statistics import FEWEST_SEEDS
from experiments.staleness import plots
from experiments.staleness.results import AgeResults, finding, result_table, sentences

WORDS = {
    "age": "Learner updates between storing a state and measuring it.",
    "ΔQ first": "The norm of the difference between the outputs from the stored state and from the exact one, at a"
    " fragment's first trained step, in relation to the size of the outputs (Kapturowski et al., ICLR 2019, section"
    " 3).",
    "exact state": "The state from the episode's first step with today's parameters.",
    "state error": "Distance of the stored state from the exact one (L2).",
    "replay ratio": "Trained steps for each acted one.",
    "refreshed": "A stored state that is overwritten whenever a replayed fragment passes over it.",
    "+K": "K steps before the trained ones are processed first (burn-in).",
    "±": "Half the width of a 95 % t-interval over seeds.",
}
"""What the words of the report mean."""


def report(results: AgeResults, out: Path) -> Report:
    """The report of the runs; draws its picture in the directory `out`."""
    title = f"{results.environment}: {finding(results)}"
    picture = plots.draw(results.runs, title, out / "staleness.png") if any(results.runs.values()) else None
    of_tests = sentences(results)
    seeds = max((len(by_seed) for by_seed in results.runs.values()), default=0)
    flags = (*results.flags, "--strategies", *dict.fromkeys([*(case.strategy for case in results.runs), "full"]))
    in_error = NextStep("to see what it costs in training", flags, module="experiments.burnin_compare")
    return Report(
        title,
        [Section("How it was tested", of_tests)],
        picture=picture,
        words=WORDS,
        table=result_table(results),
        conclusions=of_tests,
        next_step=in_error if seeds >= FEWEST_SEEDS else NextStep("to test it over seeds", ("--seeds", "5")),
    )
