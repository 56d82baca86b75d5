"""The faults that an audit looks for, one file each; a new one is a file and a line here."""

from __future__ import annotations

from r2d2_burnin.diagnostics.audit.faults import (
    another_sequence,
    burn_in_loss,
    crossing,
    not_reset,
    padding,
    precision,
    shifted,
    swapped,
    transposed,
    zeros,
)
from r2d2_burnin.diagnostics.audit.faults.protocol import Fault

FAULTS: tuple[Fault, ...] = (
    shifted.EARLY,
    shifted.LATE,
    another_sequence.FAULT,
    zeros.FAULT,
    not_reset.FAULT,
    padding.FAULT,
    crossing.FAULT,
    swapped.FAULT,
    transposed.FAULT,
    precision.FAULT,
    burn_in_loss.FAULT,
)
"""In the order of the report."""

__all__ = ["FAULTS", "Fault"]
