"""Upper confidence bounds over episodes: of a mean, and of the share of episodes that fail."""

from __future__ import annotations

import warnings

import numpy as np
from scipy import stats

LEVEL = 0.95
"""Confidence level of the one-sided bounds."""


def upper_bound(values: np.ndarray, *, resamples: int = 2000) -> float:
    """One-sided 95 % upper confidence bound of the mean of independent `values` `[E]`, one an episode.

    It is the bias-corrected and accelerated bootstrap (BCa; Efron, 1987): a percentile bootstrap is too low where few
    episodes have large values and most have none. For one value of 1 among 63 zeros it gives 3/64, BCa gives 4/64, and
    the exact bound for a share is 4.7/64. The resampling is seeded: the same values have the same bound.

    No bound knows of failures that did not occur in the sample; `share_bound` says how frequent they can be.
    """
    values = np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        return float("inf")
    if len(values) < 2 or np.ptp(values) == 0:
        return float(np.mean(values))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # values equal but for rounding
        interval = stats.bootstrap(
            (values,),
            np.mean,
            confidence_level=LEVEL,
            alternative="less",
            n_resamples=resamples,
            method="BCa",
            vectorized=True,
            rng=np.random.default_rng(0),
        )
    high = float(interval.confidence_interval.high)
    return high if np.isfinite(high) else float(np.mean(values))


def share_bound(failed: int, episodes: int) -> float:
    """One-sided 95 % upper confidence bound of the share of failing episodes (Clopper and Pearson, 1934).

    Without any failure it is about 3 / `episodes`, the rule of three.
    """
    return 1.0 if failed >= episodes else float(stats.beta.ppf(LEVEL, failed + 1, episodes - failed))
