"""The page a practitioner prints: tasks x initializations, with floors, outcome, ΔQ, memory and time of an update.

Every task is a comparison as burnin_compare makes it, with the same files in a directory of its own. With
--learning-rates it is one for each rate, and every initialization is judged at its own best rate: what holds at one
learning rate alone is no finding. Published tasks (`--tasks popgym`) are reported beside what others reached, as shares
of what is reachable. Runs resume, and finished runs are not made again: a killed atlas, or one with a
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

from experiments.atlas.tasks import GROUPS, TASKS, expand
from experiments.burnin_compare.settings import Shared, check_checkpoint_every, check_flags, check_reference
from experiments.common.settings import RunSettings
from r2d2_burnin.initialization import parse
from r2d2_burnin.runtime.command_line import from_command_line
from r2d2_burnin.runtime.errors import did_you_mean

PUBLISHED_STRATEGIES = ("zero", "zero+20", "stored", "stored+20", "refreshed", "full")
"""Initializations that are compared on published tasks, where nothing else is said."""

PUBLISHED_SEEDS = 10
"""Seeds on published tasks, where nothing else is said."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """The flags of the command line."""

    tasks: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = GROUPS["bit-streams"]
    """Tasks: count, window-count, recall, parity, count-for-reward, position-only-cart-pole, repeat-previous, and
    published ones: repeat-first-easy, repeat-first-medium, repeat-previous-easy, count-recall-easy,
    noisy-position-only-cart-pole-easy, autoencode-easy, higher-lower-easy, minigrid-memory-s7, passive-t-maze. A group:
    bit-streams (the default), popgym (all published ones)."""
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
    `module:Class` of your own. On published tasks alone the default is zero, zero+20, stored, stored+20, refreshed and
    full, and that of --seeds is 10."""
    slow_seeds: int = 5
    """Seeds, at most, of the task whose runs take more than five minutes: minigrid-memory-s7. Others have --seeds."""
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
        object.__setattr__(self, "tasks", expand(self.tasks))
        for name in ("tasks", "strategies"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name}: got {' '.join(values) or 'none'}, expected at least one, each once")
        for task in self.tasks:
            if task not in TASKS:
                known = (*TASKS, *GROUPS)
                hint = did_you_mean(task, known)
                raise ValueError(f"tasks: got {task!r}, expected some of {', '.join(known)}{hint}")
            package = TASKS[task].package
            if package is not None and find_spec(package) is None:
                raise ValueError(f"tasks: {task} needs the package {package}: pip install -e '.[envs-extra]'")
        for strategy in self.strategies:
            parse(strategy)
        if self.slow_seeds < 1:
            raise ValueError(f"slow_seeds: got {self.slow_seeds}, expected at least 1")
        check_reference(self.reference, self.strategies)
        check_checkpoint_every(self.checkpoint_every)
        rates = self.learning_rates
        if len(set(rates)) < len(rates) or not all(0 < rate < math.inf for rate in rates):
            given = " ".join(f"{rate:g}" for rate in rates)
            raise ValueError(f"learning_rates: got {given}, expected finite numbers above 0, each once")
        check_flags(self.flags)

    @property
    def shared(self) -> Shared:
        """What all comparisons have in common; their results are in directories of their own in one."""
        directory = self.runs.out or Path("results", "atlas-quick" if self.quick else "atlas")
        return Shared(directory, self.runs, self.flags, self.quick, self.checkpoint_every, self.tensorboard)


def read_settings(arguments: Sequence[str]) -> Settings:
    """Settings from the command line; what it leaves out of a study of published tasks alone has values of its own."""
    settings = from_command_line(Settings, "experiments.atlas", __doc__ or "", arguments)
    if any(TASKS[task].benchmark is None for task in settings.tasks):
        return settings
    preset = ["--strategies", *PUBLISHED_STRATEGIES, "--seeds", str(PUBLISHED_SEEDS)]
    return from_command_line(Settings, "experiments.atlas", __doc__ or "", arguments, preset=preset)
