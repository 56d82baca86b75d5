"""Three counting studies of what a recurrent state is good for."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.common.experiment import ImportedFunction, run_experiment
from experiments.counting.settings import Settings, read_settings

__all__ = ["Settings", "main", "read_settings"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the studies; returns 0, or 1 if a seed failed, was stopped, or is not accepted."""
    return run_experiment(read_settings, ImportedFunction("experiments.counting.experiment:describe"), arguments)
