"""Resumable runs: each is a job that writes one file, and a job whose file is there is finished."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib
import json
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from experiments.common.directory import hold
from experiments.common.engine import default_workers, run_jobs
from experiments.common.jobs import Job, Listener, Outcome, Work, ignore
from experiments.common.results import DamagedFile, check_same_config, read_sealed, write_json

OURS = ("config.json", "metrics.csv", "summary.json", "report.html", "runs", "checkpoints", "*.png", "*.partial")
"""What experiments write to their directory: `--fresh` deletes this, and nothing else."""


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """Which runs are made, where, and what becomes of them."""

    seeds: int = 5
    """Number of seeds."""
    workers: int = dataclasses.field(default_factory=default_workers)
    """Worker processes; by default one a core."""
    out: Path | None = None
    """Directory of the results; by default one named after the settings, under results/."""
    fresh: bool = False
    """Throw away what an earlier run with this --out has left, instead of taking it up."""
    resume: bool = False
    """Take up what an earlier run with this --out has left without asking; without a terminal nobody is asked."""
    engine: Literal["local", "ray"] = "local"
    """Where runs are made: in processes of this machine, or on a Ray cluster (pip install -e '.[ray]')."""
    ray_address: str = "local"
    """Address of the Ray cluster: local begins one on this machine, auto looks for a running one."""

    def __post_init__(self) -> None:
        for name in ("seeds", "workers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected at least 1")
        if self.fresh and self.resume:
            raise ValueError("resume: got it together with fresh, expected one of them at most")


def default_directory(experiment: str, name: str, settings: Any) -> Path:
    """results/EXPERIMENT/NAME-HASH: the same settings have the same directory."""
    plain = "".join(c if c.isalnum() or c in "-_+" else "-" for c in name)
    return Path("results") / experiment / f"{plain}-{fingerprint(settings)[:8]}"


def fingerprint(settings: Any) -> str:
    """A hash of a settings dataclass."""
    text = json.dumps(dataclasses.asdict(settings), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def open_directory(out: Path, config: dict[str, Any], *, fresh: bool) -> None:
    """Make `out` the directory of the results of `config`, emptied first if `fresh`, and keep other commands out.

    Raises:
        ValueError: if it holds results of other settings, is in use, or cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        hold(out)
        if fresh:
            _empty(out)
        check_same_config(out, config, anything_to_keep=_has_results(out))
        write_json(out / "config.json", config)
    except OSError as error:
        raise ValueError(f"out: {out} cannot be written ({error}), expected a directory with room; try --out") from None


def _has_results(out: Path) -> bool:
    """Whether a run has left anything to keep: a command that failed before must not occupy a directory."""
    finished_or_begun = (path for path in out.glob("runs/*") if not path.name.endswith(".failed.json"))
    return any(finished_or_begun) or any(out.glob("checkpoints/*/*"))


def _empty(out: Path) -> None:
    for pattern in OURS:
        for path in out.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def finished(jobs: Sequence[Job]) -> dict[Path, Any]:
    """What is in the files of finished jobs, by path; a file that is damaged is set aside, and its job done anew."""
    contents: dict[Path, Any] = {}
    for job in jobs:
        try:
            content = read_sealed(job.path)
        except DamagedFile as error:
            aside = job.path.with_suffix(".damaged")
            print(f"{error}; set aside as {aside.name}, the run is made anew", file=sys.stderr)
            job.path.replace(aside)
        else:
            if content is not None:
                contents[job.path] = content
    return contents


def finish(
    jobs: Sequence[Job], work: Work, settings: RunSettings, *, title: str, listen: Listener = ignore
) -> tuple[dict[Path, Any], list[str]]:
    """Do the jobs that have no file yet; returns what is in the files, by path, and what went wrong.

    `work` writes a job's file before it returns. After `Ctrl-C` or SIGTERM the files of finished jobs are returned all
    the same. A job that failed leaves a file that says why.
    """
    contents = finished(jobs)
    missing = [job for job in jobs if job.path not in contents]
    errors: list[str] = []
    if jobs and not missing:
        print(f"all {len(jobs)} runs are finished (--fresh makes them anew)")
    if missing and not _agreed(contents, jobs, settings):
        return contents, [f"{len(missing)} runs are not made: give --resume to go on, or --fresh to begin anew."]
    left = len(missing)
    try:
        for outcome in _engine(settings)(missing, work, workers=settings.workers, title=title, listen=listen):
            left -= 1
            if left == min(settings.workers, len(missing)) - 1:  # the first core that has nothing left to do
                threading.Thread(target=_import_for_the_report, daemon=True).start()
            note = outcome.job.path.with_suffix(".failed.json")
            content = read_sealed(outcome.job.path) if outcome.error is None else None
            if content is None:
                errors.append(f"{outcome.job.name} failed: {outcome.error}")
                with contextlib.suppress(OSError):
                    write_json(note, {"run": outcome.job.name, "error": str(outcome.error)})
            else:
                contents[outcome.job.path] = content
                note.unlink(missing_ok=True)
    except KeyboardInterrupt:
        errors.append(
            f"Stopped after {len(contents)} finished runs (Ctrl-C or SIGTERM); the same command with --resume goes on"
            " from there."
        )
    return contents, errors


def _import_for_the_report() -> None:
    """Load what pictures are drawn with, while the last runs go on: it takes a second."""
    for name in ("experiments.common.plots", "scipy.stats"):
        importlib.import_module(name)


def _engine(settings: RunSettings) -> Callable[..., Iterator[Outcome]]:
    if settings.engine == "local":
        return run_jobs
    from experiments.common.engine_ray import run_jobs_on

    return run_jobs_on(settings.ray_address)


def _agreed(contents: dict[Path, Any], jobs: Sequence[Job], settings: RunSettings) -> bool:
    """Whether to go on with what is there, if anything is: asked where there is somebody to ask."""
    if not jobs or settings.fresh:
        return True
    unfinished = jobs[0].path.parent.parent / "checkpoints"
    begun = len(list(unfinished.iterdir())) if unfinished.is_dir() else 0
    if not contents and not begun:
        return True
    found = f"{len(contents)} of {len(jobs)} runs are finished, and {begun} begun"
    if settings.resume or not (sys.stdin.isatty() and sys.stderr.isatty()):
        print(f"{found}: going on from there (--fresh makes them anew)")
        return True
    return input(f"{found}. Go on from there? [Y/n] ").strip().lower() in ("", "y", "yes")
