"""A store of rows, appended at the end and dropped from the front, addressed by row numbers that never change."""

from __future__ import annotations

import numpy as np


class Ring:
    """Rows of named arrays; a row's number counts all rows ever appended, so it stays valid until the row is dropped.

    Memory grows by doubling and is then used again and again: a store that stays at one length copies nothing.
    """

    def __init__(self) -> None:
        self.first = 0
        self.end = 0
        self._arrays: dict[str, np.ndarray] = {}
        self._size = 0

    def __len__(self) -> int:
        return self.end - self.first

    def append(self, rows: dict[str, np.ndarray]) -> None:
        """Add n rows: arrays `[n, ...]`, of the same names each time."""
        count = len(next(iter(rows.values())))
        self._reserve(len(self) + count, rows)
        places = np.arange(self.end, self.end + count) % self._size
        for name, values in rows.items():
            self._arrays[name][places] = values
        self.end += count

    def drop(self, count: int) -> None:
        """Forget the oldest `count` rows."""
        self.first += count

    def take(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Values `[..., *]` of one array at row numbers `[...]`."""
        # No row is out of bounds after the modulo; "clip" spares NumPy a buffer that it fills before it raises.
        return np.take(self._arrays[name], rows % self._size, axis=0, mode="clip")

    def put(self, name: str, rows: np.ndarray, values: np.ndarray) -> None:
        """Overwrite one array at row numbers `[n]` with `[n, *]`; of a row given twice, the last value stays."""
        self._arrays[name][rows % self._size] = values

    @property
    def nbytes(self) -> dict[str, int]:
        """Memory in use by each array, in bytes."""
        return {name: array.nbytes for name, array in self._arrays.items()}

    def _reserve(self, needed: int, like: dict[str, np.ndarray]) -> None:
        if needed <= self._size:
            return
        size = max(2 * self._size, needed, 64)
        live = np.arange(self.first, self.end)
        for name, values in like.items():
            grown = np.zeros((size, *values.shape[1:]), values.dtype)
            if len(live):
                grown[live % size] = self._arrays[name][live % self._size]
            self._arrays[name] = grown
        self._size = size
