"""What a training run measured: numbers by update, and means over the run's end."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One number, and the learner update after which it was measured."""

    update: int
    metric: str
    value: float


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """What a run measured."""

    measurements: list[Measurement]
    seconds: float
    update_seconds: float = 0.0  # median time of a learner update, without what compiling took
    replay_bytes: int = 0  # memory of replay at the run's end
    batch_bytes: int = 0  # memory of an update's batch

    def final(self, metric: str, *, last: float = 0.1) -> float | None:
        """Mean of a metric over the `last` part of the updates (or its last value), None if it was not measured."""
        mine = [m for m in self.measurements if m.metric == metric]
        if not mine:
            return None
        end = mine[-1].update
        return float(np.mean([m.value for m in mine if m.update > (1 - last) * end]))
