"""The three counting studies: train on bit sequences, then ask what the network has learned.

1. last-step: the target is the number of ones after the last step only, and so is what the error is measured on.
2. every-step: the running count is the target at every step, and the error is the mean over the steps.
3. carried-state: the network of study 2, with its recurrent state saved and fed back.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from r2d2_burnin.settings import LearnerSettings, NetworkSettings

STUDIES = ("last-step", "every-step", "carried-state")
AGES = (1, 10, 100, 1000)
"""Ages of stored states, in learner updates."""

MEASURES = {"last-step": "at the last step", "every-step": "mean over all steps"}
"""Where `error_at_length` of a study measures the squared error: the steps that the study trains, as in the article."""


@dataclasses.dataclass(frozen=True)
class Feed:
    """Bits fed to the network from a state, what it should count, and what the article's network said."""

    start: str  # name of the state it starts from; "initial" is the network's initial state
    end: str  # name of the state it leaves
    bits: tuple[int, ...]
    counts: tuple[int, ...]
    published: tuple[float, ...] | None


FEEDS = (
    Feed("initial", "A", (1, 1, 1), (1, 2, 3), (1.006, 2.012, 3.023)),
    Feed("A", "B", (1, 0, 1), (4, 4, 5), (4.005, 4.005, 5.016)),
    Feed("initial", "C", (1, 0, 1), (1, 1, 2), None),
    Feed("A", "D", (0, 1, 0, 1, 1), (3, 4, 4, 5, 6), (3.019, 4.037, 4.022, 5.020, 5.996)),
    Feed("D", "E", (0, 1, 1, 1), (6, 7, 8, 9), (5.974, 6.992, 7.992, 8.984)),
)


@dataclasses.dataclass(frozen=True)
class StudySettings:
    """Everything that decides the studies of a seed; the defaults are the article's."""

    length: int = 20
    """Bits of a training sequence."""
    sequences: int = 1000
    """Training sequences."""
    validation: int = 100
    """Validation sequences, drawn beside the training sequences."""
    batch_size: int = 32
    """Sequences in an update."""
    epochs: int = 100
    """Passes over the training sequences."""
    learning_rate: float = 1e-3
    """Adam's step size."""
    network: NetworkSettings = dataclasses.field(default_factory=NetworkSettings)
    """The network."""

    def __post_init__(self) -> None:
        for name in ("length", "sequences", "validation", "batch_size", "epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected at least 1")
        if self.length < 2:
            raise ValueError("length: got 1, expected at least 2, so that a sequence can be split")
        LearnerSettings(learning_rate=self.learning_rate)

    @property
    def updates_an_epoch(self) -> int:
        """Updates in a pass over the training sequences; the last one may have fewer of them."""
        return math.ceil(self.sequences / self.batch_size)


@dataclasses.dataclass(frozen=True)
class RunSpecification:
    """What a worker needs to know of a seed's studies."""

    settings: StudySettings
    studies: tuple[str, ...]
    seed: int
    path: Path  # of the result


def best_constant_error(study: str, length: int) -> float:
    """Expected error, by the measure of `study`, of the best constant answer on sequences of `length` fair bits.

    It is the variance of the counts: that of a binomial count after the last bit, or over all steps together the mean
    of the binomial variances plus the variance of the binomial means.
    """
    return length / 4 if study == "last-step" else (length + 1) / 8 + (length**2 - 1) / 48
