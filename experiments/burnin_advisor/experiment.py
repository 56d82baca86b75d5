"""What an advice is made of: a run for every seed, and its result files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from experiments.burnin_advisor.checks import check_task
from experiments.burnin_advisor.results import AdviceResults, SeedAdvice, summary
from experiments.burnin_advisor.settings import RunSpecification, Settings, task_of
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
    task, seeds = task_of(settings), range(settings.runs.seeds)
    check_task(task)
    out = settings.runs.out or default_directory("burnin_advisor", settings.training.environment.env, task)
    config = {
        "experiment": "burnin_advisor",
        "settings": settings_to_json(task) | {"criterion": CRITERION},
        "seeds": list(seeds),
        "inputs": inputs_of(settings.training),
        "preset": {"name": settings.preset, "reason": settings.preset_reason},
        "versions": versions(),
    }
    steps = 1 if settings.checkpoint is not None else settings.training.updates
    paths = {seed: out / "runs" / f"seed{seed}.json" for seed in seeds}

    def collect(contents: Mapping[Path, SeedAdvice]) -> AdviceResults:
        return AdviceResults(settings, {seed: contents[path] for seed, path in paths.items() if path in contents})

    return Experiment(
        name="burn-in advice",
        directory=out,
        config=config,
        runs=settings.runs,
        jobs=[Job(f"seed {seed}", steps, RunSpecification(task, seed, path), path) for seed, path in paths.items()],
        work=ImportedFunction("experiments.burnin_advisor.training:advise_seed"),
        record=SeedAdvice,
        collect=collect,
        summary=lambda results, errors: summary(results),
        report=ImportedFunction("experiments.burnin_advisor.report:report"),
    )
