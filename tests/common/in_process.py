"""The jobs of an experiment, done in the process of the test instead of in worker processes.

A worker process imports TensorFlow and compiles every program anew, which takes longer than a small run. Tests of what
a command prints and writes share both; tests of the engine, and one whole command of each kind, use worker processes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from experiments.common.jobs import Job, Listener, Outcome, Rows, Work, ignore


@dataclasses.dataclass(frozen=True)
class DirectReport:
    """What a worker's report is, without a pipe."""

    job: Job
    listen: Listener

    def __call__(self, done: int, words: str) -> None:
        assert 0 <= done <= self.job.steps

    def measured(self, rows: Rows) -> None:
        self.listen(self.job, list(rows))


def run_jobs(
    jobs: Sequence[Job], work: Work, *, workers: int, title: str, listen: Listener = ignore
) -> Iterator[Outcome]:
    """Do all jobs one after another, with the outcomes that `experiments.common.engine.run_jobs` gives."""
    assert workers >= 1
    for job in jobs:
        try:
            result: Any = work(job.payload, DirectReport(job, listen))
        except Exception as error:
            yield Outcome(job, error=f"{type(error).__name__}: {error}")
        else:
            yield Outcome(job, result=result)
