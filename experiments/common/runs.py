"""Resumable runs: each is a job that writes one file, and a job whose file is there is finished."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.common.engine import Job, Work, default_workers, run_jobs
from experiments.common.results import check_same_config, read_json, write_json


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """Which runs are made, where, and what becomes of them."""

    seeds: int = 3
    """Number of seeds."""
    workers: int = dataclasses.field(default_factory=default_workers)
    """Worker processes; by default one a core."""
    out: Path | None = None
    """Directory of the results; by default one named after the settings, under results/."""
    fresh: bool = False
    """Throw away what an earlier run with this --out has left, instead of taking it up."""

    def __post_init__(self) -> None:
        for name in ("seeds", "workers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected at least 1")


def default_directory(experiment: str, name: str, settings: Any) -> Path:
    """results/EXPERIMENT/NAME-HASH: the same settings have the same directory."""
    text = json.dumps(dataclasses.asdict(settings), sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return Path("results") / experiment / f"{name.replace('/', '-').replace(':', '-')}-{digest}"


def open_directory(out: Path, config: dict[str, Any], *, fresh: bool) -> None:
    """Make `out` the directory of the results of `config`, emptied first if `fresh`.

    Raises:
        ValueError: if it holds results of other settings.
    """
    if fresh and (out / "config.json").exists():
        shutil.rmtree(out)
    check_same_config(out, config)
    write_json(out / "config.json", config)


def finish(jobs: Sequence[Job], work: Work, *, workers: int, title: str) -> tuple[dict[Path, Any], list[str]]:
    """Do the jobs that have no file yet; returns what is in the files, by path, and what went wrong.

    `work` writes a job's file before it returns. After `Ctrl-C` the files of finished jobs are returned all the same.
    """
    contents = {job.path: content for job in jobs if (content := read_json(job.path)) is not None}
    if contents:
        print(f"{len(contents)} finished runs found (--fresh makes them anew)")
    errors = []
    try:
        missing = [job for job in jobs if job.path not in contents]
        for outcome in run_jobs(missing, work, workers=workers, title=title):
            content = read_json(outcome.job.path)
            if outcome.error is not None or content is None:
                errors.append(f"{outcome.job.name} failed: {outcome.error}")
            else:
                contents[outcome.job.path] = content
    except KeyboardInterrupt:
        errors.append(f"Stopped by Ctrl-C after {len(contents)} finished runs; the same command goes on from there.")
    return contents, errors
