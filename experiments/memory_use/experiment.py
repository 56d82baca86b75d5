"""What the measure of memory is made of: one measurement a network, and its result files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from experiments.common.experiment import Experiment, ImportedFunction
from experiments.common.jobs import Job
from experiments.common.results import default_directory, settings_to_json, versions
from experiments.memory_use.results import MemoryResults, summary
from experiments.memory_use.settings import RunSpecification, Settings, trained_networks
from r2d2_burnin.data import MemoryUse
from r2d2_burnin.learning.objectives import objective_class


def describe(settings: Settings) -> Experiment[MemoryUse, MemoryResults]:
    """The measurements and result files of the experiment with these settings.

    Raises:
        ValueError: where there is no network to measure.
    """
    training, networks = trained_networks(settings)
    what = {"checkpoint": settings.checkpoint.resolve(), "episodes": settings.episodes}
    out = settings.runs.out or default_directory("memory_use", training.environment.env, (training, what))
    config = {
        "experiment": "memory_use",
        "settings": settings_to_json(training) | {name: str(value) for name, value in what.items()},
        "networks": [network.path.name for network in networks],
        "versions": versions(),
    }
    jobs = {}
    for network in networks:
        path = out / "runs" / f"{network.path.stem}.json"
        payload = RunSpecification(training, network, settings.episodes, path)
        jobs[network] = Job(f"{network.strategy} seed {network.seed}", 1, payload, path, group="all")

    def collect(contents: Mapping[Path, MemoryUse]) -> MemoryResults:
        runs: dict[str, dict[int, MemoryUse]] = {network.strategy: {} for network in networks}
        for network, job in jobs.items():
            if job.path in contents:
                runs[network.strategy][network.seed] = contents[job.path]
        return MemoryResults(training.environment.env, objective_class(training.objective).outcome, runs)

    return Experiment(
        name="memory use",
        directory=out,
        config=config,
        runs=settings.runs,
        jobs=list(jobs.values()),
        work=ImportedFunction("experiments.memory_use.measuring:measure"),
        record=MemoryUse,
        collect=collect,
        summary=lambda results, errors: {**summary(results), "errors": list(errors)},
        report=ImportedFunction("experiments.memory_use.report:report"),
    )
