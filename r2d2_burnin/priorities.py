"""Priorities of replayed fragments: proportional sampling at a cost that grows with the logarithm of their number."""

from __future__ import annotations

import numpy as np


class SumTree:
    """Non-negative priorities by row number, stored in a binary tree whose nodes hold the sum of their children.

    Rows are numbered as a `ring.Ring` numbers them: appended at the end, dropped from the front. Setting or drawing B
    rows costs B log2(rows kept), all B at once in NumPy (Schaul et al., 2016, appendix B.2.1).
    """

    def __init__(self) -> None:
        self.first = 0
        self.end = 0
        self._leaves = 64
        self._sums = np.zeros(2 * self._leaves)

    @property
    def total(self) -> float:
        """Sum of all priorities."""
        return float(self._sums[1])

    @property
    def nbytes(self) -> int:
        """Memory in use, in bytes."""
        return self._sums.nbytes

    def append(self, priorities: np.ndarray) -> None:
        """Add rows with these priorities `[n]`."""
        needed = self.end + len(priorities) - self.first
        if needed > self._leaves:
            self._grow(needed)
        rows = np.arange(self.end, self.end + len(priorities))
        self.end += len(priorities)
        self.set(rows, priorities)

    def drop(self, count: int) -> None:
        """Forget the oldest `count` rows."""
        self.set(np.arange(self.first, self.first + count), np.zeros(count))
        self.first += count

    def get(self, rows: np.ndarray) -> np.ndarray:
        """Priorities `[...]` of the given rows `[...]`."""
        return np.asarray(self._sums[self._leaves + rows % self._leaves])

    def set(self, rows: np.ndarray, priorities: np.ndarray) -> None:
        """Change the priorities `[n]` of the given rows `[n]`; of a row given twice, the last one counts."""
        nodes = self._leaves + rows % self._leaves
        self._sums[nodes] = priorities
        while len(nodes) and nodes[0] > 1:
            nodes = nodes // 2
            self._sums[nodes] = self._sums[2 * nodes] + self._sums[2 * nodes + 1]

    def sample(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw rows of the given shape, with replacement, each as often as its share of the total says."""
        rest = generator.random(shape) * self.total
        nodes = np.ones(shape, np.int64)
        while nodes.size and nodes.flat[0] < self._leaves:
            left = 2 * nodes
            left_sum = self._sums[left]
            # Rounding may leave a rest at a sum's very end; an empty right branch is never entered.
            goes_right = (rest >= left_sum) & (self._sums[left + 1] > 0)
            rest = np.where(goes_right, rest - left_sum, rest)
            nodes = left + goes_right
        places = nodes - self._leaves
        return np.asarray(self.first + (places - self.first) % self._leaves)

    def _grow(self, needed: int) -> None:
        rows = np.arange(self.first, self.end)
        priorities = self.get(rows)
        while self._leaves < needed:
            self._leaves *= 2
        self._sums = np.zeros(2 * self._leaves)
        self.set(rows, priorities)


def importance_weights(priorities: np.ndarray, total: float, rows: int, exponent: float) -> np.ndarray:
    """Weights `[U, B]` of drawn fragments that take back what prioritized sampling distorts.

    w = (1 / (N P))^exponent, divided by the largest of each batch (Schaul et al., 2016, section 3.4).

    Args:
        priorities: of the drawn fragments, `[U, B]`, as the sum tree holds them.
        total: their sum over all fragments kept.
        rows: fragments kept, N.
        exponent: 0 for no correction, 1 for a whole one.
    """
    weights = (total / (rows * priorities)) ** exponent
    return np.asarray(weights / weights.max(-1, keepdims=True), np.float32)
