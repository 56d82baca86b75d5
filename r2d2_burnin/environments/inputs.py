"""What a network sees at a step: the observation, and if wanted the previous action and the previous reward."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from gymnasium import spaces

from r2d2_burnin.data import Episode
from r2d2_burnin.runtime import tensorflow  # imports it when first used: a command line answers without it

SMALLEST_IMAGE = 5
"""Height and width from which on numbers with three or four axes are an image; bytes are one at any size."""
SMALLEST_GREY_IMAGE = 16
"""Height and width from which on bytes with two axes are an image: smaller ones are stacks or boards of codes."""


@dataclasses.dataclass(frozen=True)
class ImageLayout:
    """Which axes of an observation are an image's height and width; all others are its channels.

    Args:
        shape: of an observation.
        height: the axis of the height; the next one is the width.
    """

    shape: tuple[int, ...]
    height: int

    @property
    def channel_axes(self) -> list[int]:
        """The axes that are channels, in their order: colours, and frames that are stacked."""
        return [axis for axis in range(len(self.shape)) if axis not in (self.height, self.height + 1)]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape `[H, W, C]` of the image."""
        channels = math.prod(self.shape[axis] for axis in self.channel_axes)
        return self.shape[self.height], self.shape[self.height + 1], channels

    def __str__(self) -> str:
        kinds = {2: "grey image", 3: "channels first" if self.height else "channels last", 4: "stacked images"}
        as_read = "" if self.shape == self.image_shape else f" read as {list(self.image_shape)}"
        return f"{kinds[len(self.shape)]}, {list(self.shape)}{as_read}"


def image_layout(shape: tuple[int, ...], dtype: Any = np.float32) -> ImageLayout | None:
    """The layout of an observation that is an image, None if it is none.

    Height and width are the two axes beside each other that are longest (by the shorter of both), and among equals
    those of the same length, then the first ones. So `[H, W, C]`, `[C, H, W]`, stacks of grey frames `[S, H, W]`, and
    stacks of images `[S, H, W, C]` and `[S, C, H, W]` are told apart. Three or four axes are an image, unless it were
    smaller than `SMALLEST_IMAGE`; two axes are one if they are bytes, from `SMALLEST_GREY_IMAGE` on.

    Args:
        shape: of an observation.
        dtype: of an observation: bytes are an image more readily than other numbers.
    """
    if len(shape) not in (2, 3, 4):
        return None
    is_bytes = np.dtype(dtype) == np.uint8
    size, _, before = max((min(shape[i : i + 2]), shape[i] == shape[i + 1], -i) for i in range(len(shape) - 1))
    if len(shape) == 2:
        is_image = is_bytes and size >= SMALLEST_GREY_IMAGE
    else:
        is_image = size >= (1 if is_bytes else SMALLEST_IMAGE)
    return ImageLayout(shape, -before) if is_image else None


class InputSpace(spaces.Box):
    """The space of a network's inputs `[F]`, float32: flat observation, previous action (one-hot), previous reward.

    At an episode's first step both of the latter are zeros. Rewards are divided by `reward_scale`, which is 1 unless
    a run sets it: a network is shown rewards in the unit that it is trained in.

    Args:
        observation_shape: shape of an observation.
        actions: number of actions, A.
        previous_action: whether A numbers for the previous action follow the observation (R2D2, section 2.3).
        previous_reward: whether the previous reward follows.
        observation_dtype: of an observation; with its shape it decides whether it is an image.
    """

    def __init__(
        self,
        observation_shape: tuple[int, ...],
        actions: int,
        *,
        previous_action: bool = False,
        previous_reward: bool = False,
        observation_dtype: Any = np.float32,
    ) -> None:
        self.image = image_layout(observation_shape, observation_dtype)
        self.observation_shape = observation_shape
        self.actions = actions
        self.previous_action = previous_action
        self.previous_reward = previous_reward
        self.reward_scale = 1.0
        self.observation_size = int(np.prod(observation_shape))
        size = self.observation_size + actions * previous_action + previous_reward
        super().__init__(-np.inf, np.inf, (size,), np.float32)

    @property
    def is_image(self) -> bool:
        """Whether observations are images, `image` then says how they are laid out."""
        return self.image is not None

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
            parts.append(np.asarray(rewards, np.float32)[..., None] / np.float32(self.reward_scale))
        return np.concatenate(parts, -1)

    def of_episode(self, episode: Episode) -> np.ndarray:
        """Inputs `[L, F]` of all steps of an episode."""
        actions = np.concatenate([[episode.previous_action], episode.actions[:-1]])
        rewards = np.concatenate([[episode.previous_reward], episode.rewards[:-1]])
        return self.compose(episode.observations, actions, rewards)

    def split(self, inputs: Any) -> tuple[Any, Any]:
        """Observations `[..., *observation_shape]`, and what follows them `[..., E]`, from inputs `[..., F]`."""
        observations = inputs[..., : self.observation_size]
        leading = [-1 if size is None else size for size in inputs.shape[:-1]]  # at most one is unknown
        shaped = tensorflow.tf.reshape(observations, [*leading, *self.observation_shape])
        return shaped, inputs[..., self.observation_size :]

    def split_image(self, inputs: Any) -> tuple[Any, Any]:
        """Images `[..., H, W, C]`, whatever the order of an observation's axes, and the rest, as `split` has it."""
        assert self.image is not None
        observations, rest = self.split(inputs)
        leading = len(inputs.shape) - 1
        axes = [self.image.height, self.image.height + 1, *self.image.channel_axes]
        if axes != sorted(axes):
            observations = tensorflow.tf.transpose(observations, [*range(leading), *(leading + axis for axis in axes)])
        if self.image.image_shape != tuple(observations.shape[leading:]):
            sizes = [-1 if size is None else size for size in inputs.shape[:-1]]
            observations = tensorflow.tf.reshape(observations, [*sizes, *self.image.image_shape])
        return observations, rest
