"""How much memory trained agents use: outcome against the steps that their recurrent state reaches back."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.common.experiment import ImportedFunction, run_experiment
from experiments.memory_use.settings import Settings, read_settings

__all__ = ["Settings", "main", "read_settings"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; returns 0, or 1 if a run failed or was stopped."""
    return run_experiment(read_settings, ImportedFunction("experiments.memory_use.experiment:describe"), arguments)
