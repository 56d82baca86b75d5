"""Jobs, what they report while they run, what a worker process holds for them, and their outcomes."""

from __future__ import annotations

import dataclasses
import gc
import os
import sys
import time
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
    """What the work is given; a dataclass with `path` as its field where the work writes files."""
    path: Path = Path(os.devnull)
    """The file that the work writes, DIRECTORY/runs/NAME.json, where it writes one.

    Whatever else the work writes is below DIRECTORY too; its checkpoints are in `checkpoints_of(path)`.
    """
    group: str = ""
    """Jobs of one group share compiled programs; a worker that did one of them prefers the others."""

    @property
    def directory(self) -> Path | None:
        """The directory below which all files of the work are; None where it writes none."""
        return None if self.path == Path(os.devnull) else self.path.parent.parent

    def moved(self, directory: Path) -> Job:
        """The same job, with its files below another directory."""
        path = directory / self.path.parent.name / self.path.name
        return dataclasses.replace(self, path=path, payload=dataclasses.replace(self.payload, path=path))


def checkpoints_of(path: Path) -> Path:
    """The directory of the checkpoints of a job that writes `path`: numbered archives, of which the last two stay."""
    return path.parent.parent / "checkpoints" / path.stem


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


BAR = "{desc}: {n_fmt}/{total_fmt} |{bar}| {elapsed}{postfix}"
"""Form of progress bars; the time that is left is in what follows."""

LOG_EVERY = 10.0
"""Seconds between two lines on a running job, or on all jobs, where there is no terminal for progress bars."""


class Pace:
    """The time that is left, at the rate since work is under way: what comes first pays for starting and compiling."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._first: int | None = None
        self._since: tuple[float, int] | None = None

    def left(self, done: int) -> str:
        """The end of a line, after so many of the total; empty as long as the rate is not known."""
        now = time.monotonic()
        if self._first is None:
            self._first = done
        if self._since is None:
            self._since = (now, done) if done > self._first else None
            return ""
        began, already = self._since
        if not already < done < self._total:
            return ""
        return f", about {duration((now - began) * (self._total - done) / (done - already))} left"


class RunsLeft:
    """The time that is left for all jobs, at the rate of steps until now, once each worker has done two jobs."""

    def __init__(self, jobs: Sequence[Job], workers: int) -> None:
        self._left = sum(job.steps for job in jobs)
        self._done = 0
        self._first = 2 * workers  # the first jobs pay for starting and compiling
        self._began = time.monotonic()

    def after(self, job: Job) -> str:
        """The end of a line, after one more job is done."""
        self._first -= 1
        self._done += job.steps
        self._left -= job.steps
        if self._first > 0 or not self._left:
            return ""
        return f", about {duration((time.monotonic() - self._began) * self._left / self._done)} left"


class Log:
    """Lines on the progress of jobs, for where there is no terminal.

    Args:
        title: of all jobs.
        total: how many jobs there are.
    """

    def __init__(self, title: str, total: int) -> None:
        self._title, self._total = title, total
        self._finished = 0
        self._shown: dict[str, float] = {}
        self._paces: dict[str, Pace] = {}

    def running(self, job: Job, done: int, status: str) -> None:
        """Say how far a job is, unless that was said a moment ago."""
        left = self._paces.setdefault(job.name, Pace(job.steps)).left(done)
        if self._is_due(job.name):
            count = f"{done} of {job.steps} updates, " if job.steps > 1 else ""
            self._write(f"{job.name}: {count}{status}{left}")

    def finished(self, left: str) -> None:
        """Say how many jobs are finished, one more than before, unless that was said a moment ago."""
        self._finished += 1
        if self._is_due("") or self._finished == self._total:
            self._write(f"{self._title}: {self._finished} of {self._total} runs finished{left}")

    def restarted(self, job: Job, reason: str) -> None:
        """Say that a job is begun again."""
        self._paces.pop(job.name, None)
        self._shown.pop(job.name, None)  # where it goes on is news
        self._write(f"{job.name}: {reason}; it is restarted")

    def _is_due(self, name: str) -> bool:
        now = time.monotonic()
        due = now - self._shown.get(name, -LOG_EVERY) >= LOG_EVERY
        if due:
            self._shown[name] = now
        return due

    @staticmethod
    def _write(line: str) -> None:
        print(line, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """A time in the two largest units that say it: 45 s, 3 min, 2 h 10 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
