"""The flags of the command line, and the benchmarks that there are."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import tyro


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """Where the function of a benchmark is: only the process that runs it imports its module, most need TensorFlow."""

    module: str
    """Name of the module in this package."""
    function: str
    """Name of its function, from `Settings` to a list of `timing.Row`."""
    by_name_only: bool = False
    """Left out where no names are given."""


BENCHMARKS = {
    "train-small": Benchmark("training", "small"),
    "train-large": Benchmark("training", "large"),
    "precision": Benchmark("training", "precision"),
    "drop-in": Benchmark("training", "drop_in"),
    "acting": Benchmark("acting", "acting"),
    "control": Benchmark("control", "control"),
    "bit-streams": Benchmark("acting", "bit_streams"),
    "replay": Benchmark("replay", "drawing"),
    "priorities": Benchmark("replay", "priorities"),
    "memory": Benchmark("replay", "memory"),
    "comparison": Benchmark("whole", "comparison"),
    "start-up": Benchmark("whole", "start_up"),
    "scaling": Benchmark("scaling", "scaling"),
    "calibration": Benchmark("calibration", "calibration"),
    "reward-units": Benchmark("reward_units", "reward_units", by_name_only=True),
    "linear-cells": Benchmark("linear_cells", "linear_cells", by_name_only=True),
    "solve": Benchmark("solve", "solve", by_name_only=True),
    "soak": Benchmark("soak", "soak", by_name_only=True),
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """The flags of the command line."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Benchmarks to run; by default all."""
    repetitions: int = 15
    """Rounds through all candidates."""
    minutes: float = 10.0
    """How long soak goes on; for solve, processor time of each agent at most."""
    out: Path = Path("results/benchmark")
    """Directory of benchmark.json and the pictures."""

    def __post_init__(self) -> None:
        if self.repetitions < 1:
            raise ValueError(f"repetitions: got {self.repetitions}, expected at least 1")
        if not 0 < self.minutes < float("inf"):
            raise ValueError(f"minutes: got {self.minutes}, expected a finite number above 0")
        for name in self.names:
            if name not in BENCHMARKS:
                raise ValueError(f"names: got {name!r}, expected some of {', '.join(BENCHMARKS)}")

    @property
    def selected(self) -> tuple[str, ...]:
        """Names of the benchmarks to run."""
        return self.names or tuple(name for name, benchmark in BENCHMARKS.items() if not benchmark.by_name_only)
