"""Time what this project makes fast, against the public ways of doing it and against what the machine can do.

Each benchmark times all candidates in turns within one process of its own, and reports the median of the rounds'
ratios (the other's cost over ours): machines are shared and drift, so absolute times say little. Peers that are not
installed (pip install -e '.[bench]') are left out with a word. Names: train-small, train-large, precision, drop-in,
acting, bit-streams, replay, priorities, memory, comparison, start-up, scaling, calibration (how often simulated
reports state what is not so); without any, all of them. And soak, by name only: whether anything grows while a worker
makes run after run for --minutes.
"""

from __future__ import annotations

import dataclasses
import importlib
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro
from tqdm import tqdm

from experiments.common.results import versions, write_json
from r2d2_burnin.runtime.command_line import fail, from_command_line
from r2d2_burnin.runtime.tensorflow import set_up

if TYPE_CHECKING:
    from experiments.common.timing import Row

BENCHMARKS = {
    "train-small": "benchmark_training:small",
    "train-large": "benchmark_training:large",
    "precision": "benchmark_training:precision",
    "drop-in": "benchmark_training:drop_in",
    "acting": "benchmark_acting:acting",
    "bit-streams": "benchmark_acting:bit_streams",
    "replay": "benchmark_replay:drawing",
    "priorities": "benchmark_replay:priorities",
    "memory": "benchmark_replay:memory",
    "comparison": "benchmark_whole:comparison",
    "start-up": "benchmark_whole:start_up",
    "scaling": "benchmark_scaling:scaling",
    "calibration": "benchmark_calibration:calibration",
    "soak": "benchmark_soak:soak",
}
ONLY_BY_NAME = ("soak",)
"""Benchmarks that are not among all of them: they take as long as they are asked to."""

DRAWS = ("scaling",)
"""Benchmarks that draw a picture."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """The flags of the command line."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Benchmarks to run; by default all."""
    repetitions: int = 15
    """Rounds through all candidates."""
    minutes: float = 10.0
    """How long soak goes on."""
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


def run(name: str, settings: Settings) -> list[Row]:
    """One benchmark, in the process that is its own."""
    module, _, function = BENCHMARKS[name].partition(":")
    more: dict[str, Any] = {"picture": settings.out / f"{name}.png"} if name in DRAWS else {}
    amount = settings.minutes if name == "soak" else settings.repetitions
    found: list[Row] = getattr(importlib.import_module(f"experiments.common.{module}"), function)(amount, **more)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks and print their table; returns 0, or 1 if one failed."""
    set_up()
    given = list(sys.argv[1:] if arguments is None else arguments)
    settings = from_command_line(Settings, "experiments.benchmark", __doc__ or "", given)
    names = settings.names or tuple(name for name in BENCHMARKS if name not in ONLY_BY_NAME)
    found: list[Row] = []
    failed = []
    for name in tqdm(names, desc="benchmarks", unit="benchmark"):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
            try:
                found += executor.submit(run, name, settings).result()
            except Exception as error:  # the others still count
                failed.append(f"{name} failed: {type(error).__name__}: {str(error)[:500]}")
        write(found, settings.out)
    from experiments.common.timing import told

    print(f"\n{told(found)}\n")
    print(f"figures: {settings.out / 'benchmark.json'}")
    for sentence in failed:
        print(sentence, file=sys.stderr)
    return 1 if failed else 0


def write(found: list[Row], out: Path) -> None:
    """Write benchmark.json: what has been measured so far."""
    content = [{**dataclasses.asdict(row), "reached": row.reached} for row in found]
    try:
        write_json(out / "benchmark.json", {"rows": content, "versions": versions()})
    except OSError as error:
        fail(f"out: {out} cannot be written ({error})")


if __name__ == "__main__":
    raise SystemExit(main())
