"""What several tasks compute from bits."""

from __future__ import annotations

import functools

import numpy as np


def delayed(values: np.ndarray, steps: int) -> np.ndarray:
    """Values `[..., L]` of `steps` steps ago, 0 before that."""
    shifted = np.zeros(values.shape, dtype=np.int64)
    shifted[..., steps:] = values[..., : max(values.shape[-1] - steps, 0)]
    return shifted


@functools.lru_cache(maxsize=4096)
def binomial(trials: int, p: float) -> np.ndarray:
    """Distribution `[trials + 1]` of the number of ones among bits, one bit added at a time: exact for p of 0 and 1."""
    distribution = np.ones(1)
    for _ in range(trials):
        distribution = np.convolve(distribution, [1 - p, p])
    return distribution
