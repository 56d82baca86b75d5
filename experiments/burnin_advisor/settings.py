"""How long must burn-in be, for your environment and your network? A measured answer instead of a copied 40.

For burn-ins of 0, 1, 2, 4, 8, .. steps it measures, on recorded episodes: ΔQ at the first and last trained step against
the exact state, from the zero state and from stored states; how fast a wrong state is forgotten; loss; how many best
actions change; and what the burn-in costs in time and memory. The verdict is the smallest burn-in that is good enough,
'zero state is enough', or 'none up to N steps', where N is the longest one tried. Good enough: a 95 % upper bound of
ΔQ's mean over episodes, and the 95 % quantile of ΔQ over fragments, are both within --tolerance.

Without --checkpoint it trains an agent first, with the same flags as burnin_compare. Results are kept seed by
seed; a seed that was interrupted is trained anew.

An agent of another framework is not trained: --network names a factory that returns it with its parameters (a
torch.nn.Module, a JAX tuple (function, parameters, initial_state), a Keras model, an object of NumPy functions). With
--episodes FILE... no environment is needed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import tyro

from experiments.common.settings import RunSettings, check_whole_episodes, read_with_preset
from r2d2_burnin.diagnostics.burn_in_measures import FEWEST_FRAGMENTS
from r2d2_burnin.initialization import parse
from r2d2_burnin.learning.task import make_task
from r2d2_burnin.networks.adapters import is_recurrent_network
from r2d2_burnin.networks.user_factory import call_factory
from r2d2_burnin.settings import TrainingSettings


@dataclasses.dataclass(frozen=True)
class Task:
    """What decides the advice, the same for all seeds."""

    training: TrainingSettings
    checkpoint: Path | None
    stored_checkpoint: Path | None
    trained_with: str
    tolerance: float
    longest: int | None
    episodes: int | tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class RunSpecification:
    """What a worker needs to know of a run: the advice of one seed."""

    task: Task
    seed: int
    path: Path  # of the result


@dataclasses.dataclass(frozen=True)
class Settings:
    """The flags of the command line."""

    training: TrainingSettings = dataclasses.field(default_factory=TrainingSettings)
    checkpoint: Path | None = None
    """A network's parameters, as burnin_compare leaves them in runs/; give the flags that it was trained with."""
    stored_checkpoint: Path | None = None
    """Older parameters of the same network, to compute the stored states with; by default --checkpoint itself. Without
    --checkpoint they are those of as many updates ago as stored states were old in training, to the nearest round of
    --updates-between updates."""
    trained_with: str = "stored"
    """The initialization to train with where there is no --checkpoint."""
    tolerance: float = 0.05
    """Largest ΔQ that is good enough, at the first and at the last trained step: of the 95 % upper bound of its mean
    over episodes, and of its 95 % quantile over fragments."""
    longest: int | None = None
    """Longest burn-in to try; by default the longest one that the episodes can judge: nearly all of their past."""
    episodes: int | tuple[str, ...] = 64
    """Episodes to record, 16 or more: without a failure among N, failures in about 3 / N of episodes are excluded. Or
    files of recorded ones, NumPy archives as r2d2_burnin.acting.episode_files describes them, or minari:DATASET: the
    agent that --network names is then judged by them, without an environment."""
    runs: RunSettings = dataclasses.field(default_factory=lambda: RunSettings(seeds=3))
    preset: str = "auto"
    """Values for all that is not set otherwise, as burnin_compare has them: auto, small, guess or r2d2."""
    preset_reason: tyro.conf.Suppress[str] = ""
    """Why auto took the preset."""

    @property
    def files(self) -> tuple[str, ...]:
        """Files of recorded episodes; none where episodes are recorded in an environment."""
        return () if isinstance(self.episodes, int) else self.episodes

    @property
    def source(self) -> str:
        """What the episodes come from, for titles."""
        return ", ".join(Path(file).name for file in self.files) or self.training.environment.env

    def __post_init__(self) -> None:
        check_whole_episodes(self.training)
        if self.files and self.training.network.network is None:
            raise ValueError(
                f"episodes: got {self.files[0]} without a network, expected --network module:factory too, which returns"
                " the agent that acted in them"
            )
        if isinstance(self.episodes, int) and self.episodes < FEWEST_FRAGMENTS:
            raise ValueError(
                f"episodes: got {self.episodes}, expected at least {FEWEST_FRAGMENTS}: fewer cannot judge any burn-in"
            )
        if not self.tolerance > 0:
            raise ValueError(f"tolerance: got {self.tolerance}, expected a number above 0, for example 0.05")
        if self.longest is not None and self.longest < 0:
            raise ValueError(f"longest: got {self.longest}, expected at least 0 steps")
        parse(self.trained_with)
        for name in ("checkpoint", "stored_checkpoint"):
            path = getattr(self, name)
            if path is not None and not path.exists():
                raise ValueError(f"{name}: there is no file {path}, expected one that burnin_compare wrote in runs/")
        if self.stored_checkpoint is not None and self.checkpoint is None:
            raise ValueError("stored_checkpoint: got one without a checkpoint, expected both")


PREVIOUS = ("previous_action", "previous_reward")
"""What a network sees besides the observation, only if it is asked for where the network is not trained here."""


def read_settings(arguments: Sequence[str]) -> Settings:
    """Settings from the command line."""
    settings = read_with_preset(Settings, "experiments.burnin_advisor", __doc__ or "", arguments, trains=False)
    if not is_called(settings):
        return settings
    flags = {argument.replace("_", "-") for argument in arguments}
    asked_for = {name: f"--{name.replace('_', '-')}" in flags for name in PREVIOUS}
    agent = dataclasses.replace(settings.training.q_learning, **asked_for)
    return dataclasses.replace(settings, training=dataclasses.replace(settings.training, q_learning=agent))


def is_called(settings: Settings) -> bool:
    """Whether the network is only called, as it is: one of another framework, or one judged by recorded episodes."""
    if settings.files or settings.training.network.network is None:
        return bool(settings.files)
    task = make_task(settings.training)
    network = call_factory(settings.training.network.network, task.inputs, task.objective.outputs, seed=0)
    return not is_recurrent_network(network)


def task_of(settings: Settings) -> Task:
    """What decides the advice, of all settings."""
    return Task(**{field.name: getattr(settings, field.name) for field in dataclasses.fields(Task)})
