"""A store of rows, appended at the end and dropped from the front, addressed by row numbers that never change."""

from __future__ import annotations

import numpy as np


class Ring:
    """Rows of named arrays; a row's number counts all rows ever appended, so it stays valid until the row is dropped.

    Memory grows by doubling, but not beyond what `expect` says, and is then used again and again: a store that stays at
    one length copies nothing.

    Args:
        window: rows that `windows` can return in one piece. The first rows of the arrays are repeated behind the last
            ones, so that each window is one run of memory, and copied as fast as memory is.
    """

    def __init__(self, window: int = 0) -> None:
        self.first = 0
        self.end = 0
        self.window = window
        self._arrays: dict[str, np.ndarray] = {}  # [size + window, ...]
        self._views: dict[tuple[str, int], np.ndarray] = {}  # [size, length, ...], overlapping
        self._size = 0
        self._expected = 0

    def __len__(self) -> int:
        return self.end - self.first

    def expect(self, rows: int) -> None:
        """Expect about so many rows in the end."""
        self._expected = rows

    def append(self, rows: dict[str, np.ndarray]) -> None:
        """Add n rows: arrays `[n, ...]`, of the same names each time."""
        count = len(next(iter(rows.values()))) if rows else 0
        if count == 0:
            return
        if len(self) + count > self._size:
            self._grow(len(self) + count, rows)
        place = self.end % self._size
        head = min(count, self._size - place)
        for name, values in rows.items():
            array = self._arrays[name]
            array[place : place + head] = values[:head]
            if head < count:
                array[: count - head] = values[head:]
            if place < self.window or head < count:
                array[self._size :] = array[: self.window]
        self.end += count

    def drop(self, count: int) -> None:
        """Forget the oldest `count` rows."""
        self.first += count

    def take(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Values `[..., *]` of one array at row numbers `[...]`."""
        # No row is out of bounds after the modulo; "clip" spares NumPy a buffer that it fills before it raises.
        return self._arrays[name].take(rows % self._size, axis=0, mode="clip")

    def windows(self, name: str, first: np.ndarray, length: int) -> np.ndarray:
        """Values `[..., length, *]` of one array from row numbers `first` [...] on (of rows not kept: anything)."""
        if length > self.window:
            return self.take(name, first[..., None] + np.arange(length))
        view = self._views.get((name, length))
        if view is None:
            array = self._arrays[name]
            shape, strides = (self._size, length, *array.shape[1:]), (array.strides[0], *array.strides)
            view = np.lib.stride_tricks.as_strided(array, shape, strides, writeable=False)
            self._views[name, length] = view
        return view[first % self._size]  # type: ignore[no-any-return]

    def put(self, name: str, rows: np.ndarray, values: np.ndarray) -> None:
        """Overwrite one array at row numbers `[n]` with `[n, *]`; of a row given twice, the last value stays."""
        array = self._arrays[name]
        array[rows % self._size] = values
        array[self._size :] = array[: self.window]

    @property
    def row_bytes(self) -> int:
        """Memory of one row, in bytes."""
        return sum(array[:1].nbytes for array in self._arrays.values())

    @property
    def nbytes(self) -> dict[str, int]:
        """Memory in use by each array, in bytes: of rows never written there is none."""
        used = min(self.end, self._size) + self.window
        return {name: array[:used].nbytes for name, array in self._arrays.items()}

    def get_state(self) -> dict[str, np.ndarray]:
        """The rows kept, and their numbers, as arrays."""
        rows = np.arange(self.first, self.end)
        state = {f"rows/{name}": self.take(name, rows) for name in self._arrays}
        return {"numbers": np.array([self.first, self.end, self._expected, self._size]), **state}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `get_state` returned."""
        self.first, end, self._expected, size = (int(number) for number in state["numbers"])
        rows = {name[5:]: values for name, values in state.items() if name.startswith("rows/")}
        self.end, self._arrays = self.first, {}
        self._allocate(size, rows)
        self.append(rows)
        self.end = end

    def _grow(self, needed: int, like: dict[str, np.ndarray]) -> None:
        size = max(2 * self._size, needed, self.window, 64)
        if self._expected:  # nearly right: where it is not, a little more is enough
            size = min(size, max(self._expected, self.window, needed + needed // 32))
        self._allocate(size, like)

    def _allocate(self, size: int, like: dict[str, np.ndarray]) -> None:
        live = np.arange(self.first, self.end)
        for name, values in like.items():
            grown = np.zeros((size + self.window, *values.shape[1:]), values.dtype)
            if len(live):
                grown[live % size] = self.take(name, live)
                grown[size:] = grown[: self.window]
            self._arrays[name] = grown
        self._size = size
        self._views = {}
