"""What an engine does: jobs, what they tell while they run, and what becomes of them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

Rows = Sequence[tuple[int, str, float]]
"""Measurements: update, metric, value."""


class Report(Protocol):
    """What a running job tells its engine."""

    def __call__(self, done: int, words: str) -> None:
        """Steps done so far, and a few words; raises `Stopped` when the job is to end."""

    def measured(self, rows: Rows) -> None:
        """New measurements."""


Work = Callable[[Any, Report], Any]
"""A module's function that does a job in a worker process: from the job's payload to its (picklable) result."""

Listener = Callable[["Job", Rows], None]
"""Is given the measurements of running jobs, in the process that runs the engine."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One piece of work."""

    name: str
    steps: int
    payload: Any
    path: Path = Path(os.devnull)
    """The file that the work writes, where it writes one."""
    group: str = ""
    """Jobs of one group share compiled programs; a worker that did one of them prefers the others."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a job: its result, or the error that ended it."""

    job: Job
    result: Any = None
    error: str | None = None


class Stopped(Exception):
    """Raised inside a job's report when the run is being stopped."""


ATTEMPTS = 3
"""Times that a job is begun when its process dies; a job with checkpoints goes on from its last one."""


def ignore(job: Job, rows: Rows) -> None:
    """A listener that does nothing."""
