"""What an objective is: what a network's outputs mean, how wrong they are, and which action they choose.

Everything that differs between objectives is asked of the objective, never decided by its name. An objective of your
own inherits from `Objective` and is chosen by `--objective module:Class`; the tests have a complete one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import gymnasium as gym
import numpy as np

from r2d2_burnin.acting.policies import greedy
from r2d2_burnin.data import Episode
from r2d2_burnin.environments.targets import TargetRange
from r2d2_burnin.networks.protocol import Tensor
from r2d2_burnin.runtime.tensorflow import tf
from r2d2_burnin.settings import TrainingSettings

Labels = dict[str, np.ndarray]
"""What an objective asks of each step, `[L]` or `[B, T]` by name."""


class StepLosses(NamedTuple):
    """How wrong outputs are at every step."""

    loss: Tensor  # [B, T] what is minimized
    error: Tensor  # [B, T] what priorities are made of
    trained: Tensor | None = None  # [B, T] bool: steps that have a loss, the others are 0 in both; None: all


def trained_steps(mask: Any, losses: StepLosses) -> Any:
    """`[B, T]` bool: the steps of a `mask` `[B, T]` that have a loss."""
    return mask if losses.trained is None else mask & losses.trained


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What initializations are judged by, over whole fresh episodes."""

    metric: str
    name: str
    unit: str  # what it is an amount of
    higher_is_better: bool = False
    profile: str = "eval_error"  # the metric by step of the episode
    logarithmic: bool = False  # whether its axis is
    evaluations: int = 1  # the outcome is the mean over so many at least: a single return is noisy
    margin: float = 0.05  # a loss of less than this part of what was learned counts as none where memory is measured


class Objective:
    """What a network is trained on.

    The answers of the base are those of an objective on `info["target"]` that needs no exploration.
    """

    loss_name: ClassVar[str] = "loss"
    """What is minimized; an environment that knows its error floors knows them by this name."""
    scale_name: ClassVar[str] = "the largest absolute output over the trained steps, as these outputs are no Q-values"
    """What ΔQ is relative to."""
    outcome: ClassVar[Outcome] = Outcome("eval_error", "mean error", "error")
    """What initializations are judged by."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Settings of a run that differ from those of a regression where they are not given; of your own objective only,
    those of ours are in `settings.OBJECTIVES`."""
    reads_targets: ClassVar[bool] = True
    """Whether it is trained on `info["target"]`; if not, it is judged by rewards, against random actions."""
    allows_dueling: ClassVar[bool] = False
    """Whether outputs are values of actions, so that a network may split them into a value and advantages."""

    @classmethod
    def make(cls, env: gym.Env[Any, Any], settings: TrainingSettings) -> Objective:
        """The objective for an environment and the settings of a run."""
        raise NotImplementedError

    @classmethod
    def suits(cls, env: gym.Env[Any, Any], *, has_targets: bool) -> bool:
        """Whether `auto` takes this objective for an environment, if none before it in `settings.OBJECTIVES` suits."""
        return False

    @classmethod
    def target_range(cls, env: gym.Env[Any, Any]) -> TargetRange | None:
        """What the targets of an environment may be; None where none are read."""
        return TargetRange()

    @classmethod
    def check_spaces(cls, env: gym.Env[Any, Any]) -> None:
        """Raise a ValueError for an environment whose spaces make a network of this objective too large."""
        return

    @property
    def outputs(self) -> int:
        """Outputs of the network, A."""
        raise NotImplementedError

    @property
    def uses_target_network(self) -> bool:
        """Whether losses need the outputs of a target network."""
        return False

    @property
    def lookahead(self) -> int:
        """Steps after the trained ones whose outputs the loss needs, n."""
        return 0

    @property
    def previous_inputs(self) -> tuple[bool, bool]:
        """Whether the network sees its previous action, and the previous reward."""
        return False, False

    @property
    def scales_rewards(self) -> bool:
        """Whether rewards in labels are divided by their scale (see `scale_rewards`)."""
        return False

    @property
    def evaluation_epsilon(self) -> float:
        """Probability of a random action in an evaluation."""
        return 0.0

    def exploration(self, environments: int) -> np.ndarray | None:
        """Probabilities `[N]` of a random action in N environments; None for the best action always."""
        return None

    def labels(self, episode: Episode) -> Labels:
        """What the loss needs of every step of an episode, `[L]` each; by default the target, NaN for none."""
        if episode.targets is None:
            return {"target": np.full(len(episode), np.nan, np.float32)}
        return {"target": episode.targets.astype(np.float32)}

    def scale_rewards(self, labels: dict[str, np.ndarray], scale: float) -> dict[str, np.ndarray]:
        """Labels `[B, T]` with rewards divided by `scale`; by default the same, which have no rewards."""
        return labels

    def losses(self, outputs: Tensor, target_outputs: Tensor, labels: dict[str, Tensor]) -> StepLosses:
        """Losses of every trained step.

        Args:
            outputs: of the network, `[B, T + n, A]`.
            target_outputs: of the target network; the same as `outputs` where there is none.
            labels: `[B, T]` each.
        """
        raise NotImplementedError

    def steps_within(self, mask: np.ndarray, labels: dict[str, np.ndarray]) -> np.ndarray:
        """`[B, T]` bool: trained steps whose losses need no step after their fragment.

        Args:
            mask: `[B, T]` bool, trained steps.
            labels: `[B, T]` each.
        """
        return mask

    def act(self, outputs: np.ndarray) -> np.ndarray:
        """The best actions `[...]` by outputs `[..., A]`; by default those of the largest output."""
        return greedy(outputs)

    def error(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Error `[L]` of each step of an evaluation by outputs `[L, A]` and targets `[L]`; NaN where the target is."""
        raise NotImplementedError

    def constant_errors(self, targets: np.ndarray) -> np.ndarray:
        """Errors `[n]` of the best constant answer to targets `[n]`."""
        raise NotImplementedError

    def values(self, outputs: Tensor) -> Tensor:
        """What ΔQ compares, `[..., A]`, of outputs `[..., A]`; by default the outputs themselves."""
        return outputs

    def scale(self, values: Tensor, mask: Tensor) -> Tensor:
        """What ΔQ is relative to, `[B]`, from `values` `[B, T, A]` of the steps in `mask` `[B, T]`.

        By default the largest absolute value.
        """
        return largest_magnitude(values, mask)


def largest_magnitude(values: Tensor, mask: Tensor) -> Tensor:
    """The largest absolute value `[B]` of `values` `[B, T, A]` over the steps in `mask` `[B, T]`."""
    if isinstance(values, np.ndarray):  # of a network of another framework
        return np.where(mask[..., None], np.abs(values), 0.0).max((1, 2))
    return tf.reduce_max(tf.where(mask[..., None], tf.abs(values), 0.0), axis=[1, 2])
