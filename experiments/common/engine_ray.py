"""Runs jobs on a Ray cluster, with the progress, the files and the figures of `engine.run_jobs`.

Ray places the jobs and restarts them when a worker or a machine dies; a run then resumes from its last checkpoint,
where machines share the directory of results. What a job writes comes back with its result, so they need not share it.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from experiments.common.jobs import ATTEMPTS, BAR, Job, Listener, Log, Outcome, Rows, RunsLeft, Work, Worker, ignore
from r2d2_burnin.runtime.archive import whole_file
from r2d2_burnin.runtime.ray import connect

QUIET = 0.5
"""Seconds between two messages about a job's progress."""


def run_jobs_on(address: str) -> Callable[..., Iterator[Outcome]]:
    """What `engine.run_jobs` is, on the cluster at an address."""

    def run_jobs(
        jobs: Sequence[Job], work: Work, *, workers: int, title: str, listen: Listener = ignore
    ) -> Iterator[Outcome]:
        if not jobs:
            return
        ray = connect(address, workers, setting="engine", value="ray", address_setting="ray_address")
        mailbox = ray.remote(num_cpus=0)(_Mailbox).remote()
        do = ray.remote(num_cpus=1, max_retries=ATTEMPTS - 1)(_do)
        here = Path.cwd()
        running = {do.remote(work, job, i, mailbox, here): job for i, job in enumerate(jobs)}
        log = None if sys.stderr.isatty() else Log(title, len(jobs))
        overall = tqdm(total=len(jobs), desc=title, bar_format=BAR, disable=log is not None)
        runs_left = RunsLeft(jobs)
        try:
            while running:
                ready, _ = ray.wait(list(running), timeout=0.5)
                _deliver(ray.get(mailbox.take.remote()), jobs, listen, log, overall)
                for reference in ready:
                    job = running.pop(reference)
                    left = runs_left.after(job)
                    overall.set_description_str(f"{title}{left}", refresh=False)
                    overall.update()
                    if log is not None:
                        log.finished(left)
                    yield _outcome(ray, reference, job, here)
        finally:
            for reference in running:
                ray.cancel(reference, force=True)
            overall.close()
            if address == "local":
                ray.shutdown()

    return run_jobs


def _outcome(ray: Any, reference: Any, job: Job, here: Path) -> Outcome:
    try:
        result, files = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        return Outcome(job, error=f"{type(error.cause).__name__}: {error.cause}")
    except ray.exceptions.RayError as error:
        return Outcome(job, error=f"its worker process died ({type(error).__name__})")
    for name, content in files.items():
        place = here / job.path.parent / name
        if not place.exists():  # another machine wrote it
            with whole_file(place) as file:
                file.write(content)
    return Outcome(job, result)


def _deliver(messages: list[Any], jobs: Sequence[Job], listen: Listener, log: Log | None, bar: Any) -> None:
    for index, kind, content in messages:
        if kind == "rows":
            listen(jobs[index], content)
        elif log is not None:
            log.running(jobs[index], *content)
        else:
            bar.set_postfix_str(f"{jobs[index].name}: {content[0]}/{jobs[index].steps}, {content[1]}")


class _Mailbox:
    """Messages of running jobs, until they are fetched."""

    def __init__(self) -> None:
        self._messages: list[Any] = []

    def put(self, message: Any) -> None:
        self._messages.append(message)

    def take(self) -> list[Any]:
        taken, self._messages = self._messages, []
        return taken


class _MailboxReport:
    """A job's report through a mailbox."""

    def __init__(self, mailbox: Any, index: int) -> None:
        self._mailbox = mailbox
        self._index = index
        self._sent = 0.0

    def __call__(self, done: int, status: str) -> None:
        if time.monotonic() - self._sent > QUIET:
            self._sent = time.monotonic()
            self._mailbox.put.remote((self._index, "progress", (done, status)))

    def measured(self, rows: Rows) -> None:
        self._mailbox.put.remote((self._index, "rows", list(rows)))


def _do(work: Work, job: Job, index: int, mailbox: Any, here: Path) -> tuple[Any, dict[str, bytes]]:
    """A job, in a Ray worker; returns its result and the files that it wrote."""
    if here.is_dir():
        os.chdir(here)
    result = work(job.payload, _MailboxReport(mailbox, index), _worker())
    if not job.path.is_file():
        return result, {}
    written = (job.path.with_suffix(suffix) for suffix in (".json", ".npz"))
    return result, {path.name: path.read_bytes() for path in written if path.is_file()}


@functools.cache
def _worker() -> Worker:
    """The worker of this process.

    Held by the module: Ray gives a task nothing that lasts as long as its process. Actors would, but it is tasks that
    Ray restarts on another machine, and places on machines that join later.
    """
    return Worker()
