"""What becomes of a wrong state where the recurrence itself says it: layers that are linear in their state.

Two states that see the same inputs keep a difference that each step multiplies, unit by unit, by a factor a: lambda of
an LRU, 1 - z of a minGRU. After k steps it is the product of k factors times what it was: |lambda|^k, or the product of
the gates seen. So the state that a burn-in of k steps from the initial state h_0 ends with at step s is known without
the burn-in: h_s + (a_s ... a_(s-k+1)) (h_0 - h_(s-k)), with h the exact states.

In a stack this holds for the first layer alone: the others see other inputs as long as it is wrong. With all factors at
most rho, and layers that are Lipschitz in their inputs, the error after k steps is at most a constant times
k^(layers - 1) rho^k: geometric sequences convolved with each other.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

SMALLEST = 1e-300
"""Factors below this are taken for it, as their logarithms are added up."""


@dataclasses.dataclass(frozen=True)
class ClosedForm:
    """How fast a wrong state is forgotten, by the factors on the steps seen. A unit's own: their geometric mean."""

    layers: int  # recurrent layers; the burn-in is known for one
    slowest: float  # the largest of the units' own factors, a step
    forgetting_steps: float | None  # in which the slowest unit's error falls to 1/e; None: it does not fall
    fastest: float  # the smallest of the units' own factors
    fastest_steps: float | None  # in which the fastest unit's error falls to 1/e
    largest: float  # factor of any unit at any step seen
    burn_in: int | None  # steps from the zero state, judged as the measured ones are; None: a stack, or none tried

    @property
    def sentence(self) -> str:
        """Forgetting times and burn-in in words."""
        times = (
            "by the factors that the recurrence multiplies a wrong state by, the slowest unit's error"
            f" {_falls(self.forgetting_steps)} ({self.slowest:.4g} a step), the fastest one's"
            f" {_falls(self.fastest_steps)} ({self.fastest:.3g} a step)"
        )
        if self.layers > 1:
            return (
                f"{times}. Of {self.layers} layers a bound is known only: after k steps the state error is at most a"
                f" constant times k^{self.layers - 1} times {self.largest:.4g}^k. Their burn-in is measured only."
            )
        burn_in = "none that was tried is enough" if self.burn_in is None else f"{self.burn_in} steps suffice"
        return f"{times}. Of burn-ins computed from these factors, without unrolling them, {burn_in}."


class Decays:
    """The factors of every step of E episodes, and what they make of a wrong state.

    Args:
        factors: of each layer `[L, E, ...]`, as parts of numbers: `(x,)`, or `(real part, imaginary part)`.
        lengths: steps of each episode `[E]`.
    """

    def __init__(self, factors: list[tuple[np.ndarray, ...]], lengths: np.ndarray) -> None:
        logs = [_logs(parts) for parts in factors]
        seen = np.arange(len(logs[0]))[:, None] < lengths  # [L, E]
        self._by_unit = np.concatenate([log.real[seen].mean(0) for log in logs])
        self._largest = max(float(np.exp(log.real[seen].max())) for log in logs)
        self.layers = len(factors)
        first = logs[0]
        self._sums = np.concatenate([np.zeros_like(first[:1]), np.cumsum(first, 0)])  # [L + 1, E, N]

    def closed_form(self, burn_in: int | None) -> ClosedForm:
        """The factors in short, beside a burn-in."""
        slowest, fastest = (float(np.exp(value)) for value in (self._by_unit.max(), self._by_unit.min()))
        return ClosedForm(self.layers, slowest, _steps(slowest), fastest, _steps(fastest), self._largest, burn_in)

    def after(self, difference: list[np.ndarray], episodes: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> Any:
        """What becomes of differences `[n, N]` of states, in parts, between steps `begins` and `ends` `[n]`."""
        product = np.exp(self._sums[ends, episodes] - self._sums[begins, episodes])
        result = product * (difference[0] + 1j * difference[1] if len(difference) == 2 else difference[0])
        return [result.real, result.imag][: len(difference)]


def _logs(parts: tuple[np.ndarray, ...]) -> np.ndarray:
    """Complex logarithms of numbers in parts."""
    wide = [np.asarray(part, np.float64) for part in parts]
    numbers = wide[0] + 1j * wide[1] if len(wide) == 2 else wide[0] + 0j
    return np.log(np.maximum(np.abs(numbers), SMALLEST)) + 1j * np.angle(numbers)


def _steps(factor: float) -> float | None:
    return -1 / math.log(factor) if factor < 1 else None


def _falls(steps: float | None) -> str:
    return "does not fall" if steps is None else f"falls to 1/e in {steps:.3g} steps"
