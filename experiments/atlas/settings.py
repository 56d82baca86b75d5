"""The page a practitioner prints: tasks x initializations, with floors, outcome, ΔQ, memory and time of an update.

Every task is a comparison as burnin_compare makes it, with the same files in a directory of its own. With
--learning-rates it is one for each rate, and every initialization is judged at its own best rate: what holds at one
learning rate alone is no finding. Runs resume, and finished runs are not made again: a killed atlas, or one with a
task, a rate or a seed more, goes on from what is there.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import tyro

from experiments.burnin_compare.settings import check_checkpoint_every, check_reference
from experiments.common.settings import RunSettings
from r2d2_burnin.initialization import parse
from r2d2_burnin.runtime.command_line import from_command_line

TASKS: dict[str, list[str]] = {
    "count": ["--env", "BitStream/Count-v0"],
    "window-count": ["--env", "BitStream/WindowCount-v0"],
    "recall": ["--env", "BitStream/Recall-v0"],
    "parity": ["--env", "BitStream/Parity-v0"],
    "count-for-reward": [
        *("--env", "BitStream/Count-v0", "--env-kwargs", "modulo=4"),
        *("--objective", "q-learning", "--preset", "guess"),
    ],
    "position-only-cart-pole": ["--env", "popgym:popgym-PositionOnlyCartPoleEasy-v0"],
    "repeat-previous": ["--env", "popgym:popgym-RepeatPreviousEasy-v0", "--discount", "0.9"],
}
"""Flags of burnin_compare for every task."""


NEEDS = {"position-only-cart-pole": "popgym", "repeat-previous": "popgym"}
"""Packages of the extra envs-extra that tasks need."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """The flags of the command line."""

    tasks: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = (
        "count",
        "window-count",
        "recall",
        "count-for-reward",
        "position-only-cart-pole",
    )
    """Tasks: count, window-count, recall, parity, count-for-reward, position-only-cart-pole, repeat-previous."""
    strategies: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = (
        "zero",
        "zero+20",
        "learned",
        "learned+20",
        "stored",
        "stored+20",
        "refreshed",
        "refreshed+20",
        "full",
    )
    """Initializations: zero, stored, refreshed, learned, each also with +K steps of burn-in, full, and
    `module:Class` of your own."""
    learning_rates: Annotated[tuple[float, ...], tyro.conf.arg(metavar="RATE ...")] = ()
    """Learning rates to try, all for each task; by default each task's own alone."""
    reference: str | None = None
    """The initialization that the others are compared with; by default full, else stored, else the first one given."""
    flags: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE ...")] = ()
    """Further settings of burnin_compare for all tasks, for example updates=1000 units=64."""
    runs: RunSettings = dataclasses.field(default_factory=RunSettings)
    checkpoint_every: int = 500
    """Updates between two checkpoints of a run, from which it goes on after an interruption."""
    tensorboard: Path | None = None
    """Directory for the measures as TensorBoard scalars, while the job runs (pip install -e '.[tensorboard]')."""
    quick: bool = False
    """A rough answer: fewer updates, 1 seed."""

    def __post_init__(self) -> None:
        for name in ("tasks", "strategies"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name}: got {' '.join(values) or 'none'}, expected at least one, each once")
        for task in self.tasks:
            if task not in TASKS:
                raise ValueError(f"tasks: got {task!r}, expected some of {', '.join(TASKS)}")
            if task in NEEDS and find_spec(NEEDS[task]) is None:
                raise ValueError(f"tasks: {task} needs the package {NEEDS[task]}: pip install -e '.[envs-extra]'")
        for strategy in self.strategies:
            parse(strategy)
        check_reference(self.reference, self.strategies)
        check_checkpoint_every(self.checkpoint_every)
        rates = self.learning_rates
        if len(set(rates)) < len(rates) or not all(0 < rate < math.inf for rate in rates):
            given = " ".join(f"{rate:g}" for rate in rates)
            raise ValueError(f"learning_rates: got {given}, expected finite numbers above 0, each once")
        for flag in self.flags:
            if "=" not in flag:
                raise ValueError(f"flags: got {flag!r}, expected NAME=VALUE, for example updates=1000")
        names = [flag.partition("=")[0].replace("_", "-") for flag in self.flags]
        if len(set(names)) < len(names):
            raise ValueError(f"flags: got {' '.join(self.flags)}, expected each NAME once")

    @property
    def directory(self) -> Path:
        """Of the results, with one for each task in it."""
        return self.runs.out or Path("results", "atlas-quick" if self.quick else "atlas")


def read_settings(arguments: Sequence[str]) -> Settings:
    """Settings from the command line."""
    return from_command_line(Settings, "experiments.atlas", __doc__ or "", arguments)
