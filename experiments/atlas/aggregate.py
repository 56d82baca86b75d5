"""Aggregates over tasks and seeds: interquartile mean and probability of improvement (Agarwal et al., 2021).

Their intervals are percentiles of a bootstrap that resamples the seeds of each task apart. With few tasks and seeds
they are somewhat too narrow, for one task with three seeds much too narrow.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from experiments.atlas.tasks import Benchmark
from experiments.burnin_compare.comparison import Comparison

RESAMPLES = 2000

Scores = Mapping[str, np.ndarray]
"""Scores of one initialization: seeds `[S]` by task."""


@dataclasses.dataclass(frozen=True)
class Aggregate:
    """A statistic over tasks and seeds, with its 95 % stratified bootstrap interval (percentile).

    No interval where every task has one seed, which nothing can be resampled from.
    """

    value: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.3g}"
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


def scores(comparison: Comparison, benchmark: Benchmark | None = None) -> dict[str, dict[int, float]] | None:
    """Outcomes of a task on a scale of tasks, by strategy and seed; None where nothing was learned or no baseline.

    Of a published task: the share of the reachable return.

    Errors: the share of the best constant answer's error that is gone, 1 - error / baseline. Returns: what is earned
    above the baseline (random actions and the best constant action), in relation to the strategy that earns most.
    """
    outcomes = comparison.outcomes()
    baselines = {name: comparison.baseline(name) for name in outcomes}
    if not outcomes or any(set(outcomes[name]) - set(baselines[name]) for name in outcomes):
        return None
    if comparison.nothing_learned:
        return None
    if benchmark is not None:
        return {name: {s: benchmark.share(value) for s, value in by.items()} for name, by in outcomes.items()}
    if not comparison.outcome.higher_is_better:
        if any(value <= 0 for by_seed in baselines.values() for value in by_seed.values()):
            return None
        return {n: {s: 1 - value / baselines[n][s] for s, value in by.items()} for n, by in outcomes.items()}
    above = {n: {s: value - baselines[n][s] for s, value in by.items()} for n, by in outcomes.items()}
    most = max(float(np.mean(list(by_seed.values()))) for by_seed in above.values())
    if most <= 0:
        return None
    return {name: {seed: value / most for seed, value in by_seed.items()} for name, by_seed in above.items()}


def interquartile_mean(scores_of: Scores) -> Aggregate:
    """Mean of the middle half of all scores over tasks and seeds (Agarwal et al., 2021, section 4.3).

    Where tasks have different numbers of seeds, every task counts as much as every other.
    """

    def statistic(samples: Sequence[np.ndarray]) -> np.ndarray:
        from scipy import stats  # here alone: workers begin before it is needed

        return np.asarray(stats.trim_mean(np.concatenate(_equally_many(samples), axis=-1), 0.25, axis=-1))

    return _bootstrap(statistic, list(scores_of.values()))


def probability_of_improvement(scores_of: Scores, others: Scores) -> Aggregate:
    """Chance that a run of one initialization beats a run of another, mean over tasks (Agarwal et al., 2021, 4.3).

    Both need the same tasks. Ties count as half.
    """
    count = len(scores_of)

    def statistic(samples: Sequence[np.ndarray]) -> np.ndarray:
        pairs = zip(samples[:count], samples[count:], strict=True)
        return np.asarray(np.mean([_probability(scores, theirs) for scores, theirs in pairs], axis=0))

    return _bootstrap(statistic, [*scores_of.values(), *(others[task] for task in scores_of)])


def _equally_many(samples: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Scores `[..., S]` of every task, repeated so that all tasks have as many."""
    count = math.lcm(*(sample.shape[-1] for sample in samples))
    return [np.repeat(sample, count // sample.shape[-1], axis=-1) for sample in samples]


def _probability(scores: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    difference = scores[..., :, None] - theirs[..., None, :]
    pairs = (-2, -1)
    return np.asarray((difference > 0).mean(axis=pairs) + 0.5 * (difference == 0).mean(axis=pairs))


def _bootstrap(statistic: Callable[[Sequence[np.ndarray]], np.ndarray], samples: Sequence[np.ndarray]) -> Aggregate:
    """Resample the seeds of each task apart (Agarwal et al., 2021, section 4.1); the resampling is seeded.

    Args:
        statistic: of scores `[..., S]` of each task, for each of the leading axes.
        samples: scores `[S]` of each task.
    """
    value = float(statistic(samples))
    if max(map(len, samples)) < 2:
        return Aggregate(value, None, None)
    generator = np.random.default_rng(0)
    # Seeds are drawn sample by sample, as reports have always done: their intervals stay the same.
    chosen = [[generator.integers(len(sample), size=len(sample)) for sample in samples] for _ in range(RESAMPLES)]
    by_task = zip(*chosen, strict=True)
    resampled = statistic([sample[np.array(indices)] for sample, indices in zip(samples, by_task, strict=True)])
    low, high = np.percentile(resampled, [2.5, 97.5]).tolist()
    return Aggregate(value, low, high)
