"""How often the statistics of reports are wrong, by simulation: false directions, missed differences, coverage."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from experiments.common.statistics import compare_all, t_interval
from r2d2_burnin.diagnostics.memory_statistics import memory_use

SEEDS = (3, 5, 10)
STRATEGIES = 5
DIFFERENCES = ((100.0, 3), (5.0, 5), (2.0, 10))
"""Ratios of errors that a number of seeds has to show, where seeds vary by 0.3 in the logarithm."""


@dataclasses.dataclass(frozen=True)
class Distribution:
    """Outcomes over seeds."""

    draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
    mean: float
    higher_is_better: bool
    """Whether `compare_all` takes them for returns, which it compares by differences, or for errors."""


def _failing(part: float) -> Distribution:
    """Errors of which a part is a hundred times as large."""

    def draw(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        factors = np.where(generator.random(shape) < part, 100.0, 1.0)
        return np.asarray(np.exp(generator.normal(0.0, 0.3, shape)) * factors)

    return Distribution(draw, float(np.exp(0.045) * (1 - part + 100 * part)), False)


DISTRIBUTIONS = {
    "normal": Distribution(lambda g, shape: g.normal(0.0, 1.0, shape), 0.0, True),
    "lognormal": Distribution(lambda g, shape: np.exp(g.normal(0.0, 1.0, shape)), float(np.exp(0.5)), False),
    "t, 3 degrees": Distribution(lambda g, shape: g.standard_t(3, shape), 0.0, True),
    "a fifth failing": _failing(0.2),
}
"""What outcomes over seeds may look like."""

HALF_FAILING = _failing(0.5)
"""What t-tests of few seeds are not made for."""

FAILING_RETURNS = Distribution(
    lambda g, shape: 1.0 + g.normal(0.0, 0.1, shape) - np.where(g.random(shape) < 0.2, 100.0, 0.0), -19.0, True
)
"""Returns that are lost in a fifth of runs, compared by differences."""

MANY = (10, 30)
"""Numbers of initializations with which 3 seeds are not enough where a fifth of runs fail."""


MEMORY_EPISODES = (8, 16, 64)
"""Episodes of a simulated measure of memory use."""

MEMORY_MARGIN = 0.05


def _noisy_returns(generator: np.random.Generator, episodes: int) -> dict[int, np.ndarray]:
    """About 10, of which a memory of 1 step loses just the margin and no memory somewhat more, each with noise."""
    uncut = 10 + generator.normal(size=episodes)
    losses = {0: 0.8, 1: 10 * MEMORY_MARGIN}
    return {k: uncut - loss + 0.3 * generator.normal(size=episodes) for k, loss in losses.items()} | {2: uncut}


def _successes(generator: np.random.Generator, episodes: int) -> dict[int, np.ndarray]:
    """All of them with the whole memory, none without; with 1 step just so many fail as the margin allows."""
    share = generator.random(episodes) >= MEMORY_MARGIN
    return {0: np.zeros(episodes), 1: share.astype(float), 2: np.ones(episodes)}


MEMORIES = {"normal returns": _noisy_returns, "successes and failures": _successes}
"""Outcomes of episodes by memory, where 1 step is just not enough."""


def false_memories(
    draw: Callable[[np.random.Generator, int], dict[int, np.ndarray]], episodes: int, *, reports: int
) -> float:
    """Share of measures of memory use that call a memory enough which loses just the margin."""
    generator = np.random.default_rng((episodes, reports))
    wrong = 0
    for _ in range(reports):
        use = memory_use(draw(generator, episodes), np.zeros(episodes), margin=MEMORY_MARGIN, higher_is_better=True)
        wrong += use.used is not None and use.used < 2
    return wrong / reports


def false_directions(distribution: Distribution, seeds: int, *, reports: int, strategies: int = STRATEGIES) -> float:
    """Share of reports of so many identical initializations that contain a direction."""
    generator = np.random.default_rng((seeds, reports, round(1e6 * abs(distribution.mean))))
    wrong = 0
    for _ in range(reports):
        values = distribution.draw(generator, (strategies, seeds))
        outcomes = {str(i): dict(enumerate(row.tolist())) for i, row in enumerate(values)}
        contrasts = compare_all(outcomes, "0", higher_is_better=distribution.higher_is_better)
        wrong += any(contrast.direction is not None for contrast in contrasts)
    return wrong / reports


def seen(factor: float, seeds: int, *, reports: int, spread: float = 0.3) -> float:
    """Share of reports that show the direction of an initialization whose error is `factor` times the others'.

    Args:
        factor: ratio of the errors.
        seeds: number of seeds.
        reports: reports to simulate.
        spread: standard deviation over seeds, in the logarithm.
    """
    generator = np.random.default_rng(seeds)
    right = 0
    for _ in range(reports):
        values = np.exp(generator.normal(0.0, spread, (STRATEGIES, seeds)))
        values[1] *= factor
        outcomes = {str(i): dict(enumerate(row.tolist())) for i, row in enumerate(values)}
        right += compare_all(outcomes, "0", higher_is_better=False)[0].direction == "worse"
    return right / reports


def coverage(distribution: Distribution, seeds: int, *, reports: int) -> float:
    """Share of 95 % t-intervals that contain the distribution's mean."""
    values = distribution.draw(np.random.default_rng(seeds), (seeds, reports))
    low, high = t_interval(values)
    return float(((low <= distribution.mean) & (distribution.mean <= high)).mean())


def bootstrap_coverage(distribution: Distribution, seeds: int, *, reports: int, resamples: int = 1000) -> float:
    """The same for percentile intervals of resampled seeds, as earlier versions reported."""
    generator = np.random.default_rng(seeds)
    values = distribution.draw(generator, (reports, seeds))
    covered = 0
    for row in values:
        means = row[generator.integers(seeds, size=(resamples, seeds))].mean(1)
        low, high = np.percentile(means, [2.5, 97.5])
        covered += low <= distribution.mean <= high
    return covered / reports
