"""What the studies of one seed found, as it is kept in `runs/`."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Curves:
    """Mean squared errors by epoch."""

    train: list[float]  # [epochs]
    validation: list[float]  # [epochs]


@dataclasses.dataclass(frozen=True)
class Example:
    """True and predicted counts of one sequence."""

    bits: str  # zeros and ones
    count: int
    predicted: float
    count_halfway: int
    predicted_halfway: float


@dataclasses.dataclass(frozen=True)
class TrainedStudy:
    """What a training reached: last-step or every-step."""

    curves: Curves
    error_at_length: list[float]  # [2 * length], where `studies.MEASURES` says
    error_at_last_step: list[float]  # [2 * length]
    examples: list[Example]


@dataclasses.dataclass(frozen=True)
class StoredErrors:
    """Errors after a split from states that older parameters computed."""

    age: int  # of the parameters, in learner updates
    errors: list[float]  # [splits]


@dataclasses.dataclass(frozen=True)
class CarriedState:
    """The article's table, and errors after a split, by the state that the second part starts from."""

    table: list[list[float]]  # counts for each of `studies.FEEDS`, [steps] each
    split: list[int]  # bits before the split, [splits]
    unsplit: list[float]  # [splits]
    carried: list[float]  # [splits]
    zero: list[float]  # [splits]
    stored: list[StoredErrors]
    carried_difference: float  # largest difference between counts of split and unsplit sequences

    def split_errors(self) -> dict[str, list[float]]:
        """Errors by start, under the names that tables and files have."""
        stored = {f"stored, {errors.age} updates old": errors.errors for errors in self.stored}
        return {"unsplit": self.unsplit, "carried": self.carried, "zero": self.zero, **stored}


@dataclasses.dataclass(frozen=True)
class SeedStudies:
    """The studies of one seed; None for one that was not made."""

    last_step: TrainedStudy | None = None
    every_step: TrainedStudy | None = None
    carried_state: CarriedState | None = None
