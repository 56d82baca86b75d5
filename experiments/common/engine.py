"""Runs jobs in worker processes, one a core, with one overall progress bar and one line a running job.

A job that fails, or takes its process down with it, costs nothing but itself. `Ctrl-C` stops the running jobs; what was
finished has been handed over by then.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

from tqdm import tqdm

Report = Callable[[int, str], None]
"""Called by a running job with its steps done so far and a few words."""

Work = Callable[[Any, Report], Any]
"""A module's function that does a job in a worker process: from the job's payload to its (picklable) result."""


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


def default_workers() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_jobs(jobs: Sequence[Job], work: Work, *, workers: int, title: str) -> Iterator[Outcome]:
    """Do all jobs, yielding each outcome as soon as it is there.

    Raises:
        KeyboardInterrupt: after `Ctrl-C`, once the workers have stopped.
    """
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    slots = [_Slot(context, stop, work, position) for position in range(min(workers, len(jobs)))]
    waiting = list(jobs)
    quiet = not sys.stderr.isatty()
    overall = tqdm(total=len(jobs), desc=title, unit="run", position=0, mininterval=10 if quiet else 0.1)
    try:
        while waiting or any(slot.busy for slot in slots):
            for slot in slots:
                if waiting and not slot.busy:
                    slot.begin(waiting.pop(_best(waiting, slot.last_group)), show=not quiet)
                elif not slot.busy:
                    slot.close()
            wait([slot.future for slot in slots if slot.future], timeout=0.1, return_when=FIRST_COMPLETED)
            for slot in slots:
                slot.refresh()
                outcome = slot.collect()
                if outcome is not None:
                    overall.update()
                    yield outcome
            if not quiet:
                overall.refresh()
    finally:
        stop.set()
        for slot in slots:
            slot.close()
        overall.close()


def _best(waiting: list[Job], group: str) -> int:
    """Index of the next job for a worker that did a job of `group` last."""
    return next((i for i, job in enumerate(waiting) if job.group == group), 0)


class _Slot:
    """One worker process, replaced when a job takes it down."""

    def __init__(self, context: Any, stop: Any, work: Work, position: int) -> None:
        self._context = context
        self._stop = stop
        self._work = work
        self._position = position
        self._executor: ProcessPoolExecutor | None = None
        self._messages: Any = None
        self._job: Job | None = None
        self._bar: tqdm[Any] | None = None
        self.future: Future[Any] | None = None
        self.last_group = ""

    @property
    def busy(self) -> bool:
        return self._job is not None

    def begin(self, job: Job, *, show: bool) -> None:
        if self._executor is None:
            # A queue of its own: a process that dies while it writes cannot lock the others out.
            self._messages = self._context.SimpleQueue()
            self._executor = ProcessPoolExecutor(
                1, self._context, initializer=_start_worker, initargs=(self._messages, self._stop)
            )
        self._job, self.last_group = job, job.group
        with _ignored_interrupt():
            self.future = self._executor.submit(_do, self._work, job.payload)
        self._bar = tqdm(total=job.steps, desc=job.name, position=self._position + 1, leave=False, disable=not show)

    def refresh(self) -> None:
        while self._messages is not None and not self._messages.empty():
            done, words = self._messages.get()
            if self._bar is not None:
                self._bar.n = done
                self._bar.set_postfix_str(words, refresh=True)

    def collect(self) -> Outcome | None:
        if self.future is None or not self.future.done() or self._job is None:
            return None
        job, future = self._job, self.future
        self._end_job()
        error = future.exception()
        if error is None:
            return Outcome(job, future.result())
        if type(error).__name__ == "BrokenProcessPool":
            self.close()
            return Outcome(job, error="its worker process died (out of memory, or killed)")
        return Outcome(job, error=f"{type(error).__name__}: {error}")

    def close(self) -> None:
        self._end_job()
        if self._executor is not None:
            # What a job leaves is on disk by then, and TensorFlow takes seconds to be torn down.
            with contextlib.suppress(RuntimeError):
                self._executor.submit(os._exit, 0)
            self._executor.shutdown(wait=True)
            self._executor = None

    def _end_job(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._job = self.future = self._bar = None


@contextlib.contextmanager
def _ignored_interrupt() -> Iterator[None]:
    """Processes begun inside ignore `Ctrl-C` from their first instruction: this process alone decides what it means."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


_messages: Any = None
_stop: Any = None


def _start_worker(messages: Any, stop: Any) -> None:
    global _messages, _stop
    _messages, _stop = messages, stop


def _do(work: Work, payload: Any) -> Any:
    return work(payload, _report)


def _report(done: int, words: str) -> None:
    if _stop.is_set():
        raise Stopped
    _messages.put((done, words))
