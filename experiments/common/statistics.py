"""Statistics over seeds: t-intervals, and tests of all initializations of a report against one of them.

Few seeds carry little: three of them leave a 95 % interval 4.3 standard errors wide on each side. Nothing here is
resampled: percentile intervals of three to ten resampled seeds are much too narrow (`python -m
experiments.benchmark calibration` shows by how much).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from r2d2_burnin.runtime.formatting import number, plus_minus

LEVEL = 0.05
"""Share of reports of identical initializations that may contain a direction."""

FEWEST_SEEDS = 3
"""Common seeds without which nothing is tested: of two that agree by chance, a t-test makes too much."""

FEWEST_EPISODES = 8
"""Episodes of each run without which a loss is not said to be below its floor: fewer do not show how they scatter."""

FALSE_ALARMS = 3.17e-5
"""Probability that `is_below` is wrong for normal losses, that of four standard errors. For the skewed losses of
counting it is wrong less than once in 1000 times, as the tests show by simulation."""

ROUNDING = 1e-5
"""A loss below its floor by less than this part of it is below it by rounding."""

IDENTICAL = 1e-9
"""Differences that vary by less than this part of their size count as the same number."""

Key = TypeVar("Key")

Outcomes = Mapping[str, Mapping[int, float]]
"""Outcomes by initialization and seed."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its 95 % t-interval; no interval where one seed cannot give one."""

    mean: float
    low: float | None
    high: float | None
    per_seed: tuple[float, ...]

    def as_json(self) -> dict[str, object]:
        """The form that `summary.json` has."""
        return {"mean": self.mean, "ci95": [self.low, self.high], "per_seed": list(self.per_seed)}

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return number(self.mean)
        return plus_minus(self.mean, (self.high - self.low) / 2)


def estimate(values: Sequence[float]) -> Estimate | None:
    """Mean and 95 % t-interval over seeds; None for no values.

    The interval is exact for normal values. However wide, it does not bound what happens in rare seeds: of a failure
    in a fifth of all seeds, five seeds show nothing in a third of cases.
    """
    if not values:
        return None
    per_seed = tuple(float(value) for value in values)
    mean = float(np.mean(per_seed))
    if len(per_seed) < 2:
        return Estimate(mean, None, None, per_seed)
    low, high = t_interval(np.array(per_seed)[:, None])
    return Estimate(mean, float(low[0]), float(high[0]), per_seed)


def t_interval(values: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """t-interval of the mean over the first axis of `[S, N]`: low and high, `[N]` each (Student, 1908).

    One seed has no interval: both are its values.

    Args:
        values: `[S, N]`.
        level: probability of missing the mean, 0.05 for a 95 % interval.
    """
    count = len(values)
    mean = values.mean(0)
    if count < 2:
        return mean, mean
    half = _t_quantile(count - 1, level) * values.std(0, ddof=1) / math.sqrt(count)
    return mean - half, mean + half


@dataclasses.dataclass(frozen=True)
class Contrast:
    """One initialization against the reference, paired over the seeds that both have."""

    strategy: str
    reference: str
    seeds: int  # that both have
    is_ratio: bool  # whether `estimate`, `low` and `high` are logarithms of ratios, or differences
    estimate: float  # mean over seeds of log(strategy / reference) or of strategy - reference; NaN without a seed
    low: float  # interval of the estimate, at the level at which Holm's procedure tests it; infinite without a test
    high: float
    p: float  # adjusted by Holm's procedure; 1 without a test
    direction: Literal["better", "worse"] | None
    has_zeros: bool = False  # whether an error of zero was replaced, so that the ratio is a bound

    @property
    def is_tested(self) -> bool:
        """Whether there are seeds enough for a test."""
        return self.seeds >= FEWEST_SEEDS

    def within(self, margin: float) -> bool:
        """Whether the whole interval lies between -margin and margin: equal, as far as the margin says."""
        return self.is_tested and -margin <= self.low <= self.high <= margin

    def as_json(self) -> dict[str, object]:
        """The form that `summary.json` has; null where a number is not finite."""
        content = dataclasses.asdict(self)
        finite = {key: None for key, value in content.items() if isinstance(value, float) and not math.isfinite(value)}
        return content | finite


class Pair(NamedTuple):
    """Two initializations to compare, and the outcomes of both by seed."""

    strategy: str
    reference: str
    outcomes: Mapping[int, float]  # finite
    others: Mapping[int, float]
    higher_is_better: bool  # True for returns, False for errors
    is_ratio: bool  # whether logarithms of ratios are tested, of outcomes that are at least 0, or differences


def compare_all(outcomes: Outcomes, reference: str, *, higher_is_better: bool) -> tuple[Contrast, ...]:
    """Compare every other initialization of a report with the reference; one record for each, in their order.

    Paired t-tests over common seeds, three at least: of logarithms of ratios for errors (lower is better), of
    differences for returns, with Holm's correction over all comparisons (Holm, 1979). Where outcomes over seeds are not
    far from normal, at most 5 % of reports on identical initializations contain any direction; where half of the runs
    fail, or a fifth of them with ten initializations or more, it is more with three seeds (`python -m
    experiments.benchmark calibration`). An error of zero counts as half of
    the smallest error above zero of the pair. Errors below zero have no ratio, so differences are taken then. Where all
    differences are the same number, which no t-test can judge, the sign test bounds p: 2 / 2^n.

    Args:
        outcomes: by initialization and seed.
        reference: the initialization that the others are compared with.
        higher_is_better: True for returns, False for errors.

    Raises:
        ValueError: for an unknown reference, or an outcome that is no finite number.
    """
    return compare_pairs(pairs_with(outcomes, reference, higher_is_better=higher_is_better))


def pairs_with(outcomes: Outcomes, reference: str, *, higher_is_better: bool) -> list[Pair]:
    """What `compare_all` compares, for a report with comparisons of several kinds."""
    outcomes = {name: {seed: float(value) for seed, value in by_seed.items()} for name, by_seed in outcomes.items()}
    if reference not in outcomes:
        raise ValueError(f"reference: got {reference!r}, expected one of {', '.join(outcomes)}")
    for name, by_seed in outcomes.items():
        for seed, value in by_seed.items():
            if not math.isfinite(value):
                raise ValueError(f"outcomes: got {value} of {name}, seed {seed}, expected a finite number")
    values = [value for by_seed in outcomes.values() for value in by_seed.values()]
    is_ratio = not higher_is_better and min(values, default=0.0) >= 0
    return [
        Pair(name, reference, by_seed, outcomes[reference], higher_is_better, is_ratio)
        for name, by_seed in outcomes.items()
        if name != reference
    ]


def compare_pairs(pairs: Sequence[Pair]) -> tuple[Contrast, ...]:
    """Compare the two of each pair, as `compare_all` does, with Holm's correction over all of them."""
    matched = [_pairs(pair.outcomes, pair.others) for pair in pairs]
    differences = [
        _log_ratios(*values) if pair.is_ratio else values[0] - values[1]
        for pair, values in zip(pairs, matched, strict=True)
    ]
    adjusted, levels = holm(
        {i: _p_value(series) for i, series in enumerate(differences) if len(series) >= FEWEST_SEEDS}
    )
    contrasts = []
    for i, (pair, series) in enumerate(zip(pairs, differences, strict=True)):
        low, high = _interval(series, levels[i]) if i in levels else (-math.inf, math.inf)
        mean = float(np.mean(series)) if len(series) else math.nan
        direction: Literal["better", "worse"] | None = None
        if adjusted.get(i, 1.0) <= LEVEL:
            direction = "better" if (mean > 0) == pair.higher_is_better else "worse"
        p, has_zeros = adjusted.get(i, 1.0), pair.is_ratio and not all(map(np.all, matched[i]))
        names = (pair.strategy, pair.reference)
        contrasts.append(Contrast(*names, len(series), pair.is_ratio, mean, low, high, p, direction, has_zeros))
    return tuple(contrasts)


def _pairs(values: Mapping[int, float], others: Mapping[int, float]) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes `[n]` and the others' `[n]` of the seeds that both have."""
    seeds = sorted(values.keys() & others.keys())
    return np.array([values[seed] for seed in seeds], float), np.array([others[seed] for seed in seeds], float)


def _log_ratios(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """log(value / other) `[n]`; a zero counts as half of the smallest number above zero."""
    both = np.stack([values, others])
    positive = both[both > 0]
    least = max(positive.min() / 2, np.finfo(float).tiny) if len(positive) else 1.0
    logarithms = np.log(np.maximum(both, least))
    return np.asarray(logarithms[0] - logarithms[1])


def holm(p_values: Mapping[Key, float]) -> tuple[dict[Key, float], dict[Key, float]]:
    """Adjusted p-values by Holm's step-down procedure (Holm, 1979), and the level at which each was tested."""
    ordered = sorted(p_values.items(), key=lambda pair: pair[1])
    count = len(ordered)
    steps = [min(p * (count - place), 1.0) for place, (_, p) in enumerate(ordered)]
    rejected = next((place for place, p in enumerate(steps) if p > LEVEL), count)
    adjusted = dict(zip(dict(ordered), np.maximum.accumulate(steps).tolist(), strict=True)) if steps else {}
    # The first one that is not rejected ends the procedure: those after it are judged at its level.
    levels = {name: LEVEL / (count - min(place, rejected)) for place, (name, _) in enumerate(ordered)}
    return adjusted, levels


def _constant(differences: np.ndarray) -> bool:
    return bool(np.ptp(differences) <= IDENTICAL * np.abs(differences).max())


def _p_value(differences: np.ndarray) -> float:
    """Two-sided p of a mean of zero, `[n]` with n of 2 at least."""
    if _constant(differences):
        return 2.0 ** (1 - len(differences)) if differences.any() else 1.0
    from scipy import special  # here alone: workers begin before it is needed

    count = len(differences)
    t = differences.mean() / (differences.std(ddof=1) / math.sqrt(count))
    return float(2 * special.stdtr(count - 1, -abs(t)))


def _interval(differences: np.ndarray, level: float) -> tuple[float, float]:
    """Interval of the mean that excludes 0 where the test at this level does; 0 alone where there is no difference."""
    if _constant(differences) and differences.any() and 2.0 ** (1 - len(differences)) > level:
        return -math.inf, math.inf
    low, high = t_interval(differences[:, None], level)
    return float(low[0]), float(high[0])


def is_better(values: Sequence[float], baseline: Sequence[float], *, higher_is_better: bool) -> float:
    """One-sided p that the outcomes of one run's episodes are no better than a baseline's in the same episodes.

    A paired t-test over episodes `[n]`; where all differences are the same number above zero the sign test's, 1 / 2^n.
    One episode proves nothing.
    """
    differences = np.asarray(values, float) - np.asarray(baseline, float)
    if not higher_is_better:
        differences = -differences
    if len(differences) < 2:
        return 1.0
    if _constant(differences):
        return 0.5 ** len(differences) if differences[0] > 0 else 1.0
    half = _p_value(differences) / 2
    return half if differences.mean() > 0 else 1 - half


def episodes_needed(runs: int) -> int:
    """Episodes without which no test of so many runs by `is_better`, with Holm's correction, can be relied on.

    The smallest p that the signs of n differences can have, 1 / 2^n, has to reach the level of the first of the tests.
    A t-test of fewer reaches it, or does not, by what it assumes of their distribution.
    """
    return max(2, math.ceil(math.log2(max(runs, 1) / LEVEL)))


def is_below(
    means: Sequence[float], standard_errors: Sequence[float], episodes: Sequence[int], bound: float
) -> bool | None:
    """Whether the mean loss of runs is below a bound above zero by more than sampling error; None: too few episodes.

    A t-test of the logarithm of the mean, its standard error by the delta method, with the degrees of freedom of Welch
    and Satterthwaite, at the level `FALSE_ALARMS`. Losses of episodes are skewed to the right, so that a mean that is
    too small comes with a standard error that is too small; the logarithm makes up for it.

    Args:
        means: of each run, `[S]`, none below zero.
        standard_errors: of each mean, over episodes, `[S]`.
        episodes: of each run, `[S]`.
        bound: what no expectation of these losses can be below.
    """
    if not len(means) or len(standard_errors) < len(means) or min(episodes) < FEWEST_EPISODES:
        return None
    from scipy import special  # here alone: workers begin before it is needed

    mean, variances = float(np.mean(means)), np.square(np.asarray(standard_errors, float))
    if mean <= 0:
        return True
    below = math.log(bound / mean)
    total = float(variances.sum())
    if total == 0:
        return below > ROUNDING
    freedom = total**2 / float((variances**2 / (np.asarray(episodes) - 1)).sum())
    error = math.sqrt(total) / len(means) / mean
    return below > max(ROUNDING, -float(special.stdtrit(freedom, FALSE_ALARMS)) * error)


def _t_quantile(freedom: int, level: float) -> float:
    from scipy import special  # here alone: workers begin before it is needed

    return float(special.stdtrit(freedom, 1 - level / 2))
