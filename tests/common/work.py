"""Jobs for the engine's tests; worker processes import them by name."""

from __future__ import annotations

import itertools
import mmap
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from experiments.common.jobs import Report, Worker

mappings: list[Any] = []


def counter(start: int) -> Iterator[int]:
    return itertools.count(start)


def do(payload: Any, report: Report, worker: Worker) -> Any:
    report(1, "started")
    if payload in ("count", "count from 10"):
        return os.getpid(), next(worker.shared(counter, 10 if payload == "count from 10" else 0))
    if payload == "raise":
        raise ValueError("expected trouble")
    if payload == "die":
        os._exit(3)
    if payload == "sleep":
        for _ in range(600):
            time.sleep(0.05)
            report(1, "sleeping")
    if payload == "use up mappings":
        limit = int(Path("/proc/sys/vm/max_map_count").read_text())
        protections = itertools.cycle([mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE])  # alike ones would be merged
        mappings.extend(mmap.mmap(-1, 4096, prot=next(protections)) for _ in range(limit * 6 // 10))
    if payload in ("use up mappings", "process"):
        return os.getpid()
    return payload * 2


def peer_that_sleeps(*, seconds: float) -> Callable[[], Any]:
    return lambda: time.sleep(seconds)


def peer_that_dies(*, code: int) -> Callable[[], Any]:
    os._exit(code)


def peer_that_raises() -> Callable[[], Any]:
    raise ValueError("expected trouble")
