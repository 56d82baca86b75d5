"""What an advice is made of: a run for every seed, and its result files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.burnin_advisor.calling import check_recorded
from experiments.burnin_advisor.checks import check_task
from experiments.burnin_advisor.results import AdviceResults, SeedAdvice, summary
from experiments.burnin_advisor.settings import RunSpecification, Settings, is_called, task_of
from experiments.common.experiment import Experiment, ImportedFunction
from experiments.common.jobs import Job
from experiments.common.results import default_directory, settings_to_json, versions
from experiments.common.settings import inputs_of

CRITERION = "bound of the mean and quantile"
"""In `config.json`: an earlier version judged by the mean alone, and its results are not mixed with these."""


def describe(settings: Settings) -> Experiment[SeedAdvice, AdviceResults]:
    """The runs and result files of an advice with these settings.

    Raises:
        ValueError: for what cannot be advised on.
    """
    task, called = task_of(settings), is_called(settings)
    seeds = range(1 if settings.files else settings.runs.seeds)
    recorded: dict[str, Any] = {}
    if settings.files:
        inputs, recorded["files"] = check_recorded(task)
    else:
        check_task(task, trains=not called)
        inputs = inputs_of(settings.training)
    if called and not settings.files and settings.checkpoint is not None:
        raise ValueError(
            f"checkpoint: got {settings.checkpoint} with a network that is not trained here, expected none: its factory"
            " returns it with its parameters"
        )
    out = settings.runs.out or default_directory("burnin_advisor", settings.source, task)
    config = {
        "experiment": "burnin_advisor",
        "settings": settings_to_json(task) | {"criterion": CRITERION} | recorded,
        "seeds": list(seeds),
        "inputs": inputs,
        "preset": {"name": settings.preset, "reason": settings.preset_reason},
        "versions": versions(),
    }
    steps = 1 if called or settings.checkpoint is not None else settings.training.updates
    work = "calling:advise_called_seed" if called else "training:advise_seed"
    paths = {seed: out / "runs" / f"seed{seed}.json" for seed in seeds}
    names = {seed: "recorded episodes" if settings.files else f"seed {seed}" for seed in seeds}

    def collect(contents: Mapping[Path, SeedAdvice]) -> AdviceResults:
        return AdviceResults(settings, {seed: contents[path] for seed, path in paths.items() if path in contents})

    return Experiment(
        name="burn-in advice",
        directory=out,
        config=config,
        runs=settings.runs,
        jobs=[Job(names[seed], steps, RunSpecification(task, seed, path), path) for seed, path in paths.items()],
        work=ImportedFunction(f"experiments.burnin_advisor.{work}"),
        record=SeedAdvice,
        collect=collect,
        summary=lambda results, errors: summary(results),
        report=ImportedFunction("experiments.burnin_advisor.report:report"),
    )
