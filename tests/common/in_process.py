"""The jobs of an experiment, done in the process of the test instead of in worker processes.

A worker process imports TensorFlow and compiles every program anew, which takes longer than a small run. Tests of what
a command prints and writes share both; tests of the engine, and one whole command of each kind, use worker processes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from experiments.common.jobs import Job, Listener, Outcome, Rows, Work, Worker, ignore
from r2d2_burnin.runtime import tensorflow


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
        # This process may have used TensorFlow already, and then its threads are decided.
        ours = [module for name, module in sys.modules.items() if name.startswith("experiments.")]
        for module in (tensorflow, *(module for module in ours if "use_one_thread" in vars(module))):
            patch.setattr(module, "use_one_thread", lambda: None)
        yield
