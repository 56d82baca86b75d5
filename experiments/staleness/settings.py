"""How fast do stored states grow stale? ΔQ and state error against the age of the stored state, in learner updates.

Trains with constant step sizes, for each learning rate, replay ratio (trained steps for each acted step) and
initialization, and measures in the second half of training what replay holds, from the youngest fragment to the oldest:
how far the outputs from its stored state are from those of the exact state. Results are kept run by run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated

import tyro

from experiments.common.settings import RunSettings, check_whole_episodes, read_with_preset
from r2d2_burnin.initialization import parse
from r2d2_burnin.settings import TrainingSettings


@dataclasses.dataclass(frozen=True)
class Settings:
    """The flags of the command line."""

    training: TrainingSettings = dataclasses.field(default_factory=TrainingSettings)
    learning_rates: Annotated[tuple[float, ...], tyro.conf.arg(metavar="RATE ...")] = (1e-3, 4e-3)
    """Constant step sizes to try; --learning-rate and --final-learning-rate are without effect."""
    replay_ratios: Annotated[tuple[float, ...], tyro.conf.arg(metavar="RATIO ...")] = (5.0, 20.0)
    """Trained steps for each acted step, to try; --new-steps is without effect."""
    strategies: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ("stored", "stored+20", "refreshed")
    """Initializations to try, of those that store states."""
    runs: RunSettings = dataclasses.field(default_factory=RunSettings)
    preset: str = "auto"
    """Values for all that is not set otherwise, as burnin_compare has them: auto, small, guess or r2d2."""
    preset_reason: tyro.conf.Suppress[str] = ""
    """Why auto took the preset."""
    quick: bool = False
    """A rough answer: fewer updates, 1 seed, for what is not set otherwise."""

    def __post_init__(self) -> None:
        check_whole_episodes(self.training)
        for name in ("learning_rates", "replay_ratios"):
            values = getattr(self, name)
            if not values or min(values) <= 0:
                raise ValueError(f"{name}: got {values}, expected numbers above 0")
        for name in self.strategies:
            if not parse(name).stores_states:
                raise ValueError(
                    f"strategies: got {name!r}, expected those that store states: stored, refreshed, .. +K"
                )


def read_settings(arguments: Sequence[str]) -> Settings:
    """Settings from the command line."""
    return read_with_preset(Settings, "experiments.staleness", __doc__ or "", arguments)
