"""The test behind memory use: with which memories an agent loses less than a margin, by outcomes of the same episodes.

A t-test alone is not enough: where a memory fails in one episode of ten, eight episodes show no failure in 43 % of all
cases, and then vary so little that it is sure of nothing being lost.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Container

import numpy as np

from r2d2_burnin.data import FEWEST_MEMORY_EPISODES, MemoryUse

LEVEL = 0.05
"""Of the one-sided tests over episodes."""

DRAWS = 10_000
"""Random weights of a test that allows for unseen episodes: a p of 0.05 is right to 0.002."""

MOST_MORE = 16
"""Times as many episodes, at most, by which a memory could be shown to be enough for a result to name it."""

MOST_SHOWN = 129
"""Memories of which a result has the outcomes, if there are not more."""


def memory_use(
    outcomes: dict[int, np.ndarray],
    baseline: np.ndarray,
    *,
    margin: float,
    higher_is_better: bool,
    level: float = LEVEL,
) -> MemoryUse:
    """The smallest memory from which on every larger one is shown to reach what the agent itself does, within a margin.

    With c, u and b the outcomes of an episode with a memory, of the agent itself and of what learns nothing, a memory
    is enough where `p_below_zero` says that the mean of (u - c) - `margin` (u - b) is below zero (non-inferiority;
    returns, and errors with their signs changed). Memories are tested from the longest one down to the first that is
    not shown to be enough, which needs no correction for their number. Without a t-test by which the agent itself is
    better than the baseline nothing was learned, and no memory is stated. Which memories are enough whatever larger
    ones are, and with which the agent is better than without a cut by more than the margin, is tested for each memory
    with Bonferroni's correction.

    Args:
        outcomes: of each episode `[E]`, by memory, ascending; the last is the agent itself. NaN where there is none.
        baseline: what learns nothing reaches in each episode, `[E]`.
        margin: part of what was learned.
        higher_is_better: True for returns, False for errors.
        level: of the tests from the longest memory down.
    """
    there = np.isfinite([baseline, *outcomes.values()]).all(0)
    sign = 1.0 if higher_is_better else -1.0
    steps = list(outcomes)
    values = sign * np.array([outcomes[memory][there] for memory in steps], np.float64)  # [K, E]
    nothing = sign * np.asarray(baseline, np.float64)[there]
    episodes, gained = len(nothing), values[-1] - nothing
    learned = episodes >= FEWEST_MEMORY_EPISODES and _t_test(-gained) <= LEVEL
    excess = values[-1] - values - margin * gained  # [K, E]
    p_values = [1.0] * len(steps)
    used = too_few = alone = better = unproven = needed = None
    if learned:
        unseen = largest_excess(excess, (1 - margin) * float(gained.max()))
        p_values = [*p_below_zero(excess, unseen)[:-1].tolist(), 0.0]  # the agent itself loses nothing
        too_few = max((k for k, p in zip(steps, p_values, strict=True) if p > level), default=None)
        used = next(memory for memory in steps if too_few is None or memory > too_few)
        unproven, needed = _unproven(steps, excess, unseen, used, level)
        alone = next((k for k, p in zip(steps, p_values, strict=True) if p * len(steps) <= LEVEL), None)
        better = _better(steps, values[:-1] - values[-1] - margin * gained)
    shown = _shown(steps, (steps[-1], used, too_few, alone, better, unproven))
    return MemoryUse(
        steps=shown,
        outcomes=[_mean(sign * values[steps.index(memory)]) for memory in shown],
        p_values=[p_values[steps.index(memory)] for memory in shown],
        used=used,
        too_few=too_few,
        alone=alone,
        better=better,
        learned=learned,
        baseline=_mean(sign * nothing),
        margin=_mean(margin * gained),
        episodes=episodes,
        unproven=unproven,
        needed=needed,
    )


def _shown(steps: list[int], beside: Container[int | None]) -> list[int]:
    """Memories of which a result has the outcomes: of very many 0, powers of two, and those beside the answer."""
    return [k for k in steps if len(steps) <= MOST_SHOWN or k & (k - 1) == 0 or k in beside]


def largest_excess(excess: np.ndarray, whole: float) -> np.ndarray:
    """By how much an episode that was not seen may be worse than the margin with each memory, `[K]`.

    At most by as much as any was with this memory, and with the next smaller ones down to the first that a t-test does
    not show to be enough: what fails in few episodes with a memory fails in more of them with a smaller one. Where
    there is no such memory, nothing was seen to fail: then by all that was learned.

    Args:
        excess: losses of episodes less the margin, `[K, E]`, by memory, ascending.
        whole: the loss, less the margin, of an agent that has learned nothing.
    """
    worst, failing = excess.max(1), np.flatnonzero(_t_tests(excess) > LEVEL)
    unseen = np.full(len(excess), max(whole, float(worst.max())))
    for i in range(len(excess)):
        smaller = failing[failing < i]
        if len(smaller):
            unseen[i] = worst[smaller[-1] : i + 1].max()
    return unseen


def p_below_zero(values: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    """One-sided p `[K]` that the means of independent `values` `[K, E]` are not below zero: the larger one of two.

    One is the t-test's. The other, looked at where that is small, allows for what was not seen: `values` and `unseen`,
    the largest that there may be, get random weights that add up to one, uniformly over all such weights, and p is how
    often the weighted mean is not below zero (Gaffke, 2005; Learned-Miller and Thomas, 2019). Of successes and failures
    it is the exact binomial test: (1 - m)^E where E episodes show no failure, and a share m of them would be too many.
    """
    p_values = _t_tests(values)
    small = p_values <= LEVEL  # the other test decides nothing elsewhere
    at_random = np.c_[values[small], unseen[small]] @ _weights(values.shape[1] + 1)
    p_values[small] = np.maximum(p_values[small], ((at_random >= 0).sum(1) + 1) / (DRAWS + 1))
    return p_values


@functools.lru_cache(maxsize=2)
def _weights(count: int) -> np.ndarray:
    """Random weights `[count, DRAWS]`, always the same, that are not scaled to add up to one."""
    return np.random.default_rng(count).standard_exponential((count, DRAWS))


def _t_tests(values: np.ndarray) -> np.ndarray:
    """p of a t-test `[K]` for each memory's values `[K, E]`."""
    return np.array([_t_test(of_memory) for of_memory in values])


def _t_test(values: np.ndarray) -> float:
    """One-sided p that the mean of independent `values` `[E]` is not below zero; 1 without two of them.

    Where all values are the same number below zero it is the sign test's, 1 / 2^E.
    """
    if len(values) < 2:
        return 1.0
    if np.ptp(values) <= 1e-9 * np.abs(values).max():
        return 0.5 ** len(values) if values[0] < 0 else 1.0
    from scipy import special  # here alone: it is slow to import, and workers begin without it

    return float(special.stdtr(len(values) - 1, values.mean() / (values.std(ddof=1) / math.sqrt(len(values)))))


def _unproven(
    steps: list[int], excess: np.ndarray, unseen: np.ndarray, used: int, level: float
) -> tuple[int | None, int | None]:
    """The smallest memory that more episodes like these could show to be enough, and about how many; None for none."""
    unproven = needed = None
    for i in reversed(range(steps.index(used))):
        episodes = _episodes_to_show(excess[i], float(unseen[i]), level)
        if episodes > MOST_MORE * excess.shape[1]:
            break
        unproven, needed = steps[i], max(needed or 0, math.ceil(episodes))
    return unproven, needed


def _episodes_to_show(values: np.ndarray, unseen: float, level: float) -> float:
    """About how many `values` like these `[E]` show that their mean is below zero.

    Where it is below zero by as much as 1.96 standard errors and the weight of `unseen` that has this level.
    """
    mean = float(values.mean())
    if mean >= 0:
        return math.inf
    error = 1.96 * float(values.std(ddof=1))
    share = -math.log(level) * (unseen - mean)
    return ((error + math.sqrt(error**2 - 4 * share * mean)) / (-2 * mean)) ** 2


def _better(steps: list[int], gains: np.ndarray) -> int | None:
    """The memory of most gain `[K - 1, E]` beyond the margin, of those that are shown to have any."""
    ahead = [i for i, gain in enumerate(gains) if _t_test(-gain) * len(gains) <= LEVEL]
    return max(((float(gains[i].mean()), steps[i]) for i in ahead), default=(0.0, None))[1]


def _mean(values: np.ndarray) -> float:
    """Mean of `values` `[E]`; NaN of none, and 0 for what is a negative zero."""
    return float(values.mean()) + 0.0 if len(values) else math.nan
