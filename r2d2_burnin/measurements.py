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
    processed_steps: int = 0  # steps that the network processed in all updates: burn-in and trained steps
    longest_start: int | None = None  # largest first trained step of a fragment, counted from its episode's first step
    streams: str | None = None  # checksum of all observations that were acted on, in order, and of where episodes end
    outcomes: list[float] = dataclasses.field(default_factory=list)  # error or return of each last evaluation episode
    baselines: dict[str, list[float]] = dataclasses.field(default_factory=dict)  # of what learns nothing, in the same

    def final(self, metric: str, *, last: float = 0.1, fewest: int = 1, until: float | None = None) -> float | None:
        """Mean of a metric over the end of training, None if it was not measured.

        Args:
            metric: its name.
            last: this part of the updates counts, and at least
            fewest: so many measurements, as far as there are as many.
            until: what comes after this update does not count; by default all does.
        """
        mine = [m for m in self.measurements if m.metric == metric]
        mine = [m for m in mine if until is None or m.update <= until] or mine[:1]
        if not mine:
            return None
        begin = (1 - last) * mine[-1].update
        chosen = [m.value for m in mine if m.update > begin]
        if len(chosen) < fewest:
            chosen = [m.value for m in mine[-fewest:]]
        return float(np.mean(chosen))
