"""References of ΔQ: for a random sample of the fragments in replay, the actor's states that ΔQ compares with."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np

SHARE = 0.05
"""Memory of the references, at most this part of the memory of a full replay's steps, unless `FEWEST` take more."""
FEWEST, MOST = 64, 4096
"""References at least, however small the steps are, and at most, however large."""

OUT = 1.0
"""Mark of a fragment that is not in the sample, though its references are kept."""

StatesOf = Callable[[np.ndarray], Sequence[np.ndarray]]
"""The arrays to keep, `[m, ...]` each, of the fragments with these places `[m]` among those that are added."""


class ReferenceSample:
    """A simple random sample of the fragments in replay, with the arrays kept for each of them.

    Every fragment gets a random mark, uniform in [0, 1), when it is added, and is in the sample while its mark is below
    a share that falls as replay fills (Bernoulli sampling). So the sample is random over all positions of all episodes,
    and the same for all initializations that see the same streams.

    Args:
        generator: draws the marks, and the fragments to measure.
        every: keep the references of every fragment, for callers that choose fragments themselves. What `draw` returns
            does not depend on it.
    """

    def __init__(self, generator: np.random.Generator | None = None, *, every: bool = False) -> None:
        self._generator = np.random.default_rng(0) if generator is None else generator
        self._every = every
        self._limit: int | None = None
        self._first = 0  # row of the oldest fragment in replay
        self._shares = [(0, 1.0)]  # from which row on which share of the marks is kept
        self._rows = np.full(0, -1)  # [S] row of each place; -1 where it is free
        self._marks = np.full(0, np.inf)  # [S]
        self._arrays: list[np.ndarray] = []  # [S, ...] each

    def __len__(self) -> int:
        """References kept."""
        return int((self._rows >= 0).sum())

    @property
    def nbytes(self) -> int:
        """Memory in use, in bytes."""
        return len(self) * sum(array[:1].nbytes for array in (self._rows, self._marks, *self._arrays))

    def limit_memory(self, steps: int, reference: int) -> None:
        """Set the sample's size, once, from the bytes of a full replay's steps and those of one `reference`."""
        if self._limit is None:
            marked = reference + self._rows.itemsize + self._marks.itemsize
            self._limit = min(max(int(SHARE * steps) // marked, FEWEST), MOST)

    def add(self, rows: np.ndarray, states_of: StatesOf) -> None:
        """Add fragments of these rows `[n]`, the next after all earlier ones, and keep the arrays of the sampled ones.

        Raises:
            ValueError: if `limit_memory` has not been called before.
        """
        if self._limit is None:
            raise ValueError("references: got fragments before a memory limit, expected limit_memory to be called")
        marks = self._generator.random(len(rows))
        self._raise_share(int(rows[0]), int(rows[-1]) + 1 - self._first)
        while np.count_nonzero(marks < self._shares[-1][1]) + np.count_nonzero(self._marks < OUT) > self._limit:
            self._lower_shares()
        sampled = marks < self._shares[-1][1]
        if not (sampled.any() or (self._marks < OUT).any()):
            sampled[marks.argmin()] = True  # there is always something to measure
        marks = np.where(sampled, marks, OUT)
        chosen = np.arange(len(rows)) if self._every else np.flatnonzero(sampled)
        if len(chosen):
            self._put(rows[chosen], marks[chosen], states_of(chosen))

    def drop(self, first: int) -> None:
        """Forget the references of fragments with rows before `first`."""
        self._first = first
        self._free(self._rows < first)
        while len(self._shares) > 1 and self._shares[1][0] <= first:
            del self._shares[0]

    def draw(self, count: int) -> np.ndarray:
        """Rows `[count]` of sampled fragments, at random over all fragments of replay.

        Where there are fewer of them, they are repeated. Fragments that were added while a smaller share was sampled
        stand for more of replay, and are drawn so much more often.

        Raises:
            ValueError: when nothing has been added yet.
        """
        sampled = np.sort(self._rows[self._marks < OUT])
        if not len(sampled):
            raise ValueError("references: got a request for fragments while empty, expected some to be added first")
        begins, shares = np.array(self._shares).T
        weights = 1 / shares[np.searchsorted(begins, sampled, "right") - 1]
        if np.ptp(weights):
            return self._generator.choice(sampled, count, p=weights / weights.sum())
        return np.resize(self._generator.permutation(sampled), count)

    def take(self, rows: np.ndarray) -> list[np.ndarray]:
        """The arrays `[..., *]` of fragments with these rows `[...]`.

        Raises:
            ValueError: for a fragment whose references are not kept.
        """
        if not len(self._rows):
            raise ValueError("references: got a request for fragments while empty, expected some to be added first")
        order = np.argsort(self._rows)
        places = order[np.minimum(np.searchsorted(self._rows, rows, sorter=order), len(order) - 1)]
        missing = self._rows[places] != rows
        if missing.any():
            raise ValueError(
                f"references: got fragment {rows[missing].ravel()[0]}, expected one of the {len(self)} whose references"
                " are kept"
            )
        return [array[places] for array in self._arrays]

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything kept, as arrays that need no pickle."""
        places = np.argsort(self._rows)[len(self._rows) - len(self) :]
        return {
            "rows": self._rows[places],
            "marks": self._marks[places],
            "shares": np.array(self._shares, np.float64),
            "numbers": np.array([self._first, -1 if self._limit is None else self._limit]),
            "generator": np.array(json.dumps(self._generator.bit_generator.state)),
            **{f"array/{i}": array[places] for i, array in enumerate(self._arrays)},
        }

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `get_state` returned."""
        first, limit = state["numbers"].tolist()
        self._first, self._limit = first, None if limit < 0 else limit
        self._shares = [(int(row), share) for row, share in state["shares"].tolist()]
        self._generator.bit_generator.state = json.loads(str(state["generator"]))
        self._rows, self._marks = state["rows"].copy(), state["marks"].copy()
        count = sum(name.startswith("array/") for name in state)
        self._arrays = [state[f"array/{i}"].copy() for i in range(count)]

    def _raise_share(self, row: int, fragments: int) -> None:
        """Sample more of what is added from `row` on where replay holds far fewer fragments than it did."""
        assert self._limit is not None
        share = min(0.9 * self._limit / fragments, 1.0)
        if share > 2 * self._shares[-1][1]:
            self._shares.append((row, share))

    def _lower_shares(self) -> None:
        """Lower the largest share by a tenth, and take what is above it out of the sample."""
        most = 0.9 * max(share for _, share in self._shares)
        self._shares = [(row, min(share, most)) for row, share in self._shares]
        above = (self._marks >= most) & (self._marks < OUT)
        if self._every:
            self._marks[above] = OUT
        else:
            self._free(above)

    def _put(self, rows: np.ndarray, marks: np.ndarray, arrays: Sequence[np.ndarray]) -> None:
        free = np.flatnonzero(self._rows < 0)
        if len(free) < len(rows):
            self._grow(len(self) + len(rows), arrays)
            free = np.flatnonzero(self._rows < 0)
        places = free[: len(rows)]
        self._rows[places] = rows
        self._marks[places] = marks
        for array, values in zip(self._arrays, arrays, strict=True):
            array[places] = values

    def _free(self, places: np.ndarray) -> None:
        self._rows[places] = -1
        self._marks[places] = np.inf

    def _grow(self, needed: int, like: Sequence[np.ndarray]) -> None:
        size = max(2 * len(self._rows), needed, 16)
        if self._limit is not None and not self._every:
            size = max(min(size, self._limit), needed)
        arrays = self._arrays or [values[:0] for values in like]
        self._arrays = [_grown(array, size, 0) for array in arrays]
        self._rows, self._marks = _grown(self._rows, size, -1), _grown(self._marks, size, np.inf)


def _grown(array: np.ndarray, size: int, filling: float) -> np.ndarray:
    grown = np.full((size, *array.shape[1:]), filling, array.dtype)
    grown[: len(array)] = array
    return grown
