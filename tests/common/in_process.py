"""The jobs of an experiment, done in the process of the test instead of in worker processes.

A worker process imports TensorFlow and compiles every program anew, which takes longer than a small run. Tests of what
a command prints and writes share both; tests of the engine, and one whole command of each kind, use worker processes.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from experiments.common.jobs import Job, Listener, Outcome, Rows, Work, Worker, ignore
from r2d2_burnin.runtime.tensorflow import tf


@dataclasses.dataclass(frozen=True)
class DirectReport:
    """What a worker's report is, without a pipe."""

    job: Job
    listen: Listener

    def __call__(self, done: int, status: str) -> None:
        assert 0 <= done <= self.job.steps

    def measured(self, rows: Rows) -> None:
        self.listen(self.job, list(rows))


WORKER = Worker()
"""What the jobs of all commands of this process share: trainers with their compiled programs, by settings."""


def run_jobs(
    jobs: Sequence[Job], work: Work, *, workers: int, title: str, listen: Listener = ignore
) -> Iterator[Outcome]:
    """Do all jobs one after another, with the outcomes that `experiments.common.engine.run_jobs` gives."""
    assert workers >= 1
    for job in jobs:
        try:
            result: Any = work(job.payload, DirectReport(job, listen), WORKER)
        except Exception as error:
            yield Outcome(job, error=f"{type(error).__name__}: {error}")
        else:
            yield Outcome(job, result=result)


@contextlib.contextmanager
def jobs_in_process() -> Iterator[None]:
    """Commands called inside do their jobs in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.common.experiment.run_jobs", run_jobs)
        # This process may have used TensorFlow already, and then its number of threads cannot be changed. TensorFlow's
        # own functions are replaced: whatever imported `use_one_thread`, and when, calls these.
        for name in ("set_intra_op_parallelism_threads", "set_inter_op_parallelism_threads"):
            patch.setattr(tf.config.threading, name, lambda threads: None)
        yield
