"""Comparisons on several tasks and learning rates, on one page."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.atlas.settings import Settings, read_settings
from experiments.common.experiment import ImportedFunction, run_experiment

__all__ = ["Settings", "main", "read_settings"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the atlas; returns 0, or 1 if a run failed or was stopped."""
    return run_experiment(read_settings, ImportedFunction("experiments.atlas.experiment:describe"), arguments)
