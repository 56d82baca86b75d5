"""Runs jobs on a Ray cluster, with the progress, the files and the figures of `engine.run_jobs`.

Ray places the jobs and restarts them when a worker or a machine dies; a run then resumes from its last checkpoint.

Machines may share the directory of results with the head, which is where the command runs, or not: a worker looks for a
random text that the head wrote there. Where it is not shared, the worker's files are in a temporary directory, and pass
between it and the head as `Files`:

1. Before the job begins, the worker asks for its checkpoints (`Mailbox.begin`); the head's disk has them, from an
   earlier attempt or an earlier command.
2. While it runs, the worker sends its newest checkpoint after it was written (`Mailbox.send`), one at a time; the head
   writes it to where a run on its own machine has it.
3. All files that the job leaves come back with its result.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from experiments.common.jobs import (
    ATTEMPTS,
    BAR,
    Job,
    Listener,
    Log,
    Outcome,
    Rows,
    RunsLeft,
    Work,
    Worker,
    checkpoints_of,
    ignore,
)
from r2d2_burnin.runtime import archive
from r2d2_burnin.runtime.ray import connect

QUIET = 0.5
"""Seconds between two messages about a job's progress."""

PATIENCE = 5.0
"""Seconds that workers have to delete their temporary directories when the command is interrupted."""

Files = Mapping[str, bytes]
"""Contents of files of a job, by path below its directory."""


@dataclasses.dataclass(frozen=True)
class _Head:
    """What a worker knows of the process that runs the engine."""

    mailbox: Any  # Ray's handle of a `Mailbox`
    working_directory: Path
    token: str  # content of the file TOKEN in its directories of results


TOKEN = ".head"


def run_jobs_on(address: str) -> Callable[..., Generator[Outcome, None, None]]:
    """What `engine.run_jobs` is, on the cluster at an address."""

    def run_jobs(
        jobs: Sequence[Job], work: Work, *, workers: int, title: str, listen: Listener = ignore
    ) -> Generator[Outcome, None, None]:
        if not jobs:
            return
        ray = connect(address, workers, setting="engine", value="ray", address_setting="ray_address")
        mailbox = _mailbox_here(ray, jobs)
        do = ray.remote(num_cpus=1, max_retries=ATTEMPTS - 1)(_do)
        show = _Progress(jobs, workers, title, listen)
        running: dict[Any, int] = {}
        try:
            with _marked({job.directory for job in jobs if job.directory is not None}) as token:
                head = _Head(mailbox, Path.cwd(), token)
                running |= {do.remote(work, job, index, head): index for index, job in enumerate(jobs)}
                while running:
                    ready, _ = ray.wait(list(running), timeout=0.5)
                    for message in ray.get(mailbox.take.remote()):
                        show(*message)
                    _keep_checkpoints(ray, mailbox, jobs, set(running.values()))
                    for reference in ready:
                        job = jobs[running.pop(reference)]
                        show.finished(job)
                        yield _outcome(ray, reference, job)
        finally:
            _cancel(ray, list(running))
            with contextlib.suppress(ray.exceptions.RayError):
                _keep_checkpoints(ray, mailbox, jobs, set(running.values()))
            show.close()
            if address == "local":
                ray.shutdown()

    return run_jobs


def _mailbox_here(ray: Any, jobs: Sequence[Job]) -> Any:
    """A mailbox on this process's node: no other node that dies takes it along, and it reads this machine's disk."""
    node = ray.get_runtime_context().get_node_id()
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node_id=node, soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=here)(Mailbox).remote(Path.cwd(), [job.path for job in jobs])


@contextlib.contextmanager
def _marked(directories: set[Path]) -> Iterator[str]:
    """A random text, which is in a file in each of these directories meanwhile."""
    token = secrets.token_hex()
    places = [directory / TOKEN for directory in directories]
    try:
        for place in places:
            with archive.whole_file(place) as file:
                file.write(token.encode())
        yield token
    finally:
        for place in places:
            with contextlib.suppress(OSError):
                place.unlink(missing_ok=True)


def _keep_checkpoints(ray: Any, mailbox: Any, jobs: Sequence[Job], running: set[int]) -> None:
    """Write checkpoints that came from workers of running jobs to where these would have them here."""
    while (sent := ray.get(mailbox.take_files.remote())) is not None:
        index, files = sent
        job = jobs[index]
        if index not in running or job.directory is None:
            continue
        try:
            _write(job.directory, files)
        except OSError as error:
            print(f"{job.name}: a checkpoint cannot be written here, the run goes on: {error}", file=sys.stderr)
        archive.remove_old(checkpoints_of(job.path))


def _outcome(ray: Any, reference: Any, job: Job) -> Outcome:
    """What became of a job; its files are here then."""
    try:
        result, files = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        return Outcome(job, error=f"{type(error.cause).__name__}: {error.cause}")
    except ray.exceptions.RayError as error:
        return Outcome(job, error=f"its worker process died ({type(error).__name__})")
    if files and job.directory is not None:
        try:
            _write(job.directory, files)
        except OSError as error:
            return Outcome(job, error=f"its files cannot be written here: {error}")
        shutil.rmtree(checkpoints_of(job.path), ignore_errors=True)  # as a finished job does with its own
    return Outcome(job, result)


def _cancel(ray: Any, references: Sequence[Any]) -> None:
    """Interrupt running jobs, then kill those that go on."""
    for reference in references:
        ray.cancel(reference)
    if references:
        ray.wait(references, num_returns=len(references), timeout=PATIENCE)
    for reference in references:
        ray.cancel(reference, force=True)


class _Progress:
    """Shows what the messages of running jobs say."""

    def __init__(self, jobs: Sequence[Job], workers: int, title: str, listen: Listener) -> None:
        self._jobs, self._listen = jobs, listen
        self._log = None if sys.stderr.isatty() else Log(title, len(jobs))
        self._bar = tqdm(total=len(jobs), desc=title, bar_format=BAR, disable=self._log is not None)
        self._title, self._runs_left = title, RunsLeft(jobs, workers)

    def __call__(self, index: int, kind: str, content: Any) -> None:
        job = self._jobs[index]
        if kind == "rows":
            self._listen(job, content)
        elif kind == "restarted":
            self._restarted(job, content)
        elif self._log is not None:
            self._log.running(job, *content)
        else:
            self._bar.set_postfix_str(f"{job.name}: {content[0]}/{job.steps}, {content[1]}")

    def _restarted(self, job: Job, reason: str) -> None:
        if self._log is None:
            tqdm.write(f"{job.name}: {reason}; it is restarted", file=sys.stderr)
        else:
            self._log.restarted(job, reason)

    def finished(self, job: Job) -> None:
        """Say that one more job is finished."""
        left = self._runs_left.after(job)
        self._bar.set_description_str(f"{self._title}{left}", refresh=False)
        self._bar.update()
        if self._log is not None:
            self._log.finished(left)

    def close(self) -> None:
        self._bar.close()


class Mailbox:
    """What running jobs and the process that runs the engine have for each other; an actor on the latter's node.

    It holds a job's newest checkpoint until that is taken, no older one.

    Args:
        working_directory: of the process that runs the engine.
        paths: the files that the jobs write.
    """

    def __init__(self, working_directory: Path, paths: Sequence[Path]) -> None:
        self._paths = [working_directory / path for path in paths]
        self._begun: set[int] = set()
        self._messages: list[Any] = []
        self._sent: dict[int, Files] = {}

    def begin(self, index: int, shared: bool) -> Files:
        """Say that a job begins, perhaps again; the worker gets its checkpoints unless it shares their directory."""
        if index in self._begun:
            self.put((index, "restarted", "its worker process or machine died"))
        self._begun.add(index)
        if shared:
            return {}
        path = self._paths[index]
        return {**_read(path.parent.parent, archive.numbered(checkpoints_of(path))), **self._sent.get(index, {})}

    def put(self, message: Any) -> None:
        """Add a message: index of a job, kind, content."""
        self._messages.append(message)

    def take(self) -> list[Any]:
        """The messages since the last call."""
        taken, self._messages = self._messages, []
        return taken

    def send(self, index: int, files: Files) -> None:
        """Replace what waits of a job."""
        self._sent[index] = files

    def take_files(self) -> tuple[int, Files] | None:
        """Index and files of the job that waits longest; of one only, as they may be large."""
        first = next(iter(self._sent), None)
        return None if first is None else (first, self._sent.pop(first))


class _MailboxReport:
    """A job's report through a mailbox.

    Args:
        mailbox: Ray's handle of it.
        index: of the job.
        send: is called now and then, to send what is new.
    """

    def __init__(self, mailbox: Any, index: int, send: Callable[[], None] = lambda: None) -> None:
        self._mailbox = mailbox
        self._index = index
        self._send = send
        self._reported = 0.0

    def __call__(self, done: int, status: str) -> None:
        if time.monotonic() - self._reported > QUIET:
            self._reported = time.monotonic()
            self._mailbox.put.remote((self._index, "progress", (done, status)))
            self._send()

    def measured(self, rows: Rows) -> None:
        self._mailbox.put.remote((self._index, "rows", list(rows)))


class _NewestCheckpoint:
    """Sends a job's newest checkpoint to the head, once, and only when an earlier one has arrived there."""

    def __init__(self, mailbox: Any, index: int, job: Job) -> None:
        assert job.directory is not None
        self._mailbox = mailbox
        self._index = index
        self._directory, self._checkpoints = job.directory, checkpoints_of(job.path)
        self._sent = archive.numbered(self._checkpoints)[-1:]  # the head has what the job begins with
        self._sending: Any = None

    def __call__(self) -> None:
        newest = archive.numbered(self._checkpoints)[-1:]
        if newest == self._sent or (self._sending is not None and not self._sending.done()):
            return
        self._sending = self._mailbox.send.remote(self._index, _read(self._directory, newest)).future()
        self._sent = newest


def _do(work: Work, job: Job, index: int, head: _Head) -> tuple[Any, Files]:
    """A job, in a Ray worker; returns its result, and the files that it wrote where the head does not see them."""
    if head.working_directory.is_dir():  # for files that a user's code may read
        os.chdir(head.working_directory)
    directory = None if job.directory is None else head.working_directory / job.directory
    shared = directory is None or _is_marked(directory, head.token)
    files: Files = head.mailbox.begin.remote(index, shared).future().result()
    if directory is None or shared:
        job = job if directory is None else job.moved(directory)
        return work(job.payload, _MailboxReport(head.mailbox, index), _worker()), {}
    with tempfile.TemporaryDirectory(prefix="r2d2-burnin-run-") as place:
        job = job.moved(Path(place))
        _write(Path(place), files)
        report = _MailboxReport(head.mailbox, index, _NewestCheckpoint(head.mailbox, index, job))
        result = work(job.payload, report, _worker())
        # The job's own file last: where it is, the job is finished.
        written = sorted(filter(Path.is_file, Path(place).rglob("*")), key=lambda path: path == job.path)
        return result, _read(Path(place), written)


def _is_marked(directory: Path, token: str) -> bool:
    try:
        return (directory / TOKEN).read_text(encoding="utf-8") == token
    except (OSError, ValueError):
        return False


def _read(directory: Path, paths: Sequence[Path]) -> Files:
    files = {}
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # old checkpoints are removed meanwhile
            files[path.relative_to(directory).as_posix()] = path.read_bytes()
    return files


def _write(directory: Path, files: Files) -> None:
    for name, content in files.items():
        with archive.whole_file(directory / name) as file:
            file.write(content)


@functools.cache
def _worker() -> Worker:
    """The worker of this process.

    Held by the module: Ray gives a task nothing that lasts as long as its process. Actors would, but it is tasks that
    Ray restarts on another machine, and places on machines that join later.
    """
    return Worker()
