"""What a comparison is made of: its runs, and its result files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.burnin_compare.comparison import Comparison, default_reference
from experiments.burnin_compare.settings import RunSpecification, Settings
from experiments.burnin_compare.summary import summary
from experiments.burnin_compare.verdict import verdict
from experiments.common.experiment import Experiment, ImportedFunction
from experiments.common.jobs import Job
from experiments.common.results import default_directory, settings_to_json, versions
from experiments.common.settings import inputs_of
from r2d2_burnin.data import TrainingResult
from r2d2_burnin.initialization import parse

HEADER = ("strategy", "seed", "update", "metric", "value")
"""Columns of `metrics.csv`."""


def describe(settings: Settings) -> Experiment[TrainingResult, Comparison]:
    """The runs and result files of a comparison with these settings."""
    training, seeds = settings.training, tuple(range(settings.runs.seeds))
    out = settings.runs.out or default_directory("burnin_compare", training.environment.env, training)
    config = {
        "experiment": "burnin_compare",
        "settings": settings_to_json(training),
        "strategies": list(settings.strategies),
        "reference": settings.reference or default_reference(settings.strategies),
        "seeds": list(seeds),
        "inputs": inputs_of(training),
        "preset": {"name": settings.preset, "reason": settings.preset_reason},
        "versions": versions(),
    }
    runs = [(name, seed) for name in sorted(settings.strategies, key=cost_of, reverse=True) for seed in seeds]
    jobs = {run: _job(settings, *run, out) for run in runs}

    def collect(contents: Mapping[Path, TrainingResult]) -> Comparison:
        finished = {run: contents[job.path] for run, job in jobs.items() if job.path in contents}
        preset = f"{settings.preset}: {settings.preset_reason}" if settings.preset_reason else ""
        return Comparison(training, settings.strategies, seeds, finished, settings.reference, preset)

    return Experiment(
        name="burnin comparison",
        directory=out,
        config=config,
        runs=settings.runs,
        jobs=list(jobs.values()),
        work=ImportedFunction("experiments.burnin_compare.training:train"),
        record=TrainingResult,
        collect=collect,
        summary=lambda comparison, errors: {**summary(comparison), **_status(comparison, errors, settings.command)},
        report=ImportedFunction("experiments.burnin_compare.report:report"),
        header=HEADER,
        rows=Comparison.rows,
        columns={job.name: run for run, job in jobs.items()},
        tensorboard=settings.tensorboard,
        command=settings.command,
    )


def _job(settings: Settings, strategy: str, seed: int, out: Path) -> Job:
    path = out / "runs" / f"{strategy}_seed{seed}.json"
    return Job(
        name=f"{strategy} seed {seed}",
        steps=settings.training.updates,
        payload=RunSpecification(settings.training, strategy, seed, path, settings.checkpoint_every),
        path=path,
        group=f"{settings.training.environment} {program_of(strategy)}",
    )


def _status(comparison: Comparison, errors: Sequence[str], command: str) -> dict[str, Any]:
    """What `summary.json` says of the job itself."""
    missing = len(comparison.strategies) * len(comparison.seeds) - len(comparison.runs)
    return {
        "status": "incomplete" if missing or errors else "complete",
        "errors": list(errors),
        "verdict": verdict(comparison),
        "command": command,
    }


def cost_of(strategy: str) -> float:
    """Processed steps before the trained ones, and these where it has a number of its own.

    The longest runs are begun first, so that all workers end together.
    """
    initialization = parse(strategy)
    burn_in = math.inf if initialization.burn_in is None else initialization.burn_in
    return burn_in + (initialization.trained_steps or 0)


def program_of(strategy: str) -> str:
    """Runs with the same answer share their compiled programs."""
    initialization = parse(strategy)
    return f"{initialization.programs}+{initialization.burn_in}@{initialization.trained_steps}"
