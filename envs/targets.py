"""The targets: what a predictor has to say after each bit of a stream.

Every task is a frozen dataclass of its settings with three members. `values` computes the targets of whole streams,
`size` says how many different targets there are, and `unseen` describes what the bits that a predictor did not process
contribute to the target. Error floors follow from `unseen` alone.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
from typing import Any, Protocol

import numpy as np

from envs.checks import check_integer


class Target(Protocol):
    """What an environment asks of a predictor after each bit."""

    @property
    def is_class(self) -> bool:
        """Whether targets are classes (cross-entropy) or counts (squared error)."""

    def values(self, bits: np.ndarray) -> np.ndarray:
        """Targets `[..., L]` of streams of bits `[..., L]`, both int64."""

    def size(self, length: int) -> int:
        """Number of different targets in a stream of `length` bits; they are 0, 1, .., size - 1."""

    def unseen(self, offset: int, processed: int, p: float) -> np.ndarray:
        """Distribution of what the bits before the processed ones add to the target.

        The predictor has processed the `processed` bits that follow the first `offset` bits of the stream. Its target
        is a known function of those bits plus (for classes: modulo `size`) an independent unseen part. The returned
        `[n]` array holds the probability of the unseen part being 0, 1, .., n - 1.
        """


@dataclasses.dataclass(frozen=True)
class Count:
    """Ones since the episode's start; with `modulo` set, that count modulo `modulo` (then a class)."""

    modulo: int | None = None

    def __post_init__(self) -> None:
        if self.modulo is not None:
            check_integer("modulo", self.modulo, least=2)

    @property
    def is_class(self) -> bool:
        return self.modulo is not None

    def values(self, bits: np.ndarray) -> np.ndarray:
        count = np.cumsum(bits, axis=-1, dtype=np.int64)
        return count if self.modulo is None else count % self.modulo

    def size(self, length: int) -> int:
        return length + 1 if self.modulo is None else self.modulo

    def unseen(self, offset: int, processed: int, p: float) -> np.ndarray:
        count = _binomial(offset, p)
        if self.modulo is None:
            return count
        return np.bincount(np.arange(offset + 1) % self.modulo, weights=count, minlength=self.modulo)


@dataclasses.dataclass(frozen=True)
class WindowCount:
    """Ones among the last `window` bits; a window that reaches before the stream counts zeros there."""

    window: int = 15

    def __post_init__(self) -> None:
        check_integer("window", self.window, least=1)

    @property
    def is_class(self) -> bool:
        return False

    def values(self, bits: np.ndarray) -> np.ndarray:
        count = np.cumsum(bits, axis=-1, dtype=np.int64)
        return np.asarray(count - _delayed(count, self.window))

    def size(self, length: int) -> int:
        return min(self.window, length) + 1

    def unseen(self, offset: int, processed: int, p: float) -> np.ndarray:
        return _binomial(min(max(self.window - processed, 0), offset), p)


@dataclasses.dataclass(frozen=True)
class Parity:
    """Parity of the ones so far (a class)."""

    @property
    def is_class(self) -> bool:
        return True

    def values(self, bits: np.ndarray) -> np.ndarray:
        return Count(modulo=2).values(bits)

    def size(self, length: int) -> int:
        return 2

    def unseen(self, offset: int, processed: int, p: float) -> np.ndarray:
        return Count(modulo=2).unseen(offset, processed, p)


@dataclasses.dataclass(frozen=True)
class Recall:
    """The bit `delay` steps ago, 0 before that (a class)."""

    delay: int = 10

    def __post_init__(self) -> None:
        check_integer("delay", self.delay, least=0)

    @property
    def is_class(self) -> bool:
        return True

    def values(self, bits: np.ndarray) -> np.ndarray:
        return _delayed(bits, self.delay)

    def size(self, length: int) -> int:
        return 2

    def unseen(self, offset: int, processed: int, p: float) -> np.ndarray:
        step = offset + processed - 1
        recalls_an_unseen_bit = self.delay <= step < offset + self.delay
        return np.array([1 - p, p]) if recalls_an_unseen_bit else np.array([1.0, 0.0])


_TASKS: dict[str, type[Count] | type[WindowCount] | type[Parity] | type[Recall]] = {
    "Count": Count,
    "WindowCount": WindowCount,
    "Parity": Parity,
    "Recall": Recall,
}


def make_target(task: str, settings: dict[str, Any]) -> Target:
    """Build the target of `task` from its own settings.

    Raises:
        ValueError: for an unknown task or setting, or a setting's wrong value; the message names it.
    """
    if task not in _TASKS:
        raise ValueError(f"task: got {task!r}, expected one of {', '.join(_TASKS)}")
    names = list(inspect.signature(_TASKS[task]).parameters)
    for name in settings:
        if name not in names:
            known = ["length", "p", *names]
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
            raise ValueError(f"{name}: {task} has no such setting, expected one of {', '.join(known)}{hint}")
    return _TASKS[task](**settings)


def _delayed(values: np.ndarray, steps: int) -> np.ndarray:
    """Values `[..., L]` of `steps` steps ago, 0 before that."""
    delayed = np.zeros(values.shape, dtype=np.int64)
    delayed[..., steps:] = values[..., : max(values.shape[-1] - steps, 0)]
    return delayed


@functools.lru_cache(maxsize=4096)
def _binomial(trials: int, p: float) -> np.ndarray:
    """Binomial distribution `[trials + 1]`, by adding one bit at a time (exact for p of 0 and 1 too)."""
    distribution = np.ones(1)
    for _ in range(trials):
        distribution = np.convolve(distribution, [1 - p, p])
    return distribution
