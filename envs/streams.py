"""Many bit streams at once: drawn ahead, kept step by step, read one step or a block of steps at a time."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from gymnasium.utils import seeding

from envs.tasks.task import Task

DRAWN_AHEAD = 1024
"""Random bits of a stream in one call of its generator: a call costs as much as hundreds of bits."""


class Streams:
    """N streams of `length` bits and a closing 0, with their targets, each at its own position.

    Stream i is what a generator of its own draws, stream after stream, however many bits a call draws.

    Args:
        count: number of streams, N.
        length: bits of a stream, L.
        p: probability of a one.
        task: what targets are.
    """

    def __init__(self, count: int, length: int, p: float, task: Task) -> None:
        self.length = length
        self.position = np.zeros(count, np.int64)
        self._p = p
        self._task = task
        self._generators: list[np.random.Generator] = []
        self._rows = np.arange(count)
        self._bits = np.zeros((length + 1, count), np.float32)  # step by step: streams are mostly at the same one
        self._targets = np.zeros((length + 1, count), np.int64)
        self._ahead = np.zeros((count, max(DRAWN_AHEAD // length, 1), length), np.bool_)
        self._used = np.full(count, self._ahead.shape[1])

    @property
    def seeded(self) -> bool:
        """Whether there are generators to draw from."""
        return bool(self._generators)

    def seed(self, seeds: list[int | None], mask: np.ndarray) -> None:
        """New generators for the streams in `mask` [N] whose seed is not None; for all of them the first time."""
        if not self._generators:
            self._generators = [seeding.np_random(seed)[0] for seed in seeds]
            return
        for i, seed in enumerate(seeds):
            if seed is not None and mask[i]:
                self._generators[i] = seeding.np_random(seed)[0]
                self._used[i] = self._ahead.shape[1]

    def begin(self, mask: np.ndarray) -> None:
        """Start a new stream wherever `mask` [N] is set."""
        chosen = np.flatnonzero(mask)
        streams, length = self._ahead.shape[1:]
        for i in chosen[self._used[chosen] == streams].tolist():
            self._ahead[i] = self._generators[i].random((streams, length)) < self._p
            self._used[i] = 0
        bits = np.zeros((len(chosen), length + 1), np.int64)
        bits[:, :length] = self._ahead[chosen, self._used[chosen]]
        self._used[chosen] += 1
        targets = self._task.values(bits)
        if len(chosen) == len(self._rows):
            self._bits[:], self._targets[:] = bits.T, targets.T
        else:
            self._bits[:, chosen], self._targets[:, chosen] = bits.T, targets.T
        self.position[chosen] = 0

    def bits(self) -> np.ndarray:
        """The current bits `[N, 1]`, float32."""
        return self._current(self._bits)[:, None]

    def targets(self) -> np.ndarray:
        """The current targets `[N]`."""
        return self._current(self._targets)

    def block(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Bits `[S, N, 1]` and targets `[S, N]` of the current step and the S - 1 after it, if none ends before."""
        first = self._common_position()
        if first is not None:
            rows = slice(first, first + steps)
            return self._bits[rows, :, None].copy(), self._targets[rows].copy()
        columns = self.position + np.arange(steps)[:, None]
        return self._bits[columns, self._rows][..., None], self._targets[columns, self._rows]

    def so_far(self, i: int) -> list[int]:
        """The bits of stream i up to the current one."""
        return [int(bit) for bit in self._bits[: self.position[i] + 1, i]]

    def get_state(self) -> dict[str, np.ndarray]:
        """Everything that decides what comes next, as arrays that need no pickle."""
        generators = json.dumps([generator.bit_generator.state for generator in self._generators])
        names = ("position", "_bits", "_targets", "_ahead", "_used")
        return {"generators": np.array(generators)} | {n.lstrip("_"): getattr(self, n).copy() for n in names}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `get_state` returned."""
        states: list[dict[str, Any]] = json.loads(str(state["generators"]))
        self._generators = [seeding.np_random(0)[0] for _ in states]
        for generator, generator_state in zip(self._generators, states, strict=True):
            generator.bit_generator.state = generator_state
        for name in ("position", "_bits", "_targets", "_ahead", "_used"):
            getattr(self, name)[...] = state[name.lstrip("_")]

    def _current(self, values: np.ndarray) -> np.ndarray:
        first = self._common_position()
        return values[first].copy() if first is not None else values[self.position, self._rows]

    def _common_position(self) -> int | None:
        first = int(self.position[0])
        return first if (self.position == first).all() else None
