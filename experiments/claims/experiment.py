"""What the study of claims is made of: a comparison for each training setting, and its own result files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from experiments.burnin_compare import several
from experiments.burnin_compare.comparison import Comparison
from experiments.burnin_compare.summary import summary as comparison_summary
from experiments.claims.declarations import SETTINGS, chosen, strategies_of
from experiments.claims.results import ClaimResults
from experiments.claims.settings import Settings
from experiments.common.experiment import Experiment, ImportedFunction
from experiments.common.results import settings_to_json, versions, write_json
from r2d2_burnin.data import TrainingResult


def describe(settings: Settings) -> Experiment[TrainingResult, ClaimResults]:
    """The comparisons and result files of a study with these settings."""
    claims, shared = chosen(settings.claims), settings.shared
    config = {
        "experiment": "claims",
        "settings": {"flags": list(settings.flags), "quick": settings.quick},
        "run": settings_to_json(settings),
        "versions": versions(),
    }
    comparisons = {}
    for name, strategies in strategies_of(claims).items():
        setting = SETTINGS[name]
        flags = (*setting.flags, *(setting.quick if settings.quick else ()), "--seeds", str(settings.runs.seeds))
        comparisons[name] = several.comparison_settings(name, strategies, flags, shared)

    def collect(by_name: dict[str, Comparison]) -> ClaimResults:
        return ClaimResults(claims, by_name)

    def summary(results: ClaimResults, errors: Sequence[str]) -> dict[str, Any]:
        write_json(shared.directory / "claims.json", {"claims": results.as_json(), "errors": list(errors)})
        return {
            "claims": results.as_json(),
            "settings": {name: comparison_summary(part) for name, part in results.comparisons.items()},
            "errors": list(errors),
        }

    return several.describe(
        "claims",
        config,
        comparisons,
        shared,
        collect=collect,
        summary=summary,
        report=ImportedFunction("experiments.claims.report:report"),
        rows=lambda results: several.rows_of(results.comparisons),
        first_column="setting",
    )
