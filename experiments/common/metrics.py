"""Measurements while they are made: appended to metrics.csv, and as TensorBoard scalars."""

from __future__ import annotations

import contextlib
import csv
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from experiments.common.jobs import Job, Rows

PROFILE = "_at_step_"
"""In the names of metrics by position in an episode: not a course over training, so not for TensorBoard."""


class LiveMetrics:
    """Writes the measurements of running jobs, one whole line each, so that the file can be read at any time.

    Args:
        path: the CSV file; rewritten at first.
        header: names of its columns, of which the last three are update, metric and value.
        finished: rows of the runs that are finished.
        names: the columns that tell a run, by job name.
        tensorboard: directory of TensorBoard scalars, or None.

    Raises:
        ValueError: if TensorBoard is asked for and not installed.
    """

    def __init__(
        self,
        path: Path,
        header: tuple[str, ...],
        finished: Iterable[tuple[Any, ...]],
        names: dict[str, tuple[Any, ...]],
        tensorboard: Path | None = None,
    ) -> None:
        self._names = names
        self._writers: dict[str, Any] = {}
        self._tensorboard = tensorboard
        self._broken = False
        if tensorboard is not None:
            _event_writer()
        self._file = path.open("w", newline="", encoding="utf-8")
        self._csv = csv.writer(self._file)
        self._csv.writerow(header)
        self._csv.writerows(finished)
        self._file.flush()

    def __call__(self, job: Job, rows: Rows) -> None:
        """Take new measurements of a job; where they cannot be written the job goes on without."""
        if self._broken:
            return
        columns = self._names[job.name]
        try:
            self._csv.writerows((*columns, *row) for row in rows)
            self._file.flush()
            if self._tensorboard is not None:
                self._add_scalars(job.name, self._tensorboard / "_".join(map(str, columns)), rows)
        except OSError as error:
            self._broken = True
            print(f"measurements are no longer written while the job runs: {error}", file=sys.stderr)

    def __enter__(self) -> LiveMetrics:
        return self

    def __exit__(self, *exception: object) -> None:
        """Close all files."""
        with contextlib.suppress(OSError):  # what could not be written is lost; the finished runs have it
            self._file.close()
            for writer in self._writers.values():
                writer.close()

    def _add_scalars(self, name: str, directory: Path, rows: Rows) -> None:
        record_writer, event, summary = _event_writer()
        now = time.time()
        if name not in self._writers:
            directory.mkdir(parents=True, exist_ok=True)
            file = (directory / f"events.out.tfevents.{int(now)}.{os.getpid()}").open("ab")
            self._writers[name] = record_writer(file)
            self._writers[name].write(event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        for update, metric, value in rows:
            if PROFILE not in metric:
                found = summary(value=[summary.Value(tag=metric, simple_value=value)])
                self._writers[name].write(event(wall_time=now, step=update, summary=found).SerializeToString())
        self._writers[name].flush()


def _event_writer() -> tuple[Any, Any, Any]:
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter  # needs no TensorFlow
    except ImportError:
        raise ValueError(
            "tensorboard: the package is not installed, expected it: pip install -e '.[tensorboard]'"
        ) from None
    return RecordWriter, Event, Summary
