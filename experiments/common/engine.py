"""Runs jobs in worker processes, one a core, with progress bars on a terminal, and lines of a log elsewhere.

A job that fails costs nothing but itself. One whose process dies is restarted in a new one. `Ctrl-C` stops the running
jobs; the results of finished ones have been yielded by then. Workers end when this process does, however it ends.

`concurrent.futures` and `loky` are not used: they hand a job to any worker, but a worker should be given the jobs whose
programs it has compiled; and one process that dies breaks a whole pool of theirs.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from tqdm import tqdm

from experiments.common.jobs import (
    ATTEMPTS,
    BAR,
    Job,
    Listener,
    Log,
    Outcome,
    Pace,
    Rows,
    RunsLeft,
    Stopped,
    Work,
    Worker,
    ignore,
)

PATIENCE = 20.0
"""Seconds that a job may take to stop when it is asked to; it is killed then."""


def default_workers() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_jobs(
    jobs: Sequence[Job], work: Work, *, workers: int, title: str, listen: Listener = ignore
) -> Generator[Outcome, None, None]:
    """Do all jobs, yielding each outcome as soon as it is there.

    Raises:
        KeyboardInterrupt: after `Ctrl-C`, once the workers have stopped.
    """
    if not jobs:
        return
    context = multiprocessing.get_context("spawn")
    log = None if sys.stderr.isatty() else Log(title, len(jobs))
    slots = [_Slot(context, work, listen, log, position) for position in range(min(workers, len(jobs)))]
    waiting = [(job, 1) for job in jobs]
    overall = tqdm(total=len(jobs), desc=title, bar_format=BAR, position=0, disable=log is not None)
    runs_left = RunsLeft(jobs, len(slots))
    try:
        while waiting or any(slot.busy for slot in slots):
            for slot in slots:
                if waiting and not slot.busy:
                    elsewhere = {other.last_group for other in slots if other is not slot}
                    slot.begin(*waiting.pop(next_job(waiting, slot.last_group, elsewhere)))
                elif not slot.busy:
                    slot.close()
            multiprocessing.connection.wait([slot.connection for slot in slots if slot.connection], timeout=0.2)
            for slot in slots:
                outcome = slot.collect()
                if outcome is None:
                    continue
                if outcome.error == _DIED and slot.attempt < ATTEMPTS:
                    if log is None:
                        tqdm.write(f"{outcome.job.name}: {_DIED}; it is restarted", file=sys.stderr)
                    else:
                        log.restarted(outcome.job, _DIED)
                    waiting.insert(0, (outcome.job, slot.attempt + 1))
                    continue
                left = runs_left.after(outcome.job)
                overall.set_postfix_str(left.removeprefix(", "), refresh=False)
                overall.update()
                if log is not None:
                    log.finished(left)
                yield outcome
            overall.refresh()
    finally:
        if any(slot.busy for slot in slots):
            tqdm.write(f"stopping: running jobs have {PATIENCE:.0f} s to end", file=sys.stderr)
        for slot in slots:
            slot.ask_to_stop()
        for slot in slots:
            slot.close()
        overall.close()


_DIED = "its worker process died (out of memory, or killed)"


def next_job(waiting: list[tuple[Job, int]], own: str, elsewhere: set[str]) -> int:
    """Index of the next job for a worker that did a job of group `own` last, while others did those of `elsewhere`.

    Programs are compiled once for a group and worker: a worker stays with its group, then takes one that nobody has.
    """
    groups = [job.group for job, _ in waiting]
    if own in groups:
        return groups.index(own)
    return next((i for i, group in enumerate(groups) if group not in elsewhere), 0)


class _Slot:
    """One worker process, replaced when a job takes it down."""

    def __init__(self, context: Any, work: Work, listen: Listener, log: Log | None, position: int) -> None:
        self._context = context
        self._work = work
        self._listen = listen
        self._log = log
        self._position = position
        self._process: Any = None
        self._job: Job | None = None
        self._bar: tqdm[Any] | None = None
        self._pace = Pace(0)
        self.connection: Connection | None = None
        self.last_group = ""
        self.attempt = 1

    @property
    def busy(self) -> bool:
        return self._job is not None

    def begin(self, job: Job, attempt: int) -> None:
        if self._process is None:
            # A pipe of its own: a process that dies while it writes to it disturbs nobody else.
            self.connection, theirs = self._context.Pipe()
            self._process = self._context.Process(target=_serve, args=(theirs,))
            with _ignored_interrupt():
                self._process.start()
            theirs.close()
        self._job, self.last_group, self.attempt = job, job.group, attempt
        if self._log is None:
            self._bar = tqdm(total=job.steps, desc=job.name, bar_format=BAR, position=self._position + 1, leave=False)
            self._pace = Pace(job.steps)
        with contextlib.suppress(OSError):  # it died meanwhile: `collect` will see it
            assert self.connection is not None
            self.connection.send((self._work, job.payload))

    def collect(self) -> Outcome | None:
        """Read the worker's messages; the outcome of its job if it is there."""
        if self._job is None or self.connection is None:
            return None
        job = self._job
        try:
            while self.connection.poll():
                kind, *content = self.connection.recv()
                if kind == "progress":
                    self._show(job, *content)
                elif kind == "rows":
                    self._listen(job, content[0])
                elif kind in ("result", "error"):
                    self._end_job()
                    if content[1]:
                        self.close()
                    return Outcome(job, **{kind: content[0]})
        except (EOFError, OSError):
            self._end_job()
            self.close()
            return Outcome(job, error=_DIED)
        return None

    def _show(self, job: Job, done: int, status: str) -> None:
        """Move the job's bar; without a terminal, print a line now and then."""
        if self._log is not None:
            self._log.running(job, done, status)
        elif self._bar is not None:
            self._bar.n = done
            self._bar.set_postfix_str(status + self._pace.left(done), refresh=True)

    def ask_to_stop(self) -> None:
        if self.connection is not None:
            with contextlib.suppress(OSError):
                self.connection.send(None)

    def close(self) -> None:
        """End the worker, after a running job that has been asked to stop."""
        if self._process is None or self.connection is None:
            return
        self.ask_to_stop()
        until = time.monotonic() + (PATIENCE if self.busy else 2.0)
        with contextlib.suppress(EOFError, OSError):
            while time.monotonic() < until:  # read on: a worker must not wait for room in the pipe
                if self.connection.poll(0.2):
                    self.connection.recv()
        self._process.kill()
        self._process.join()
        self.connection.close()
        self._end_job()
        self._process = self.connection = None

    def _end_job(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._job = self._bar = None


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


class _PipeReport:
    """A job's report through the worker's pipe; anything that comes back through it means: stop."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(self, done: int, status: str) -> None:
        if self._connection.poll():
            raise Stopped
        self._connection.send(("progress", done, status))

    def measured(self, rows: Rows) -> None:
        self._connection.send(("rows", list(rows)))


def _serve(connection: Connection) -> None:
    """The main loop of a worker process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    report, worker = _PipeReport(connection), Worker()
    while True:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            message = None
        if message is None:
            _end()
        work, payload = message
        try:
            kind, answer = "result", work(payload, report, worker)
        except Stopped:
            _end()
        except BaseException as error:
            kind, answer = "error", f"{type(error).__name__}: {error}"
        connection.send((kind, answer, _mappings_used_up()))


def _end(status: int = 0) -> NoReturn:
    """End this worker at once, wherever it is.

    `os._exit` and not `sys.exit`: the latter waits seconds for TensorFlow's threads to be torn down, and ends no more
    than the calling thread, which is not the main one where the parent has died. Nothing is lost: a job has written its
    files before it reports its result, and a stopped one resumes from its checkpoint.
    """
    os._exit(status)


def _mappings_used_up() -> bool:
    """Whether this process has used half of the memory mappings that Linux allows it, and should be replaced.

    Every compiled program takes some 40 of them for good; one beyond the limit would be a segmentation fault.
    """
    try:
        with open("/proc/self/maps", "rb") as maps, open("/proc/sys/vm/max_map_count", "rb") as limit:
            return sum(1 for _ in maps) > int(limit.read()) // 2
    except OSError:
        return False


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        _end(1)
