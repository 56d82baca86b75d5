"""Where an episode's fragments start, and which steps they process and train."""

from __future__ import annotations

import numpy as np


def fragment_starts(length: int, sequence_length: int, period: int) -> np.ndarray:
    """Where the fragments `[n]` of an episode of `length` steps start.

    These are 0, period, 2 period, .. up to the first fragment that reaches the episode's end. It may have fewer than
    `sequence_length` steps: fragments never cross an end.
    """
    reach = max(length - sequence_length, 0)
    return np.arange(0, reach + period, period)


def trained_lengths(starts: np.ndarray, length: int, sequence_length: int) -> np.ndarray:
    """Trained steps `[n]` of the fragments that start at `starts` [n]."""
    return np.asarray(np.minimum(sequence_length, length - starts))


def further_steps(trained_steps: int | None, sequence_length: int) -> int:
    """Steps before its start that a fragment with `trained_steps` trains too; None: `sequence_length`, no further ones.

    Raises:
        ValueError: for fewer than `sequence_length`, which would leave an episode's first steps untrained.
    """
    further = 0 if trained_steps is None else trained_steps - sequence_length
    if further < 0:
        raise ValueError(
            f"strategies: got {trained_steps} trained steps (@{trained_steps}), expected at least sequence_length"
            f" ({sequence_length}), as fewer would leave an episode's first steps untrained; the nearest is"
            f" @{sequence_length}, or a smaller sequence_length"
        )
    return further


def first_trained(starts: np.ndarray, further: int) -> np.ndarray:
    """First trained steps `[n]` of fragments that train `further` steps before their start, as far as there are any."""
    return np.asarray(np.maximum(starts - further, 0))


def burn_in_starts(trained: np.ndarray, burn_in: int | None) -> np.ndarray:
    """First processed steps `[n]` before these first trained ones `[n]`: `burn_in` earlier (None: all), from 0 on."""
    return np.zeros_like(trained) if burn_in is None else np.maximum(trained - burn_in, 0)
