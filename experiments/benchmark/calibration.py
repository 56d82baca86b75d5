"""Benchmark of the statistics: how often reports are wrong, beside what is allowed, and beside resampled seeds."""

from __future__ import annotations

import math

from experiments.benchmark.settings import Settings
from experiments.benchmark.simulation import (
    DIFFERENCES,
    DISTRIBUTIONS,
    FAILING_RETURNS,
    HALF_FAILING,
    MANY,
    MEMORIES,
    MEMORY_EPISODES,
    SEEDS,
    STRATEGIES,
    bootstrap_coverage,
    coverage,
    false_directions,
    false_memories,
    seen,
)
from experiments.benchmark.timing import Row
from experiments.common.report import Table
from experiments.common.statistics import LEVEL

REPORTS = 10_000
"""Simulated reports for each row of false directions; the standard error of 5 % is 0.2 %."""

ALLOWED_WRONG = LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) / REPORTS)
"""Share of reports that may contain a false direction, with two standard errors of the simulation."""

ALLOWED_MEMORIES = LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) / (REPORTS // 5))
"""Share of measures of memory use that may be wrong where a memory loses just the margin."""

ALLOWED_TO_MISS = 0.2
"""Share of large differences that a report may miss."""


def calibration(settings: Settings) -> list[Row]:
    """Rates of wrong statements in simulated reports; nothing is timed, and the rounds are always as many."""
    rows, shown = [], []
    for name, distribution in {**DISTRIBUTIONS, "half failing": HALF_FAILING}.items():
        line = [name]
        for seeds in SEEDS:
            wrong = false_directions(distribution, seeds, reports=REPORTS)
            covered = coverage(distribution, seeds, reports=2 * REPORTS)
            resampled = bootstrap_coverage(distribution, seeds, reports=REPORTS // 5)
            line += [f"{wrong:.1%}", f"{covered:.0%}", f"{resampled:.0%}"]
            if name in DISTRIBUTIONS:
                work = f"false direction, {STRATEGIES} identical, {name}, {seeds} seeds"
                rows.append(_row(work, wrong, ALLOWED_WRONG))
        shown.append(line)
    for factor, seeds in DIFFERENCES:
        missed = 1 - seen(factor, seeds, reports=REPORTS // 5)
        rows.append(_row(f"difference of {factor:g} times missed, {seeds} seeds", missed, ALLOWED_TO_MISS))
    for name, draw in MEMORIES.items():
        for episodes in MEMORY_EPISODES:
            wrong = false_memories(draw, episodes, reports=REPORTS // 5)
            rows.append(_row(f"too small a memory called enough, {name}, {episodes} episodes", wrong, ALLOWED_MEMORIES))
    headers = [f"{seeds} seeds: {what}" for seeds in SEEDS for what in ("false", "t covers", "bootstrap covers")]
    print(Table(["outcomes over seeds", *headers], shown).text)
    print(_limits())
    return rows


def _limits() -> str:
    """Where the tests of few seeds are wrong more often than stated, and how often."""
    shown = []
    for name, distribution in {"errors": DISTRIBUTIONS["a fifth failing"], "returns": FAILING_RETURNS}.items():
        for strategies in MANY:
            shares = [
                f"{false_directions(distribution, seeds, reports=REPORTS // 5, strategies=strategies):.1%}"
                for seeds in SEEDS
            ]
            shown.append([f"{name}, {strategies} initializations", *shares])
    headers = ["a fifth failing: false directions", *(f"{seeds} seeds" for seeds in SEEDS)]
    limits = Table(headers, shown).text
    return f"\nWith 10 initializations or more, 3 seeds are not enough where a fifth of runs fail; use 5:\n\n{limits}"


def _row(work: str, share: float, allowed: float) -> Row:
    smallest = 1 / REPORTS  # a share of none is at most this
    return Row(work, "reports", 100 * share, "%", "allowed", 100 * allowed, allowed / max(share, smallest), 1.0)
