"""How long burn-in must be, measured for one environment and network."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.burnin_advisor.settings import Settings, read_settings
from experiments.common.experiment import ImportedFunction, run_experiment

__all__ = ["Settings", "main", "read_settings"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Give the advice; returns 0, or 1 if a seed failed or was stopped."""
    return run_experiment(read_settings, ImportedFunction("experiments.burnin_advisor.experiment:describe"), arguments)
