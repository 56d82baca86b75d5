"""What a network sees at a step: the observation, and if wanted the previous action and the previous reward."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from r2d2_burnin.episodes import Episode


class InputSpace(spaces.Box):
    """The space of a network's inputs `[F]`, float32: flat observation, previous action (one-hot), previous reward.

    At an episode's first step both of the latter are zeros.

    Args:
        observation_shape: shape of an observation.
        actions: number of actions, A.
        previous_action: whether A numbers for the previous action follow the observation (R2D2, section 2.3).
        previous_reward: whether the previous reward follows.
    """

    def __init__(
        self,
        observation_shape: tuple[int, ...],
        actions: int,
        *,
        previous_action: bool = False,
        previous_reward: bool = False,
    ) -> None:
        self.observation_shape = observation_shape
        self.actions = actions
        self.previous_action = previous_action
        self.previous_reward = previous_reward
        self.observation_size = int(np.prod(observation_shape))
        size = self.observation_size + actions * previous_action + previous_reward
        super().__init__(-np.inf, np.inf, (size,), np.float32)

    @property
    def is_image(self) -> bool:
        """Whether observations are images `[H, W, C]`."""
        return len(self.observation_shape) == 3

    def compose(self, observations: np.ndarray, actions: np.ndarray | None, rewards: np.ndarray | None) -> np.ndarray:
        """Inputs `[..., F]` from flat observations `[..., O]`, previous actions `[...]` and previous rewards `[...]`.

        A previous action of -1 stands for none. Actions and rewards may be None where they are not among the inputs.
        """
        if not (self.previous_action or self.previous_reward):
            return np.asarray(observations, np.float32)
        parts = [np.asarray(observations, np.float32)]
        if self.previous_action:
            assert actions is not None
            parts.append((actions[..., None] == np.arange(self.actions)).astype(np.float32))
        if self.previous_reward:
            parts.append(np.asarray(rewards, np.float32)[..., None])
        return np.concatenate(parts, -1)

    def of_episode(self, episode: Episode) -> np.ndarray:
        """Inputs `[L, F]` of all steps of an episode."""
        actions = np.concatenate([[-1], episode.actions[:-1]])
        rewards = np.concatenate([[0.0], episode.rewards[:-1]])
        return self.compose(episode.observations, actions, rewards)

    def split(self, inputs: Any) -> tuple[Any, Any]:
        """Observations `[..., *observation_shape]`, and what follows them `[..., E]`, from inputs `[..., F]`."""
        from r2d2_burnin.quiet_tensorflow import tf  # here alone, so that a command line answers without it

        observations = inputs[..., : self.observation_size]
        leading = [-1 if size is None else size for size in inputs.shape[:-1]]  # at most one is unknown
        shaped = tf.reshape(observations, [*leading, *self.observation_shape])
        return shaped, inputs[..., self.observation_size :]
