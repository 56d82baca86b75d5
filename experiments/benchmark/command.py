"""Time what this project makes fast, against the public ways of doing it and against what the machine can do.

Each benchmark times all candidates in turns within one process of its own, and reports the median of the rounds'
ratios (the other's cost over ours): machines are shared and drift, so absolute times say little. Peers that are not
installed (pip install -e '.[bench]') are left out with a message. Names: train-small, train-large, precision, drop-in,
acting, control, bit-streams, replay, priorities, memory, comparison, start-up, scaling, calibration (how often
simulated reports state what is not so); without any, all of them. By name only: linear-cells (LRU and minGRU, by
loop and by scan, beside the LSTM, over lengths and sizes), solve (what it takes until a published memory task is
solved), reward-units (what rewards in other units change), and soak (whether anything grows while a worker makes run
after run for --minutes).
"""

from __future__ import annotations

import dataclasses
import importlib
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tqdm import tqdm

from experiments.benchmark.settings import BENCHMARKS, Settings
from experiments.benchmark.timing import Row, rows_table
from experiments.common.results import versions, write_json
from r2d2_burnin.runtime.command_line import fail, from_command_line
from r2d2_burnin.runtime.tensorflow import set_up


def run(name: str, settings: Settings) -> list[Row]:
    """Run a benchmark; called in a process of its own."""
    benchmark = BENCHMARKS[name]
    module = importlib.import_module(f"{__package__}.{benchmark.module}")
    rows: list[Row] = getattr(module, benchmark.function)(settings)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks and print their table; returns 0, or 1 if a benchmark failed."""
    set_up()
    given = list(sys.argv[1:] if arguments is None else arguments)
    settings = from_command_line(Settings, "experiments.benchmark", __doc__ or "", given)
    rows: list[Row] = []
    failures = []
    for name in tqdm(settings.selected, desc="benchmarks", unit="benchmark"):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
            try:
                rows += executor.submit(run, name, settings).result()
            except Exception as error:  # the others still count
                failures.append(f"{name} failed: {type(error).__name__}: {str(error)[:500]}")
        write(rows, settings.out)
    print(f"\n{rows_table(rows)}\n")
    print(f"figures: {settings.out / 'benchmark.json'}")
    for sentence in failures:
        print(sentence, file=sys.stderr)
    return 1 if failures else 0


def write(rows: list[Row], out: Path) -> None:
    """Write benchmark.json: what has been measured so far."""
    content = [{**dataclasses.asdict(row), "reached": row.reached} for row in rows]
    try:
        write_json(out / "benchmark.json", {"rows": content, "versions": versions()})
    except OSError as error:
        fail(f"out: {out} cannot be written ({error})")
