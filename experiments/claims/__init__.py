"""Claims of the R2D2 paper and of its successors, each settled by comparisons with tests."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.claims.settings import Settings, read_settings
from experiments.common.experiment import ImportedFunction, run_experiment

__all__ = ["Settings", "main", "read_settings"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Settle the claims; returns 0, or 1 if a run failed or was stopped."""
    return run_experiment(read_settings, ImportedFunction("experiments.claims.experiment:describe"), arguments)
