"""Measurements while they are made: appended to metrics.csv, and as TensorBoard scalars."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from experiments.common.jobs import Job, Rows
from r2d2_burnin.runtime.tensorflow import tf

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
        self._broken = False
        self._scalars = None if tensorboard is None else _Scalars(tensorboard)
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
            if self._scalars is not None:
                self._scalars.write("_".join(map(str, columns)), rows)
        except OSError as error:
            self._broken = True
            print(f"measurements are no longer written while the job runs: {error}", file=sys.stderr)

    def __enter__(self) -> LiveMetrics:
        return self

    def __exit__(self, *exception: object) -> None:
        """Close all files."""
        with contextlib.suppress(OSError):  # what could not be written is lost; the finished runs have it
            self._file.close()
        if self._scalars is not None:
            self._scalars.close()


class _Scalars:
    """Measurements as TensorBoard scalars, a directory for each run, written by `tf.summary`.

    Args:
        directory: where the directories of the runs are.

    Raises:
        ValueError: if TensorBoard is not installed.
    """

    def __init__(self, directory: Path) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            raise ValueError("tensorboard: the package is not installed, expected it: pip install -e '.[tensorboard]'")
        self._directory = directory
        self._writers: dict[str, Any] = {}

    def write(self, run: str, rows: Rows) -> None:
        """Write measurements of a run, each metric under its name; they can be read at once.

        Raises:
            OSError: if they cannot be written.
        """
        try:
            if run not in self._writers:
                self._writers[run] = tf.summary.create_file_writer(str(self._directory / run))
            with self._writers[run].as_default():
                for update, metric, value in rows:
                    if PROFILE not in metric:
                        tf.summary.scalar(metric, value, step=update)
            self._writers[run].flush()
        except tf.errors.OpError as error:  # what TensorFlow makes of an error of the disk
            reason = re.sub(r"\{\{.*?\}\} | \[Op:.*", "", error.message)  # without the names of its operations
            raise OSError(f"{self._directory}: {reason}") from None

    def close(self) -> None:
        """Close all files."""
        for writer in self._writers.values():
            with contextlib.suppress(tf.errors.OpError):  # as with the CSV file
                writer.close()
