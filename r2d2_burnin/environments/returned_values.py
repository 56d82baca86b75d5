"""What an environment returns, checked against its spaces: numbers, flags and observations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

FLOAT32_MAX = float(np.finfo(np.float32).max)
"""Networks compute in float32: a larger number is infinite there."""

ROUNDING = 1e-6
"""Part of a bound (at least of 1) by which a float may lie outside a Box: float32 explains as much."""

LONGEST_VALUE = 200
"""Characters of a value that a message shows."""

Check = Callable[[Any], Any]
"""Returns an observation as its space has it, or raises `Unfit`."""

Warn = Callable[[str, str], None]
"""Is given the name of an observation, and what is odd about its value."""


class Unfit(ValueError):
    """A value that training cannot use; the message names it and what was expected, not where it came from."""


def scalar(name: str, value: Any) -> float:
    """The number that a value of one element holds, whatever its shape; it may be infinite or NaN.

    Raises:
        Unfit: for more or fewer elements, and for what is no number.
    """
    if type(value) is float:
        return value
    array = _array(name, value, "one number") if type(value) is not int else value
    if isinstance(array, np.ndarray):
        if array.size != 1:
            raise Unfit(f"{name} has shape {array.shape}, expected one number; its value is {shown(value)}")
        array = array.item()
    try:
        return float(array)
    except OverflowError:
        return float("inf") if array > 0 else float("-inf")


def number(name: str, value: Any, *, hint: str = "") -> float:
    """The number that a value of one element holds, finite in float32.

    Raises:
        Unfit: as `scalar` does, and for a number that is not finite in float32.
    """
    converted = scalar(name, value)
    if not abs(converted) <= FLOAT32_MAX:
        if np.isfinite(converted):
            raise Unfit(f"{name} has the value {converted}, infinite in float32, {_expected_size(hint)}")
        raise Unfit(
            f"{name} has the value {shown(value) if np.isinf(converted) else converted}, expected a finite number"
        )
    return converted


def flag(name: str, value: Any) -> bool:
    """The truth value of a bool, or of one element that is 0 or 1.

    Raises:
        Unfit: for anything else.
    """
    if value is True or value is False:
        return value
    try:
        converted = scalar(name, value)
    except Unfit:
        converted = float("nan")
    if converted not in (0.0, 1.0):
        raise Unfit(f"{name} is {shown(value)}, a {type(value).__name__}, expected True or False")
    return bool(converted)


def shown(value: Any) -> str:
    """A value as messages show it."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # whatever a user's class does in its representation
        text = f"a {type(value).__name__}"
    return _shortened(text)


def shown_space(space: spaces.Space[Any]) -> str:
    """A space as messages show it, in one line."""
    return _shortened(" ".join(str(space).split()))


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}.."


def check_finite(name: str, array: np.ndarray, *, hint: str = "") -> None:
    """Raise `Unfit` unless all numbers of an array `[...]` are finite in float32."""
    if array.dtype.kind not in "fiub":
        raise Unfit(f"{name} is {shown(array)} of dtype {array.dtype}, expected numbers")
    if array.dtype.kind != "f" or array.size == 0:
        return
    if array.dtype.itemsize <= 4:
        if np.isfinite(array).all():
            return
    elif array.min() >= -FLOAT32_MAX and array.max() <= FLOAT32_MAX:
        return
    bad = ~(np.abs(array.astype(np.float64)) <= FLOAT32_MAX)
    value, where = _first(array, bad)
    if np.isfinite(value):
        raise Unfit(f"{name} has the value {value}{where}, infinite in float32, {_expected_size(hint)}")
    raise Unfit(f"{name} has the value {value}{where}, expected finite numbers")


def observation_check(space: spaces.Space[Any], name: str, warn: Warn) -> Check:
    """A check of observations against their space, prepared once as it is made at every step.

    Indices (Discrete, MultiDiscrete, MultiBinary) and whole numbers have to lie in their space. A float in a Box may
    lie outside by rounding. Further outside, by less than the width of the Box, it costs a warning and no more:
    Gymnasium's own LunarLander and BipedalWalker leave their bounds, which no network depends on. Still further out
    it is a sentinel, or in other units, and is refused.

    Args:
        space: of Box, Discrete, MultiBinary, MultiDiscrete, or Dict and Tuple of those.
        name: what messages call the observation.
        warn: is told of values outside a Box, once for each.
    """
    if isinstance(space, spaces.Dict):
        return _dict_check(space, name, warn)
    if isinstance(space, spaces.Tuple):
        return _tuple_check(space, name, warn)
    if isinstance(space, spaces.Discrete):
        return _discrete_check(space, name)
    if isinstance(space, spaces.MultiDiscrete):
        return _multi_discrete_check(space, name)
    if isinstance(space, spaces.MultiBinary):
        return _multi_binary_check(space, name)
    assert isinstance(space, spaces.Box)  # `environments.check_spaces` has seen to it
    return _BoxCheck(space, name, warn)


def _dict_check(space: spaces.Dict, name: str, warn: Warn) -> Check:
    parts = {key: observation_check(part, f"{name}[{key!r}]", warn) for key, part in space.spaces.items()}

    def check(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise Unfit(
                f"{name} is {shown(value)}, expected a dictionary with the entries {', '.join(map(repr, parts))}"
            )
        if value.keys() != parts.keys():
            problems = [f"lacks {key!r}" for key in parts if key not in value]
            problems += [f"has {key!r}, which its space has not" for key in value if key not in parts]
            raise Unfit(f"{name} {' and '.join(problems)}, expected the entries {', '.join(map(repr, parts))}")
        return {key: part(value[key]) for key, part in parts.items()}

    return check


def _tuple_check(space: spaces.Tuple[Any], name: str, warn: Warn) -> Check:
    parts = [observation_check(part, f"{name}[{index}]", warn) for index, part in enumerate(space.spaces)]

    def check(value: Any) -> Any:
        if not isinstance(value, tuple | list):
            raise Unfit(f"{name} is {shown(value)}, expected a tuple of {len(parts)} entries")
        if len(value) != len(parts):
            raise Unfit(f"{name} has {len(value)} entries, expected {len(parts)}; its value is {shown(value)}")
        return tuple(part(entry) for part, entry in zip(parts, value, strict=True))

    return check


def _discrete_check(space: spaces.Discrete, name: str) -> Check:
    first, end = int(space.start), int(space.start) + int(space.n)

    def check(value: Any) -> Any:
        if type(value) is not int:
            array = _array(name, value, "a whole number")
            if array.size != 1 or array.dtype.kind not in "iub":
                raise Unfit(f"{name} is {shown(value)}, expected a whole number in its space {shown_space(space)}")
            value = int(array.item())
        if not first <= value < end:
            raise Unfit(
                f"{name} has the value {value}, outside its space {shown_space(space)}, expected {first} to {end - 1}"
            )
        return value

    return check


def _multi_discrete_check(space: spaces.MultiDiscrete, name: str) -> Check:
    first, last = np.asarray(space.start), np.asarray(space.start) + np.asarray(space.nvec) - 1

    def check(value: Any) -> Any:
        array = _shaped(name, value, space, kinds="iub")
        outside = (array < first) | (array > last)
        if outside.any():
            _refuse_outside(name, array, outside, space, first, last)
        return array.astype(space.dtype, copy=False)

    return check


def _multi_binary_check(space: spaces.MultiBinary, name: str) -> Check:
    def check(value: Any) -> Any:
        array = _shaped(name, value, space, kinds="fiub")
        outside = (array != 0) & (array != 1)
        if outside.any():
            wrong, where = _first(array, outside)
            raise Unfit(f"{name} has the value {wrong}{where}, outside its space {shown_space(space)}, expected 0 or 1")
        return array.astype(space.dtype, copy=False)

    return check


class BoxBounds:
    """The bounds of a Box `[*shape]`, as numbers where all elements have the same.

    Attributes:
        slack: how far outside a float may lie, `[*shape]` or one number.
    """

    def __init__(self, space: spaces.Box) -> None:
        is_float = space.dtype.kind == "f"
        self._low, self._high = space.low.astype(np.float64), space.high.astype(np.float64)
        self._is_float = is_float
        low, high = self._low, self._high
        self.slack = ROUNDING * np.maximum(1, np.minimum(np.abs(low), np.abs(high))) if is_float else 0.0
        with np.errstate(invalid="ignore", over="ignore"):
            self._accept(low - self.slack, high + self.slack)
        limits: Any = np.iinfo(str(space.dtype)) if space.dtype.kind in "iu" else None
        whole_range = limits is not None and bool((space.low == limits.min).all() and (space.high == limits.max).all())
        self.hold_any = whole_range or space.dtype.kind == "b" or 0 in space.shape  # value of the space's dtype

    @property
    def width(self) -> np.ndarray:
        """How far outside a value may lie after `widen`, `[*shape]`."""
        with np.errstate(invalid="ignore", over="ignore"):
            return self._high - self._low if self._is_float else np.zeros(self._low.shape)

    def hold(self, array: np.ndarray) -> bool:
        """Whether all values of an array `[..., *shape]` lie within; False where one is NaN."""
        if self._limits is None:
            return bool(((array >= self._least) & (array <= self._most)).all())
        # Comparisons with a NaN, which both of these give where there is one, are False.
        return bool(self._limits[0] <= array.min().item() and array.max().item() <= self._limits[1])

    def widen(self) -> None:
        """From now on accept whatever is outside by no more than the Box is wide."""
        with np.errstate(invalid="ignore", over="ignore"):
            self._accept(self._low - self.width, self._high + self.width)

    def _accept(self, low: np.ndarray, high: np.ndarray) -> None:
        self._least, self._most = np.maximum(low, -FLOAT32_MAX), np.minimum(high, FLOAT32_MAX)
        low, high = self._least, self._most
        same = low.size > 0 and bool((low == low.flat[0]).all() and (high == high.flat[0]).all())
        self._limits = (float(low.flat[0]), float(high.flat[0])) if same else None


class _BoxCheck:
    """A check of arrays against a Box."""

    def __init__(self, space: spaces.Box, name: str, warn: Warn) -> None:
        self._space, self._name, self._warn = space, name, warn
        self._dtype, self._shape = space.dtype, space.shape
        self._bounds = BoxBounds(space)

    def __call__(self, value: Any) -> Any:
        array = value
        if type(value) is not np.ndarray or value.dtype != self._dtype or value.shape != self._shape:
            array = _shaped(self._name, value, self._space, castable=True)
        elif self._bounds.hold_any:
            return array
        if not self._bounds.hold(array):
            self._explain(array)
        return array.astype(self._dtype, copy=False)

    def _explain(self, array: np.ndarray) -> None:
        """Refuse an array that is not within the bounds, or warn of it once."""
        clip = "a wrapper that clips helps: gymnasium.wrappers.TransformObservation, in a function of yours named by"
        check_finite(self._name, array, hint=f"{clip} --wrappers")
        low, high = self._space.low.astype(np.float64), self._space.high.astype(np.float64)
        excess = np.maximum(low - array, array - high)
        outside = excess > self._bounds.slack
        if not outside.any():
            return
        refused = outside & (excess >= self._bounds.width)
        if refused.any():
            _refuse_outside(self._name, array, refused, self._space, low, high)
        wrong, where = _first(array, outside)
        self._warn(
            self._name,
            f"has the value {wrong}{where}, outside its space {shown_space(self._space)}; it is used as it is, and"
            " further values outside by less than the width of the space are not mentioned",
        )
        self._bounds.widen()


def _refuse_outside(
    name: str, array: np.ndarray, outside: np.ndarray, space: spaces.Space[Any], low: np.ndarray, high: np.ndarray
) -> None:
    wrong, where = _first(array, outside)
    at = np.unravel_index(int(outside.argmax()), outside.shape)
    raise Unfit(
        f"{name} has the value {wrong}{where}, outside its space {shown_space(space)}, expected {low[at]} to {high[at]}"
    )


def _shaped(
    name: str, value: Any, space: spaces.Space[Any], *, kinds: str = "fiub", castable: bool = False
) -> np.ndarray:
    """An array of the shape of its space, and of a dtype that fits it."""
    array = _array(name, value, "numbers")
    fits = np.can_cast(array.dtype, str(space.dtype), "same_kind") if castable else array.dtype.kind in kinds
    if array.shape != space.shape or not fits:
        raise Unfit(
            f"{name} has dtype {array.dtype} and shape {array.shape}, expected dtype {space.dtype} and shape"
            f" {space.shape} as its space {shown_space(space)} says; its value is {shown(value)}"
        )
    return array


def _array(name: str, value: Any, expected: str) -> np.ndarray:
    """An array of real numbers."""
    try:
        array = np.asarray(value)
    except Exception as error:  # lists of different lengths, or whatever a user's class raises
        raise Unfit(f"{name} is {shown(value)} ({error}), expected {expected}") from None
    if array.dtype.kind not in "fiub":
        raise Unfit(f"{name} is {shown(value)}, a {type(value).__name__}, expected {expected}")
    return array


def _first(array: np.ndarray, chosen: np.ndarray) -> tuple[Any, str]:
    """The first element that is chosen, and where it is."""
    index = np.argwhere(chosen)[0].tolist()
    return array[tuple(index)], f" at index {tuple(index)}" if index else ""


def _expected_size(hint: str) -> str:
    return f"expected numbers of a size up to {FLOAT32_MAX:.2g}" + (f"; {hint}" if hint else "")
