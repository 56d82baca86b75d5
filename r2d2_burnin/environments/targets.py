"""`info["target"]`: what belongs to an observation and is to be predicted, checked when it is recorded."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from r2d2_burnin.environments.returned_values import FLOAT32_MAX, Unfit, scalar, shown

NAME = 'info["target"]'
FAULT = "target_fault"
"""Beside or instead of `target` in an info: why the environment's target is no number."""


class UnfitTarget(Unfit):
    """A target that training cannot use, and whose it is."""

    def __init__(self, message: str, environment: int, step: int = 0) -> None:
        super().__init__(message)
        self.environment = environment
        self.step = step  # after the first of a block


def reduced_info(info: Mapping[Any, Any]) -> dict[str, Any]:
    """What training reads of an info: the target as a float, or why it is no number; {} where there is none.

    Nothing else gets through: vector environments join the infos of all sub-environments, and cannot do so with what
    changes its shape or type.
    """
    if FAULT in info:
        return {FAULT: info[FAULT]}
    value = info.get("target")
    if value is None:
        return {}
    try:
        return {"target": scalar(NAME, value)}
    except Unfit as error:
        return {FAULT: str(error)}


@dataclasses.dataclass(frozen=True)
class TargetRange:
    """Which numbers targets may be; always finite in float32."""

    low: float = -FLOAT32_MAX
    high: float = FLOAT32_MAX
    whole: bool = False  # classes
    required: bool = True  # False: what is no number in the range counts as missing
    rounding: float = 0.0  # part of a bound, at least of 1, by which a target may lie outside

    @functools.cached_property
    def _limits(self) -> tuple[float, float]:
        """The smallest and the largest number that is accepted."""
        low, high = (self.rounding * max(1.0, abs(bound)) for bound in (self.low, self.high))
        return max(self.low - low, -FLOAT32_MAX), min(self.high + high, FLOAT32_MAX)

    def of_infos(self, info: Mapping[str, Any], active: np.ndarray) -> np.ndarray:
        """Targets `[N]`, float64, of a vector environment's info; NaN where there is none.

        Args:
            info: as Gymnasium's vector environments have it: `target` [N], and `_target` [N] where it is given.
            active: `[N]` bool: the environments whose targets are recorded and have to be right.

        Raises:
            UnfitTarget: for a target that is no number or outside the range.
        """
        if FAULT in info and self.required:
            faults = np.asarray(info[FAULT], object)
            for i in np.flatnonzero(active & np.asarray(info[f"_{FAULT}"], np.bool_)):
                raise UnfitTarget(str(faults[i]), int(i))
        values = info.get("target")
        if values is None:
            return np.full(len(active), np.nan)
        array = np.asarray(values)
        if array.dtype.kind not in "fiub" or array.size != len(active):
            if not self.required:
                return np.full(len(active), np.nan)
            message = f"{NAME} of {len(active)} environments is {shown(values)}, expected one number each"
            raise UnfitTarget(message, int(active.argmax()))
        array = array.reshape(-1)
        present = np.asarray(info.get("_target", True))
        if present.all() and self._fit(array):
            return array.astype(np.float64)
        numbers = np.where(present, array.astype(np.float64), np.nan)
        return np.asarray(self._refuse(numbers[None], (active & present)[None])[0])

    def of_block(self, targets: np.ndarray) -> np.ndarray:
        """Targets `[S, N]` of S steps, float64.

        Raises:
            UnfitTarget: for one that is no number or outside the range.
        """
        array = np.asarray(targets)
        if array.dtype.kind not in "fiub":
            raise UnfitTarget(f"{NAME} is {shown(targets)}, expected numbers", 0)
        numbers = array.astype(np.float64)
        return numbers if self._fit(array) else self._refuse(numbers, np.ones(numbers.shape, np.bool_))

    def _fit(self, values: np.ndarray) -> bool:
        """Whether all values are in the range; False where one is NaN."""
        low, high = self._limits
        within = bool(low <= values.min() and values.max() <= high)
        return within and (not self.whole or values.dtype.kind in "iub" or bool((values == np.rint(values)).all()))

    def _refuse(self, values: np.ndarray, present: np.ndarray) -> np.ndarray:
        """The values `[S, N]`; raises for the first present one that is outside the range, or makes it NaN."""
        low, high = self._limits
        fit = (values >= low) & (values <= high)
        if self.whole:
            fit &= values == np.rint(values)
        if not self.required:
            return np.where(fit, values, np.nan)
        bad = np.argwhere(present & ~fit)
        if len(bad):
            step, environment = bad[0].tolist()
            raise UnfitTarget(f"{NAME} is {_shown(values[step, environment])}, {self._expected}", environment, step)
        return values

    @property
    def _expected(self) -> str:
        what = "a class, a whole number" if self.whole else "a number"
        bounds = [
            f"{word} {_shown(bound)}"
            for word, bound in (("from", self.low), ("to", self.high))
            if abs(bound) < FLOAT32_MAX
        ]
        finite = [] if len(bounds) == 2 else ["that is finite in float32"]
        return " ".join(["expected", what, *bounds, *finite])


def _shown(number: float) -> str:
    """A number in as few digits as tell it from others: of float32, where it is one."""
    with np.errstate(over="ignore"):
        single = np.float32(number)
    shortest = single if float(single) == number else np.float64(number)
    if number == 0 or 1e-4 <= abs(number) < 1e16:
        return np.format_float_positional(shortest, trim="-")
    return str(shortest)
