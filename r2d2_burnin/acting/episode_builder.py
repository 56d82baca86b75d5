"""The steps of episodes that have not ended yet."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Part(NamedTuple):
    """What there is of an episode, from its first step or from where it was cut on."""

    rows: dict[str, np.ndarray]  # [L, ...]
    first_step: int
    previous_action: int  # before the first row; -1 where the episode begins
    previous_reward: float


class EpisodeBuilder:
    """Rows of N episodes of different lengths, written one step or a block of steps at a time."""

    def __init__(self, environments: int) -> None:
        self._length = np.zeros(environments, np.int64)
        self._first = np.zeros(environments, np.int64)  # steps that have been popped of episodes that go on
        self._before = _nothing_before(environments)
        self._common: int | None = 0  # length of all episodes; None: not known to be the same
        self._arrays: dict[str, np.ndarray] = {}  # [N, size, ...]
        self._size = 0

    @property
    def lengths(self) -> np.ndarray:
        """Steps `[N]` of the episodes so far, with those that have been popped."""
        steps: np.ndarray = self._first + self._length
        return steps

    @property
    def longest_part(self) -> int:
        """Steps of the longest part that has not been popped."""
        return int(self._length.max())

    def longer_than(self, steps: float) -> np.ndarray:
        """`[N]` bool: episodes of which so many steps, or more, have not been popped."""
        return self._length >= steps

    def write(self, active: np.ndarray, rows: dict[str, np.ndarray]) -> int:
        """Add S rows `[S, N, ...]` to the episodes of the active environments [N]; returns the longest one's length."""
        steps = len(next(iter(rows.values())))
        all_active = bool(active.all())
        if all_active and self._common is None and (self._length == self._length[0]).all():
            self._common = int(self._length[0])
        first = self._common if all_active else None
        longest = (int(self._length.max()) if first is None else first) + steps
        if longest > self._size:
            self._grow(rows, longest)
        if first is None:
            chosen = np.flatnonzero(active)
            places = self._length[chosen] + np.arange(steps)[:, None]
            for name, values in rows.items():
                self._arrays[name][chosen, places] = values[:, chosen]
            self._length[active] += steps
            self._common = None
            return int(self._length.max())
        for name, values in rows.items():
            self._arrays[name][:, first:longest] = values.swapaxes(0, 1)
        self._length += steps
        self._common = longest
        return longest

    def pop(self, environments: np.ndarray, ended: np.ndarray) -> list[Part]:
        """What there is of the episodes of some environments `[n]`; those that have not `ended` [n] go on."""
        first, before = self._first[environments].tolist(), self._before[environments].tolist()
        rows = self._pop(environments)
        lengths = [len(next(iter(of_episode.values()))) for of_episode in rows]
        self._first[environments] = np.where(ended, 0, np.add(first, lengths))
        self._before[environments] = _nothing_before(len(environments))
        for number, of_episode, is_over in zip(environments.tolist(), rows, ended.tolist(), strict=True):
            if not is_over:
                self._before[number] = of_episode["actions"][-1], of_episode["rewards"][-1]
        return [
            Part(of_episode, first_step, int(action), reward)
            for of_episode, first_step, (action, reward) in zip(rows, first, before, strict=True)
        ]

    def _pop(self, environments: np.ndarray) -> list[dict[str, np.ndarray]]:
        lengths = self._length[environments].tolist()
        self._length[environments] = 0
        self._common = 0 if len(lengths) == len(self._length) else None
        arrays = self._arrays
        if len(lengths) == len(self._length) and min(lengths) == self._size:
            # All end together, and fill their arrays: nothing need be copied if these are handed over.
            self._arrays, self._size = {}, 0
            return [{name: array[i] for name, array in arrays.items()} for i in environments.tolist()]
        return [
            {name: array[i, :length].copy() for name, array in arrays.items()}
            for i, length in zip(environments.tolist(), lengths, strict=True)
        ]

    def get_state(self) -> dict[str, np.ndarray]:
        """The rows written so far, as arrays."""
        longest = int(self._length.max())
        written = {"length": self._length.copy(), "first": self._first.copy(), "before": self._before.copy()}
        return written | {f"rows/{n}": a[:, :longest].copy() for n, a in self._arrays.items()}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `get_state` returned."""
        self._length, self._common = state["length"].copy(), None
        self._first = state["first"].copy() if "first" in state else np.zeros_like(self._length)
        self._before = state["before"].copy() if "before" in state else _nothing_before(len(self._length))
        self._arrays = {name[5:]: array.copy() for name, array in state.items() if name.startswith("rows/")}
        self._size = next(iter(self._arrays.values())).shape[1] if self._arrays else 0

    def _grow(self, like: dict[str, np.ndarray], needed: int) -> None:
        size = max(2 * self._size, needed)
        for name, values in like.items():
            grown = np.zeros((values.shape[1], size, *values.shape[2:]), values.dtype)
            if name in self._arrays:
                grown[:, : self._size] = self._arrays[name]
            self._arrays[name] = grown
        self._size = size


def _nothing_before(environments: int) -> np.ndarray:
    """Previous action and reward `[N, 2]` at an episode's first step."""
    return np.tile([-1.0, 0.0], (environments, 1))
