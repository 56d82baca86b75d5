"""Settings of a training run: frozen dataclasses that check themselves, and import nothing heavy."""

from __future__ import annotations

import dataclasses
from typing import Any

from r2d2_burnin.fragments import check_fragment_settings

CELL_NAMES = ("lstm", "gru")
OBJECTIVE_NAMES = ("regression", "classification")


@dataclasses.dataclass(frozen=True)
class NetworkSettings:
    """Size and kind of a `DenseRecurrentNetwork`."""

    units: int = 32
    """Units of the dense layer and of every recurrent layer."""
    cell: str = "lstm"
    """Recurrent cell: `lstm` or `gru`."""
    layers: int = 1
    """Recurrent layers, stacked."""

    def __post_init__(self) -> None:
        for name in ("units", "layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected at least 1")
        if self.cell not in CELL_NAMES:
            raise ValueError(f"cell: got {self.cell!r}, expected one of {', '.join(CELL_NAMES)}")


@dataclasses.dataclass(frozen=True)
class LearnerSettings:
    """The optimizer."""

    learning_rate: float = 6e-3
    """Adam's step size at the first update."""
    final_learning_rate: float = 2e-4
    """Adam's step size at the last update, reached along half a cosine."""
    gradient_clip: float = 10.0
    """Largest norm of the gradient; a longer one is scaled down to it."""

    def __post_init__(self) -> None:
        for name in ("learning_rate", "final_learning_rate", "gradient_clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected a number above 0")


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """Everything that decides a run except its seed and its initialization."""

    env: str = "BitStream/Count-v0"
    """Environment id."""
    env_kwargs: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Settings of the environment."""
    objective: str = "auto"
    """`regression`, `classification`, or `auto`: what the environment's targets ask for."""
    network: NetworkSettings = dataclasses.field(default_factory=NetworkSettings)
    """The network."""
    learner: LearnerSettings = dataclasses.field(default_factory=LearnerSettings)
    """The optimizer."""
    sequence_length: int = 20
    """Trained steps of a fragment, T."""
    period: int = 10
    """Steps between the starts of fragments."""
    updates: int = 2000
    """Learner updates."""
    batch_size: int = 64
    """Fragments in an update."""
    replay_capacity: int = 163_840
    """Steps that replay keeps (2048 episodes of 80)."""
    num_envs: int = 128
    """Environments that the actor acts in at once."""
    initial_episodes: int = 256
    """Episodes before the first update."""
    new_episodes: int = 128
    """New episodes after every `updates_between` updates."""
    updates_between: int = 40
    """Updates between two rounds of acting, compiled as one program."""
    measure_every: int = 100
    """Updates between two measurements."""
    measured_fragments: int = 256
    """Fragments in a measurement of ΔQ."""
    evaluation_episodes: int = 256
    """Fresh whole episodes in an evaluation."""

    def __post_init__(self) -> None:
        check_fragment_settings(self.sequence_length, self.period)
        if self.objective not in ("auto", *OBJECTIVE_NAMES):
            raise ValueError(f"objective: got {self.objective!r}, expected one of auto, {', '.join(OBJECTIVE_NAMES)}")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int) and value < 1:
                raise ValueError(f"{field.name}: got {value}, expected at least 1")
