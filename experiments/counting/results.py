"""Results of the counting studies, and the content of their `summary.json`."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from experiments.common.results import to_json
from experiments.common.statistics import estimate
from experiments.counting.article_errors import compare, known_errors
from experiments.counting.records import CarriedState, SeedStudies, TrainedStudy
from experiments.counting.studies import FEEDS, MEASURES, StudySettings

FLOAT_PRECISION = 1e-3
"""Largest difference between split and unsplit counts that float32 explains, at counts of some tens."""


@dataclasses.dataclass(frozen=True)
class StudyResults:
    """Finished studies by seed."""

    settings: StudySettings
    by_seed: dict[int, SeedStudies]

    @property
    def trained(self) -> dict[str, list[TrainedStudy]]:
        """The first two studies, as far as they were made: one result a seed, by name."""
        studies: dict[str, list[TrainedStudy]] = {}
        for seed in self.by_seed.values():
            for name, study in (("last-step", seed.last_step), ("every-step", seed.every_step)):
                if study is not None:
                    studies.setdefault(name, []).append(study)
        return studies

    @property
    def carried(self) -> list[CarriedState]:
        """The third study, one result a seed, if it was made."""
        return [seed.carried_state for seed in self.by_seed.values() if seed.carried_state is not None]

    @property
    def accepted(self) -> bool:
        """Whether the third study's counts are right for all seeds."""
        return all(map(accepted, self.carried))


def accepted(study: CarriedState) -> bool:
    """Whether every count of a seed's table rounds right, and splitting a sequence changes no count."""
    right = [bool((np.rint(values) == feed.counts).all()) for values, feed in zip(study.table, FEEDS, strict=True)]
    return all(right) and study.carried_difference < FLOAT_PRECISION


def summary(results: StudyResults) -> dict[str, Any]:
    """The content of `summary.json`.

    `error_at_length` `[seed][length - 1]` is the article's quantity, on fresh sequences of every length: for last-step
    the squared error at the last step, for every-step its mean over all steps. `error_at_last_step` is the error at the
    last step for both. A known error is the range of the article's seeds.
    """
    settings = results.settings
    studies = {name: _trained_summary(name, trained, settings) for name, trained in results.trained.items()}
    if results.carried:
        studies["carried-state"] = _carried_summary(results.carried)
    return {"length": settings.length, "epochs": settings.epochs, "seeds": list(results.by_seed), "studies": studies}


def _trained_summary(name: str, trained: list[TrainedStudy], settings: StudySettings) -> dict[str, Any]:
    validation = estimate([study.curves.validation[-1] for study in trained])
    known = {length: to_json(article) for length, article in known_errors(name, settings).items()}
    return {
        "validation_error": None if validation is None else validation.as_json(),
        "known_validation_error": known.get(settings.length),
        "error_at_length": [study.error_at_length for study in trained],
        "error_at_last_step": [study.error_at_last_step for study in trained],
        "error_at_length_measure": MEASURES[name],
        "known_error_at_length": known,
        "against_known": {known.length: known.as_json() for known in compare({name: trained}, settings)},
    }


def _carried_summary(carried: list[CarriedState]) -> dict[str, Any]:
    return {
        "accepted": all(map(accepted, carried)),
        "carried_difference": max(study.carried_difference for study in carried),
        "table": [
            {
                "bits": feed.bits,
                "start": feed.start,
                "counts": feed.counts,
                "published": feed.published,
                "measured": [study.table[i] for study in carried],
            }
            for i, feed in enumerate(FEEDS)
        ],
        "split_errors": {
            start: [study.split_errors()[start] for study in carried] for start in carried[0].split_errors()
        },
    }
