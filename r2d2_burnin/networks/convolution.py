"""A small convolution for image observations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from r2d2_burnin.networks.protocol import Tensor
from r2d2_burnin.runtime.tensorflow import tf

KERNEL = 3
FILTERS = (16, 32, 32, 32)
"""Filters of the layers, of which the first ones are used."""
SMALL = 8
"""Height and width from which on layers stop halving them."""


def strides(shape: tuple[int, ...]) -> list[int]:
    """Strides of the layers for images `[H, W, C]`: halved until small, by at least one layer and at most four."""
    halvings = max(math.ceil(math.log2(max(shape[:2]) / SMALL)), 0)
    return [2] * min(halvings, len(FILTERS)) or [1]


def kernel_shapes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Shapes of the layers' kernels for images `[H, W, C]`."""
    channels = [shape[2], *FILTERS]
    return [(KERNEL, KERNEL, channels[i], channels[i + 1]) for i in range(len(strides(shape)))]


def features(shape: tuple[int, ...]) -> int:
    """Numbers that the layers make of an image `[H, W, C]`."""
    height, width = shape[:2]
    for stride in strides(shape):
        height, width = -(-height // stride), -(-width // stride)
    return height * width * FILTERS[len(strides(shape)) - 1]


def convolve(images: Tensor, variables: Sequence[Any]) -> Tensor:
    """Features `[..., F]` of images `[..., H, W, C]`, from each layer's kernel and bias in turn."""
    leading, shape = tf.shape(images)[:-3], tuple(images.shape[-3:])
    # Symmetric logarithm (Hafner et al., 2023, equation 9): pixels up to 255 and small codes alike come near 1.
    hidden = tf.reshape(tf.sign(images) * tf.math.log1p(tf.abs(images)), [-1, *shape])
    for kernel, bias, stride in zip(variables[::2], variables[1::2], strides(shape), strict=True):
        hidden = tf.nn.relu(tf.nn.conv2d(hidden, kernel, stride, "SAME") + bias)
    return tf.reshape(hidden, tf.concat([leading, [features(shape)]], 0))
