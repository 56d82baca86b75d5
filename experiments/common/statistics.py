"""Statistics over seeds: means, bootstrap intervals, paired differences."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its 95 % bootstrap interval; no interval where one seed cannot give one."""

    mean: float
    low: float | None
    high: float | None
    per_seed: tuple[float, ...]

    def as_json(self) -> dict[str, object]:
        """The form that `summary.json` has."""
        return {"mean": self.mean, "ci95": [self.low, self.high], "per_seed": list(self.per_seed)}

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.mean:.3g}"
        return f"{self.mean:.3g} [{self.low:.3g}, {self.high:.3g}]"


def estimate(values: Sequence[float]) -> Estimate | None:
    """Mean and 95 % percentile bootstrap interval over seeds; None for no values.

    Few seeds make the interval too narrow: with three it seldom reaches beyond the smallest and the largest value.
    """
    if not values:
        return None
    per_seed = tuple(float(value) for value in values)
    mean = float(np.mean(per_seed))
    if len(per_seed) < 2:
        return Estimate(mean, None, None, per_seed)
    low, high = bootstrap_interval(np.array(per_seed)[:, None])
    return Estimate(mean, float(low[0]), float(high[0]), per_seed)


def bootstrap_interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % percentile bootstrap interval of the mean over the first axis of `[S, N]`: low and high, `[N]` each.

    The resampling is seeded: the same values have the same interval.
    """
    if len(values) < 2:
        return values[0], values[0]
    from scipy import stats  # here alone: it takes longer to import than a command line may take to answer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # equal values have an interval of no width
        result = stats.bootstrap(
            (values,), np.mean, axis=0, n_resamples=2000, method="percentile", rng=np.random.default_rng(0)
        )
    return np.asarray(result.confidence_interval.low), np.asarray(result.confidence_interval.high)


def paired_difference(a: dict[int, float], b: dict[int, float]) -> Estimate | None:
    """Mean and interval of a - b over the seeds that both have; None without such a seed."""
    return estimate([a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())])
