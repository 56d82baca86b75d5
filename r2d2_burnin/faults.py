"""What ends a training run, other than its environment."""

from __future__ import annotations


class TrainingDiverged(RuntimeError):
    """The loss, or what the network says, is no longer a finite number."""
