"""n-step returns: the part of Q-learning's targets that depends on no network, in NumPy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class NStepReturns(NamedTuple):
    """The part of n-step targets that does not depend on a network, for every step of an episode, `[L]` each."""

    returns: np.ndarray  # discounted sum of the next rewards, at most n
    discounts: np.ndarray  # discount of the value that follows them; 0 where the episode has terminated by then
    offsets: np.ndarray  # how many steps ahead that value's observation is, 1 to n


def n_step_returns(rewards: np.ndarray, *, terminated: bool, n: int, discount: float) -> NStepReturns:
    """Sums of the next n rewards `[L]`, which end where the episode ends.

    R_t = sum over i < m of discount^i r_{t+i}, with m = min(n, L - t) (Sutton, 1988; R2D2, section 2.3). What follows
    is the value of the observation m steps ahead, times discount^m; after a truncation that is the episode's last
    observation, after a termination nothing.
    """
    length = len(rewards)
    steps = np.arange(length)
    offsets = np.minimum(n, length - steps)
    padded = np.concatenate([np.asarray(rewards, np.float64), np.zeros(n)])
    returns = sum(discount**i * padded[i : i + length] for i in range(n))
    ends = terminated & (steps + offsets == length)
    discounts = np.where(ends, 0.0, np.power(discount, offsets))
    return NStepReturns(np.asarray(returns, np.float32), discounts.astype(np.float32), offsets.astype(np.int32))
