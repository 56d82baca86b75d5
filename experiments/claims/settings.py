"""Are the claims of the R2D2 paper and of its successors true? Each is settled by comparisons, with tests.

1 (trained-burn-in): is training l + m steps from the zero state worse than l steps of burn-in and m trained ones? 2
(burn-in-gradient): does backpropagation through the burn-in help or destroy? 3 (memory): do agents trained from stored
states use more memory? 4 (lag): do stored states grow stale as they lie in replay, and what does a burn-in gain then?
5 (refreshed): what does keeping stored states up to date gain, and what does it cost?

Every training setting is a comparison as burnin_compare makes it, in a directory of its own, shared by the claims that
need it. Runs resume, and finished runs are not made again: a claim or a seed more goes on from what is there.
All claims take one to two hours on 2 cores.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from experiments.burnin_compare.settings import Shared, check_checkpoint_every, check_flags
from experiments.claims.declarations import CLAIMS, chosen
from experiments.common.settings import RunSettings
from r2d2_burnin.runtime.command_line import from_command_line

QUICK_SEEDS = 5
"""Seeds of a rough answer: three leave intervals, corrected for so many comparisons, that show next to nothing."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """The flags of the command line."""

    claims: Annotated[tuple[str, ...], tyro.conf.arg(metavar="CLAIM ...")] = tuple(claim.number for claim in CLAIMS)
    """Claims, by number or name: 1 trained-burn-in, 2 burn-in-gradient, 3 memory, 4 lag, 5 refreshed."""
    runs: RunSettings = dataclasses.field(default_factory=lambda: RunSettings(seeds=10))
    flags: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE ...")] = ()
    """Further settings of burnin_compare for all runs, for example units=64 cell=gru."""
    checkpoint_every: int = 500
    """Updates between two checkpoints of a run, from which it goes on after an interruption."""
    tensorboard: Path | None = None
    """Directory for the measures as TensorBoard scalars, while the job runs (pip install -e '.[tensorboard]')."""
    quick: bool = False
    """A rough answer in minutes: 5 seeds, a fifth of the updates, a tenth of the lags."""

    def __post_init__(self) -> None:
        chosen(self.claims)
        check_flags(self.flags)
        check_checkpoint_every(self.checkpoint_every)

    @property
    def shared(self) -> Shared:
        """What all comparisons have in common; their results are in directories of their own in one."""
        directory = self.runs.out or Path("results", "claims-quick" if self.quick else "claims")
        return Shared(directory, self.runs, self.flags, False, self.checkpoint_every, self.tensorboard)


def read_settings(arguments: Sequence[str]) -> Settings:
    """Settings from the command line."""
    module, text = "experiments.claims", __doc__ or ""
    settings = from_command_line(Settings, module, text, arguments)
    if not settings.quick:
        return settings
    return from_command_line(Settings, module, text, arguments, preset=["--seeds", str(QUICK_SEEDS)])
