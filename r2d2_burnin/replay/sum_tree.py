"""Priorities of replayed fragments: proportional sampling at a cost that grows with the logarithm of their number."""

from __future__ import annotations

import itertools
import math

import numpy as np

BRANCHES = 32
"""Children of a node: few levels, each a handful of NumPy calls on whole blocks, are faster than many of two."""

ROOTS = 1024
"""Nodes without a parent, at most: summing these is faster than two levels more."""

LARGEST = 1e280
"""Largest priority: the sum of as many as memory holds is still finite."""


class SumTree:
    """Non-negative priorities by row number, stored in a tree whose nodes hold the sum of their children.

    Rows are numbered as a `ring.Ring` numbers them: appended at the end, dropped from the front. Setting or drawing B
    rows costs B log(rows kept), all B at once in NumPy (Schaul et al., 2016, appendix B.2.1). Sums are always taken
    anew from the children, so they do not drift.
    """

    def __init__(self) -> None:
        self.first = 0
        self.end = 0
        self._levels = _empty_levels(2 * BRANCHES)  # from the leaves to the roots, each [nodes]

    @property
    def total(self) -> float:
        """Sum of all priorities."""
        return float(self._levels[-1].sum())

    @property
    def nbytes(self) -> int:
        """Memory in use, in bytes."""
        return sum(level.nbytes for level in self._levels)

    def append(self, priorities: np.ndarray) -> None:
        """Add rows with these priorities `[n]`.

        Raises:
            ValueError: as `set` does; nothing is added then.
        """
        check_priorities(priorities)
        needed = self.end + len(priorities) - self.first
        if needed > len(self._levels[0]):
            self._grow(needed)
        rows = np.arange(self.end, self.end + len(priorities))
        self.end += len(priorities)
        self._write(rows, priorities)

    def drop(self, count: int) -> None:
        """Forget the oldest `count` rows.

        Raises:
            ValueError: for more rows than there are.
        """
        if not 0 <= count <= self.end - self.first:
            raise ValueError(f"count: got {count}, expected 0 to {self.end - self.first}, the rows kept")
        self._write(np.arange(self.first, self.first + count), np.zeros(count))
        self.first += count

    def get(self, rows: np.ndarray) -> np.ndarray:
        """Priorities `[...]` of the given rows `[...]`."""
        return self._levels[0][rows % len(self._levels[0])]  # type: ignore[no-any-return]

    def set(self, rows: np.ndarray, priorities: np.ndarray) -> None:
        """Change the priorities `[n]` of the given rows `[n]`; of a row given twice, the last one counts.

        Raises:
            ValueError: for a priority that is NaN, infinite, negative, or above `LARGEST`, and for a row that is not
                kept; nothing is changed then.
        """
        check_priorities(priorities)
        if len(rows) and not (rows.min() >= self.first and rows.max() < self.end):
            wrong = rows[(rows < self.first) | (rows >= self.end)][0]
            raise ValueError(f"rows: got {wrong}, expected rows that are kept, {self.first} to {self.end - 1}")
        self._write(rows, priorities)

    def _write(self, rows: np.ndarray, priorities: np.ndarray) -> None:
        """Change the priorities `[n]` of rows `[n]`, which may be new ones, and the sums above them."""
        nodes = rows % len(self._levels[0])
        self._levels[0][nodes] = priorities
        for below, above in itertools.pairwise(self._levels):
            nodes = nodes // BRANCHES
            if len(nodes) > BRANCHES:
                nodes = np.sort(nodes)
                # What np.unique returns, in half its time for as few as a batch.
                nodes = nodes[np.concatenate(([True], nodes[1:] != nodes[:-1]))]
            above[nodes] = below.reshape(-1, BRANCHES)[nodes].sum(1)

    def sample(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw rows of the given shape, with replacement, each as often as its share of the total says."""
        sums = self._levels[-1].cumsum()
        rest = generator.random(math.prod(shape)) * sums[-1]
        # Rounding may leave a rest at a sum's very end: the last node that is not empty takes it.
        nodes = np.minimum(sums.searchsorted(rest, "right"), sums.searchsorted(sums[-1]))
        rest -= sums[nodes] - self._levels[-1][nodes]
        examples = np.arange(len(rest))
        for level in self._levels[-2::-1]:
            children = level.reshape(-1, BRANCHES)[nodes]
            sums = children.cumsum(1)
            within = np.minimum(np.maximum(rest, 0), np.nextafter(sums[:, -1], 0))
            chosen = (sums <= within[:, None]).sum(1)
            rest = within - (sums[examples, chosen] - children[examples, chosen])
            nodes = nodes * BRANCHES + chosen
        return np.asarray(self.first + (nodes - self.first) % len(self._levels[0])).reshape(shape)

    def get_state(self) -> dict[str, np.ndarray]:
        """The priorities kept and their row numbers, as arrays."""
        rows = np.arange(self.first, self.end)
        return {"priorities": self.get(rows), "numbers": np.array([self.first, self.end, len(self._levels[0])])}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `get_state` returned."""
        self.first, self.end, leaves = (int(number) for number in state["numbers"])
        self._levels = _empty_levels(leaves)
        check_priorities(state["priorities"])
        self._write(np.arange(self.first, self.end), state["priorities"])

    def _grow(self, needed: int) -> None:
        rows = np.arange(self.first, self.end)
        priorities = self.get(rows)
        leaves = len(self._levels[0])
        while leaves < needed:
            leaves *= 2
        self._levels = _empty_levels(leaves)
        self._write(rows, priorities)


def check_priorities(priorities: np.ndarray) -> None:
    """Refuse priorities `[n]` that nothing can be drawn by: a NaN or infinite sum would draw one row only.

    Raises:
        ValueError: naming the first such priority.
    """
    # Two reductions, without an array of flags: NaN fails both comparisons.
    if len(priorities) and not (priorities.min() >= 0 and float(priorities.max()) <= LARGEST):
        priorities = priorities.astype(np.float64)
        bad = int(np.flatnonzero(~((priorities >= 0) & (priorities <= LARGEST)))[0])
        raise ValueError(
            f"priorities: got {priorities[bad]} for row {bad} of {len(priorities)}, expected finite numbers, 0 to"
            f" {LARGEST:g}"
        )


def _empty_levels(leaves: int) -> list[np.ndarray]:
    """Zeros for so many leaves, and for their parents up to the roots; all blocks of children are whole."""
    sizes = [leaves]
    while sizes[-1] > ROOTS:
        sizes.append(-(-sizes[-1] // BRANCHES**2) * BRANCHES)
    return [np.zeros(size) for size in sizes]


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
