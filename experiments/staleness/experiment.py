"""What the staleness experiment is made of: its runs, and its result files."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

from experiments.common.experiment import Experiment, ImportedFunction
from experiments.common.jobs import Job
from experiments.common.results import default_directory, settings_to_json, versions
from experiments.common.settings import environment_flags, inputs_of
from experiments.staleness.results import HEADER, AgeCurves, AgeResults, Case, RunSpecification, summary
from experiments.staleness.settings import Settings


def describe(settings: Settings) -> Experiment[AgeCurves, AgeResults]:
    """The runs and result files of the experiment with these settings."""
    training, seeds = settings.training, range(settings.runs.seeds)
    out = settings.runs.out or default_directory("staleness", training.environment.env, training)
    config = {
        "experiment": "staleness",
        "settings": settings_to_json(training),
        "learning_rates": settings.learning_rates,
        "replay_ratios": settings.replay_ratios,
        "strategies": settings.strategies,
        "seeds": list(seeds),
        "inputs": inputs_of(training),
        "preset": {"name": settings.preset, "reason": settings.preset_reason},
        "versions": versions(),
    }
    combinations = itertools.product(settings.replay_ratios, settings.learning_rates, settings.strategies)
    cases = [Case(strategy, rate, ratio) for ratio, rate, strategy in combinations]
    jobs = {(case, seed): _job(settings, case, seed, out) for case, seed in itertools.product(cases, seeds)}

    def collect(contents: Mapping[Path, AgeCurves]) -> AgeResults:
        runs: dict[Case, dict[int, AgeCurves]] = {case: {} for case in cases}
        for (case, seed), job in jobs.items():
            if job.path in contents:
                runs[case][seed] = contents[job.path]
        return AgeResults(training.environment.env, training.objective, runs, environment_flags(training.environment))

    return Experiment(
        name="staleness",
        directory=out,
        config=config,
        runs=settings.runs,
        jobs=list(jobs.values()),
        work=ImportedFunction("experiments.staleness.measuring:measure_ages"),
        record=AgeCurves,
        collect=collect,
        summary=lambda results, errors: summary(results),
        report=ImportedFunction("experiments.staleness.report:report"),
        header=HEADER,
        rows=AgeResults.rows,
    )


def _job(settings: Settings, case: Case, seed: int, out: Path) -> Job:
    path = out / "runs" / f"{case.name}_seed{seed}.json"
    return Job(
        name=f"{case.name} seed {seed}",
        steps=settings.training.updates,
        payload=RunSpecification(case.training(settings.training), case.strategy, seed, path),
        path=path,
        group=f"{case.strategy} {case.learning_rate}",
    )
