"""Timing in turns: machines are shared and drift, so only ratios within one run count."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.benchmark.peers import PeerFailed
from experiments.common.report import Table

Candidates = dict[str, Any]
"""What is timed, by name: something to call, or a `peers.PeerProcess`; ours comes first."""


@dataclasses.dataclass(frozen=True)
class Row:
    """Our cost of a piece of work beside another one, or beside a physical limit."""

    work: str
    ours: str
    cost: float
    unit: str
    other: str
    other_cost: float
    ratio: float  # the other's cost over ours: above 1, ours is cheaper
    goal: float | None = None  # smallest ratio wanted

    @property
    def reached(self) -> bool | None:
        """Whether the ratio is what was wanted."""
        return None if self.goal is None else self.ratio >= self.goal


def measure(
    candidates: Candidates, repetitions: int, *, calls: int = 1, steps: Mapping[str, float] | None = None
) -> dict[str, np.ndarray]:
    """Seconds `[repetitions]` of a step of each candidate, all timed one after another in every round.

    Args:
        candidates: what is timed; each is called once before.
        repetitions: rounds.
        calls: calls of each in a round.
        steps: steps in a call, where it is not one.
    """
    timers: dict[str, Callable[[int], float]] = {}
    for name, candidate in candidates.items():
        timer = getattr(candidate, "seconds", None) or functools.partial(_seconds, candidate)
        try:
            timer(1)
        except PeerFailed as error:
            print(f"{name} is left out: {error}")
        else:
            timers[name] = timer
    seconds: dict[str, list[float]] = {name: [] for name in timers}
    for _ in range(repetitions):
        for name, timer in timers.items():
            seconds[name].append(timer(calls) / calls / (steps or {}).get(name, 1))
    for candidate in candidates.values():
        getattr(candidate, "close", bool)()
    return {name: np.array(values) for name, values in seconds.items()}


def _seconds(candidate: Callable[[], Any], calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        candidate()
    return time.perf_counter() - began


UNITS = {"ms": 1e3, "µs": 1e6, "ns": 1e9, "s": 1.0}


def ratio_rows(work: str, seconds: dict[str, np.ndarray], unit: str, goals: Mapping[str, float]) -> list[Row]:
    """A row for everything that was timed beside the first candidate; the ratio is the median of the rounds' ratios."""
    ours, mine = next(iter(seconds.items()))
    scale = UNITS[unit]
    return [
        Row(
            work,
            ours,
            float(np.median(mine)) * scale,
            unit,
            name,
            float(np.median(values)) * scale,
            float(np.median(values / mine)),
            goals.get(name),
        )
        for name, values in seconds.items()
        if name != ours
    ]


def rows_table(rows: Sequence[Row]) -> str:
    """The rows as a table."""
    answers = {None: "-", True: "yes", False: "no"}
    lines = [
        [
            row.work,
            f"{row.ours}: {row.cost:.3g} {row.unit}",
            f"{row.other}: {row.other_cost:.3g} {row.unit}",
            f"{row.ratio:.2f}",
            "-" if row.goal is None else f"{row.goal:.2g}",
            answers[row.reached],
        ]
        for row in rows
    ]
    return Table(("work", "ours", "beside", "ratio", "goal", "reached"), lines).text
