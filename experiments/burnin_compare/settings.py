"""Compare initializations: from which recurrent state should replayed experience start, and what does a wrong one cost?

Every strategy trains the same network on the same streams from replayed fragments; they differ only in the recurrent
state that a fragment starts from. Strategies: `zero` (the network's initial state), `stored` (the state that the actor
had there), `refreshed` (stored, but overwritten whenever a replayed fragment passes over it), `learned` (one trained
state for all fragments), each also with `+K` steps of burn-in, and `full` (everything since the episode's first step:
the reference).

Runs (strategy x seed) go over the machine's cores. Results are kept run by run: the same command again resumes where
the last one stopped, and Ctrl-C reports what is finished.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from experiments.common.settings import RunSettings, command_line, read_with_preset
from r2d2_burnin.initialization import check_cut, check_trained_steps, parse
from r2d2_burnin.settings import TrainingSettings


@dataclasses.dataclass(frozen=True)
class Settings:
    """The flags of the command line."""

    training: TrainingSettings = dataclasses.field(default_factory=TrainingSettings)
    strategies: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = (
        "zero",
        "stored",
        "zero+20",
        "stored+20",
        "full",
    )
    """Initializations to compare: zero, stored, refreshed, learned, each also with +K steps of burn-in, full, and
    `module:Class` of your own; each also with @M trained steps instead of --sequence-length."""
    reference: str | None = None
    """The initialization that the others are compared with, one of --strategies; by default full, else stored, else the
    first one given."""
    runs: RunSettings = dataclasses.field(default_factory=RunSettings)
    checkpoint_every: int = 500
    """Updates between two checkpoints of a run, from which it goes on after an interruption."""
    tensorboard: Path | None = None
    """Directory for the measures as TensorBoard scalars, while the job runs (pip install -e '.[tensorboard]')."""
    preset: str = "auto"
    """Values for all that is not set otherwise. small: minutes on 2 cores; the defaults shown are those that hold with
    the flags beside --help, so add --env or --objective to see its own. guess: q-learning where observations, ends and
    the reward of a step do not depend on earlier actions, so that each action is a guess. auto: guess where that is so,
    which is tested by playing a few episodes, else small. r2d2: the paper's agent (T 80, burn-in 40, period 40, 512
    units, batch 64)."""
    preset_reason: tyro.conf.Suppress[str] = ""
    """Why auto took the preset."""
    quick: bool = False
    """A rough answer in half a minute, for what is not set otherwise: fewer updates, 1 seed."""
    command: tyro.conf.Suppress[str] = ""
    """The command line, for `summary.json`."""

    def __post_init__(self) -> None:
        if not self.strategies:
            raise ValueError("strategies: got none, expected at least one, for example zero stored full")
        for name in self.strategies:
            check_cut(self.training.cut_episodes, parse(name))
            check_trained_steps(self.training.replay.sequence_length, parse(name))
        if len(set(self.strategies)) < len(self.strategies):
            raise ValueError(f"strategies: got {' '.join(self.strategies)}, expected each once")
        check_reference(self.reference, self.strategies)
        check_checkpoint_every(self.checkpoint_every)


@dataclasses.dataclass(frozen=True)
class RunSpecification:
    """What a worker needs to know of a run."""

    training: TrainingSettings
    strategy: str
    seed: int
    path: Path  # of the result
    checkpoint_every: int


def check_reference(reference: str | None, strategies: Sequence[str]) -> None:
    """Raise a ValueError unless the reference is one of the strategies, or None."""
    if reference is not None and reference not in strategies:
        raise ValueError(f"reference: got {reference!r}, expected one of the strategies: {', '.join(strategies)}")


def check_checkpoint_every(updates: int) -> None:
    """Raise a ValueError unless checkpoints are at least one update apart."""
    if updates < 1:
        raise ValueError(f"checkpoint_every: got {updates}, expected at least 1")


@dataclasses.dataclass(frozen=True)
class Shared:
    """What the comparisons of an experiment of several have in common (`several`)."""

    directory: Path
    runs: RunSettings
    flags: Sequence[str] = ()  # NAME=VALUE of burnin_compare, after those of a comparison itself
    quick: bool = False
    checkpoint_every: int = 500
    tensorboard: Path | None = None


def check_flags(flags: Sequence[str]) -> None:
    """Raise a ValueError unless each of these is NAME=VALUE, with another name."""
    for flag in flags:
        if "=" not in flag:
            raise ValueError(f"flags: got {flag!r}, expected NAME=VALUE, for example updates=1000")
    names = [flag.partition("=")[0].replace("_", "-") for flag in flags]
    if len(set(names)) < len(names):
        raise ValueError(f"flags: got {' '.join(flags)}, expected each NAME once")


def read_settings(arguments: Sequence[str]) -> Settings:
    """Settings from the command line.

    Raises:
        ValueError: for settings that cannot work.
    """
    read = read_with_preset(Settings, "experiments.burnin_compare", __doc__ or "", arguments)
    return dataclasses.replace(read, command=command_line("experiments.burnin_compare", arguments))
