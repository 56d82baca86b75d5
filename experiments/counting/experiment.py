"""What the counting experiment is made of: the studies of every seed, and its result files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from experiments.common.experiment import Experiment, ImportedFunction
from experiments.common.jobs import Job
from experiments.common.results import default_directory, settings_to_json, versions
from experiments.counting.records import SeedStudies
from experiments.counting.results import StudyResults, summary
from experiments.counting.settings import Settings
from experiments.counting.studies import MEASURES, STUDIES, RunSpecification, StudySettings
from r2d2_burnin.settings import NetworkSettings


def describe(settings: Settings) -> Experiment[SeedStudies, StudyResults]:
    """The runs and result files of the studies with these settings."""
    studied, seeds = study_settings(settings), range(settings.runs.seeds)
    studies = STUDIES if settings.study == "all" else (settings.study,)
    name = f"{settings.study}-length{settings.length}-train{settings.sequences}"
    out = settings.runs.out or default_directory("counting", name, studied)
    config = {
        "experiment": "counting",
        "settings": {
            **settings_to_json(studied),
            "studies": list(studies),
            # Both say what is meant; a directory without them holds results of another meaning and is refused.
            "training_sequences": settings.sequences,
            "error_at_length": {study: MEASURES[study] for study in STUDIES[:2] if study in studies},
        },
        "seeds": list(seeds),
        "versions": versions(),
    }
    trainings = ("last-step" in studies) + ("every-step" in studies or "carried-state" in studies)
    steps = trainings * studied.epochs * studied.updates_an_epoch
    paths = {seed: out / "runs" / f"seed{seed}.json" for seed in seeds}

    def collect(contents: Mapping[Path, SeedStudies]) -> StudyResults:
        return StudyResults(studied, {seed: contents[path] for seed, path in paths.items() if path in contents})

    return Experiment(
        name="counting",
        directory=out,
        config=config,
        runs=settings.runs,
        jobs=[
            Job(f"seed {seed}", steps, RunSpecification(studied, studies, seed, path), path)
            for seed, path in paths.items()
        ],
        work=ImportedFunction("experiments.counting.training:study"),
        record=SeedStudies,
        collect=collect,
        summary=lambda results, errors: summary(results),
        report=ImportedFunction("experiments.counting.report:report"),
        accepts=lambda results: results.accepted,
    )


def study_settings(settings: Settings) -> StudySettings:
    """The settings of every seed's studies.

    Raises:
        ValueError: for settings that cannot work.
    """
    shared = {field.name for field in dataclasses.fields(StudySettings)} - {"network"}
    network = NetworkSettings(settings.units, settings.cell, settings.layers)
    return StudySettings(network=network, **{name: getattr(settings, name) for name in shared})
