"""Jobs, what they report while they run, what a worker process holds for them, and their outcomes."""

from __future__ import annotations

import dataclasses
import gc
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

Rows = Sequence[tuple[int, str, float]]
"""Measurements: update, metric, value."""


Setting = TypeVar("Setting")
Shared = TypeVar("Shared")


class Report(Protocol):
    """How a running job reports to its engine."""

    def __call__(self, done: int, status: str) -> None:
        """Report the steps done so far, and a short status; raises `Stopped` when the job is to end."""

    def measured(self, rows: Rows) -> None:
        """Report new measurements."""


class Worker:
    """What the jobs of one worker process share, made by whoever runs them and handed to each.

    Programs are compiled once for an object that runs them, for example a trainer: the jobs of a worker with equal
    settings use the same object.
    """

    def __init__(self) -> None:
        self._shared: dict[tuple[Callable[..., Any], str], Any] = {}

    def shared(self, make: Callable[[Setting], Shared], settings: Setting) -> Shared:
        """`make(settings)`: made for the first job that asks for it, the same object for all later ones.

        Args:
            make: a class or a function, the same object each time.
            settings: a dataclass, or anything whose `repr` holds all of its content.
        """
        key = make, repr(settings)
        if key not in self._shared:
            self._shared[key] = make(settings)
            if len(self._shared) == 1:
                # What the first one has imported, most of all TensorFlow, stays as long as the process. Unless it is
                # frozen, every full collection goes through all of its objects for nothing.
                gc.freeze()
        shared: Shared = self._shared[key]
        return shared


Work = Callable[[Any, Report, Worker], Any]
"""A module's function that does a job in a worker process: from its payload to its (picklable) result."""

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
