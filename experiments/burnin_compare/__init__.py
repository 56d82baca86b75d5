"""Initializations compared: the command, its statistics over runs, its verdict in words."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.burnin_compare.settings import Settings, read_settings
from experiments.common.experiment import ImportedFunction, run_experiment

__all__ = ["Settings", "main", "read_settings"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; returns the exit status: 0, or 1 if a run failed or was stopped."""
    return run_experiment(read_settings, ImportedFunction("experiments.burnin_compare.experiment:describe"), arguments)
