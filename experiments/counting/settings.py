"""Count the ones in a bit sequence: three studies of what a recurrent state is good for.

last-step: an LSTM learns the number of ones after the last bit only; it knows nothing on the way. every-step: it learns
the running count at every bit. carried-state: its state is saved and fed back, so that [1,1,1] and then [1,0,1] gives
5; then a sequence is split everywhere and carried on from the right state, from zeros, and from states that older
parameters computed, which is what replay has to live with (python -m experiments.burnin_compare goes on from there).

The defaults are those of the article that this project grew from: Dense(32), LSTM(32), Dense(1); 1000 training
sequences of 20 bits and 100 others for validation; batch 32, 100 epochs, Adam, mean squared error. Results are kept
seed by seed.

Errors at a sequence length are measured on fresh sequences as in the article: at the last step for last-step, and as
the mean over all steps for every-step, whose error at the last step alone is reported beside it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

from experiments.common.settings import RunSettings
from r2d2_burnin.runtime.command_line import from_command_line


@dataclasses.dataclass(frozen=True)
class Settings:
    """The flags of the command line."""

    study: Literal["all", "last-step", "every-step", "carried-state"] = "all"
    """One study alone, or all three."""
    length: int = 20
    """Bits of a training sequence."""
    sequences: int = 1000
    """Training sequences; those for validation are drawn beside them."""
    validation: int = 100
    """Other sequences, for validation only."""
    batch_size: int = 32
    """Sequences in an update."""
    epochs: int = 100
    """Passes over the training sequences."""
    learning_rate: float = 1e-3
    """Adam's step size."""
    units: int = 32
    """Units of the dense layer and of every recurrent layer."""
    cell: str = "lstm"
    """Recurrent cell: lstm, gru, lru or mingru."""
    layers: int = 1
    """Recurrent layers, stacked."""
    runs: RunSettings = dataclasses.field(default_factory=lambda: RunSettings(seeds=1))


def read_settings(arguments: Sequence[str]) -> Settings:
    """Settings from the command line."""
    return from_command_line(Settings, "experiments.counting", __doc__ or "", arguments)
