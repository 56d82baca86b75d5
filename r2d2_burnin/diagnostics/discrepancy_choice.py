"""How discrepancies of a network are measured: by a compiled program where it is of TensorFlow, else by NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from r2d2_burnin.data import FragmentBatch, References
from r2d2_burnin.diagnostics.callable_discrepancy import CallableDiscrepancyMeasure, Discrepancies
from r2d2_burnin.diagnostics.discrepancy import DiscrepancyMeasure
from r2d2_burnin.networks.adapters import AnyNetwork, adapt, is_recurrent_network


class Measure(Protocol):
    """Measures discrepancies of a network's start states."""

    def __call__(self, batch: FragmentBatch, references: References) -> tuple[Discrepancies, np.ndarray]:
        """Measure a batch `[B, ...]` against its references; returns the outputs `[B, T, A]` as well."""

    def distance(self, a: Any, b: Any) -> np.ndarray:
        """L2 distance `[B]` of two recurrent states."""


def discrepancy_measure(network: AnyNetwork, values: Callable[[Any], Any], scale: Callable[[Any, Any], Any]) -> Measure:
    """The measure of a network: a compiled program for one of TensorFlow, else one of NumPy.

    Args:
        network: what is measured.
        values: what ΔQ compares, of outputs `[..., A]`.
        scale: what ΔQ is relative to, `[B]`, from values `[B, T, A]` and the mask `[B, T]` of trained steps.
    """
    if is_recurrent_network(network):
        return DiscrepancyMeasure(network, values, scale)
    return CallableDiscrepancyMeasure(adapt(network), values, scale)
