"""Where an episode's fragments start, and which steps they process and train."""

from __future__ import annotations

import numpy as np


def fragment_starts(length: int, sequence_length: int, period: int) -> np.ndarray:
    """First trained steps `[n]` of the fragments of an episode of `length` steps.

    They are 0, period, 2 period, .. up to the first fragment that reaches the episode's end. It may have fewer than
    `sequence_length` steps: fragments never cross an end.
    """
    reach = max(length - sequence_length, 0)
    return np.arange(0, reach + period, period)


def trained_lengths(starts: np.ndarray, length: int, sequence_length: int) -> np.ndarray:
    """Trained steps `[n]` of the fragments that start at `starts` [n]."""
    return np.asarray(np.minimum(sequence_length, length - starts))


def burn_in_starts(starts: np.ndarray, burn_in: int | None) -> np.ndarray:
    """First processed steps `[n]`: `burn_in` steps earlier (None: all of them), but not before the episode's start."""
    return np.zeros_like(starts) if burn_in is None else np.maximum(starts - burn_in, 0)
