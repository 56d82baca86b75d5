"""Control by Q-learning."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from r2d2_burnin.acting.policies import epsilon_ladder
from r2d2_burnin.data import Episode
from r2d2_burnin.environments import spaces
from r2d2_burnin.environments.targets import TargetRange
from r2d2_burnin.learning import q_learning
from r2d2_burnin.learning.objectives.base import Labels, Objective, Outcome, StepLosses
from r2d2_burnin.learning.returns import n_step_returns
from r2d2_burnin.networks.protocol import Tensor
from r2d2_burnin.runtime.tensorflow import tf
from r2d2_burnin.settings import QLearningSettings, TrainingSettings


@dataclasses.dataclass(frozen=True)
class QLearning(Objective):
    """Half the squared TD error of the action taken: double Q-learning with n-step targets (R2D2, section 2.3)."""

    actions: int
    settings: QLearningSettings

    loss_name: ClassVar[str] = "squared TD error"
    scale_name: ClassVar[str] = (
        "the absolute value of the largest Q-value over the trained steps and actions, as R2D2 defines it"
    )
    outcome: ClassVar[Outcome] = Outcome(
        "episode_return", "episode return", "return", higher_is_better=True, profile="reward", evaluations=5
    )
    reads_targets: ClassVar[bool] = False
    allows_dueling: ClassVar[bool] = True

    @classmethod
    def make(cls, env: gym.Env[Any, Any], settings: TrainingSettings) -> QLearning:
        """One Q-value an action."""
        return cls(spaces.actions(env.action_space), settings.q_learning)

    @classmethod
    def suits(cls, env: gym.Env[Any, Any], *, has_targets: bool) -> bool:
        """Where there are no targets to learn from."""
        return not has_targets

    @classmethod
    def target_range(cls, env: gym.Env[Any, Any]) -> TargetRange | None:
        """No targets are read."""
        return None

    @property
    def outputs(self) -> int:
        """One Q-value an action (rescaled, if the settings say so)."""
        return self.actions

    @property
    def uses_target_network(self) -> bool:
        """Unless the discount is 0, and a target its step's own reward."""
        return self.settings.discount > 0

    @property
    def lookahead(self) -> int:
        """The rewards in a target, after which it bootstraps."""
        return self.settings.n_step if self.settings.discount > 0 else 0

    @property
    def scales_rewards(self) -> bool:
        """What the settings say."""
        return self.settings.reward_scaling

    @property
    def previous_inputs(self) -> tuple[bool, bool]:
        """What the settings say."""
        return self.settings.previous_action, self.settings.previous_reward

    @property
    def evaluation_epsilon(self) -> float:
        """What the settings say."""
        return self.settings.evaluation_epsilon

    def exploration(self, environments: int) -> np.ndarray | None:
        """A ladder from much to little exploration."""
        return epsilon_ladder(environments, epsilon=self.settings.epsilon, alpha=self.settings.alpha)

    def labels(self, episode: Episode) -> Labels:
        """The action taken, and the n-step return with what follows it."""
        returns = n_step_returns(
            episode.rewards, terminated=episode.terminated, n=self.settings.n_step, discount=self.settings.discount
        )
        return {"action": np.asarray(episode.actions, np.int32), **returns._asdict()}

    def scale_rewards(self, labels: dict[str, np.ndarray], scale: float) -> dict[str, np.ndarray]:
        """Labels with n-step returns divided by `scale`."""
        return {**labels, "returns": labels["returns"] / np.float32(scale)}

    def losses(self, outputs: Tensor, target_outputs: Tensor, labels: dict[str, Tensor]) -> StepLosses:
        """Half the squared TD error `[B, T]`, and the TD error."""
        steps = labels["action"].shape[1]
        following = tf.zeros_like(labels["returns"])
        if self.settings.discount > 0:
            values = q_learning.double_q_values(outputs, target_outputs)
            following = tf.gather(values, tf.range(steps)[None] + labels["offsets"], axis=1, batch_dims=1)
        targets = q_learning.n_step_targets(
            labels["returns"], labels["discounts"], following, rescaled=self.settings.value_rescaling
        )
        taken = tf.gather(outputs[:, :steps], labels["action"], axis=2, batch_dims=2)
        errors = taken - tf.stop_gradient(targets)
        return StepLosses(0.5 * tf.square(errors), errors)

    def steps_within(self, mask: np.ndarray, labels: dict[str, np.ndarray]) -> np.ndarray:
        """`[B, T]` bool: those whose bootstrap value lies among the fragment's own steps, or is not needed."""
        reach = np.arange(mask.shape[1]) + labels["offsets"]
        return np.asarray(mask & ((reach < mask.sum(1, keepdims=True)) | (labels["discounts"] == 0)))

    def scale(self, values: Tensor, mask: Tensor) -> Tensor:
        """The absolute value of the largest Q-value, as R2D2 defines it (section 3)."""
        return q_learning.largest_value(values, mask)
