"""Timing in turns: machines are shared and drift, so only ratios within one run count."""

from __future__ import annotations

import dataclasses
import importlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from experiments.common.report import table

Candidates = dict[str, Callable[[], Any]]
"""What is timed, by name; ours comes first."""


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
    for candidate in candidates.values():
        candidate()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(repetitions):
        for name, candidate in candidates.items():
            began = time.perf_counter()
            for _ in range(calls):
                candidate()
            seconds[name].append((time.perf_counter() - began) / calls / (steps or {}).get(name, 1))
    return {name: np.array(values) for name, values in seconds.items()}


UNITS = {"ms": 1e3, "µs": 1e6, "ns": 1e9, "s": 1.0}


def rows(work: str, seconds: dict[str, np.ndarray], unit: str, goals: Mapping[str, float]) -> list[Row]:
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


def peer(module: str) -> Any:
    """The module of a peer, or None, with a word, where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        print(f"{module} is not installed and left out: pip install -e '.[bench]'")
        return None


def told(found: list[Row]) -> str:
    """The rows as a table."""
    words = {None: "-", True: "yes", False: "no"}
    lines = [
        [
            row.work,
            f"{row.ours}: {row.cost:.3g} {row.unit}",
            f"{row.other}: {row.other_cost:.3g} {row.unit}",
            f"{row.ratio:.2f}",
            "-" if row.goal is None else f"{row.goal:.2g}",
            words[row.reached],
        ]
        for row in found
    ]
    return table(lines, ("work", "ours", "beside", "ratio", "goal", "reached"))
