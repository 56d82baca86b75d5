"""What N environments return, checked and joined as one batch.

A batch in which anything is unusual is no batch: None is returned, and the guards look at one environment after
another, which costs more, names what is wrong, and takes whatever may be used nevertheless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces

from r2d2_burnin.environments.returned_values import FLOAT32_MAX, BoxBounds
from r2d2_burnin.environments.targets import FAULT, reduced_info

_NUMBERS = {float, int, bool, np.float16, np.float32, np.float64, np.bool_}
_NUMBERS |= {np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64}
_FLAGS = {bool, np.bool_}


def join_rewards(rewards: Sequence[Any]) -> np.ndarray | None:
    """Rewards `[N]`, float64; None unless all are scalars, finite in float32."""
    if not _NUMBERS.issuperset(map(type, rewards)):
        return None
    try:
        array = np.array(rewards, np.float64)
    except OverflowError:
        return None
    return array if array.min() >= -FLOAT32_MAX and array.max() <= FLOAT32_MAX else None


def join_flags(flags: Sequence[Any]) -> np.ndarray | None:
    """Flags `[N]`; None unless all are bools."""
    return np.array(flags, np.bool_) if _FLAGS.issuperset(map(type, flags)) else None


def join_infos(infos: Sequence[Any]) -> dict[str, Any] | None:
    """What training reads of infos, as Gymnasium's vector environments join them; None unless all are dictionaries."""
    if set(map(type, infos)) != {dict}:
        return None
    joined: dict[str, Any] = {}
    if not any(infos):
        return joined
    reduced = [reduced_info(info) for info in infos]
    for name, dtype in (("target", np.float64), (FAULT, object)):
        given = np.array([name in info for info in reduced])
        if given.any():
            values = np.zeros(len(infos), dtype) if dtype is not object else np.full(len(infos), None, object)
            for i in np.flatnonzero(given):
                values[i] = reduced[i][name]
            joined |= {name: values, f"_{name}": given}
    return joined


class Joint(Protocol):
    """Joins the observations of N environments."""

    def join(self, values: Sequence[Any]) -> np.ndarray | None:
        """The observations `[N, ...]`, flattened as `gymnasium.spaces.flatten` does it where asked for.

        None where one is not in its space, or is neither an array nor a number nor a container of the usual kind.
        """

    def widen(self) -> None:
        """Accept from now on what the guards have accepted with a warning."""


def joint(space: spaces.Space[Any], *, flat: bool) -> Joint:
    """How to join observations of a space (Box, Discrete, MultiBinary, MultiDiscrete, or Dict and Tuple of those).

    Args:
        space: of an observation.
        flat: whether they are flattened; those of all but a Box have to be.
    """
    if isinstance(space, spaces.Dict):
        return _Entries(dict(space.spaces), Mapping, spaces.flatten_space(space).dtype)
    if isinstance(space, spaces.Tuple):
        return _Entries(dict(enumerate(space.spaces)), tuple | list, spaces.flatten_space(space).dtype)
    if isinstance(space, spaces.Discrete):
        return _Classes(np.array([space.start]), np.array([space.n]), (), space.dtype)
    if isinstance(space, spaces.MultiDiscrete):
        return _Classes(np.ravel(space.start), np.ravel(space.nvec), space.shape, space.dtype)
    if isinstance(space, spaces.MultiBinary):
        return _Binaries(space)
    assert isinstance(space, spaces.Box)  # `check_spaces` has seen to it
    return _Numbers(space, flat=flat)


class _Entries:
    """Dictionaries or tuples, by entry."""

    def __init__(self, parts: Mapping[Any, spaces.Space[Any]], container: Any, dtype: Any) -> None:
        self._parts = {name: joint(part, flat=True) for name, part in parts.items()}
        self._container, self._dtype = container, dtype

    def join(self, values: Sequence[Any]) -> np.ndarray | None:
        names = self._parts.keys()
        for value in values:
            if not isinstance(value, self._container) or len(value) != len(names):
                return None
            if isinstance(value, Mapping) and value.keys() != names:
                return None
        arrays = []
        for name, part in self._parts.items():
            array = part.join([value[name] for value in values])
            if array is None:
                return None
            arrays.append(array)
        return np.concatenate(arrays, 1).astype(self._dtype, copy=False)

    def widen(self) -> None:
        for part in self._parts.values():
            part.widen()


class _Classes:
    """Whole numbers of C ranges, each of which becomes as many zeros and a one as it has values."""

    def __init__(self, first: np.ndarray, counts: np.ndarray, shape: tuple[int, ...], dtype: Any) -> None:
        self._first, self._counts = first.astype(np.int64), counts.astype(np.int64)
        self._shape, self._dtype = shape, dtype
        self._places = np.cumsum(self._counts) - self._counts
        self._size = int(self._counts.sum())

    def join(self, values: Sequence[Any]) -> np.ndarray | None:
        array = _array(values)
        if array is None or array.dtype.kind not in "iub":
            return None
        if array.shape[1:] != self._shape and (self._shape or array.size != len(values)):
            return None  # one element is a number, whatever its shape
        places = array.reshape(len(values), -1).astype(np.int64) - self._first
        if places.min() < 0 or (places >= self._counts).any():
            return None
        flat = np.zeros((len(values), self._size), self._dtype)
        flat[np.arange(len(values))[:, None], places + self._places] = 1
        return flat

    def widen(self) -> None:
        pass


class _Binaries:
    """Arrays of zeros and ones."""

    def __init__(self, space: spaces.MultiBinary) -> None:
        self._shape, self._dtype = space.shape, space.dtype

    def join(self, values: Sequence[Any]) -> np.ndarray | None:
        array = _array(values)
        if array is None or array.dtype.kind not in "fiub" or array.shape[1:] != self._shape:
            return None
        if not ((array == 0) | (array == 1)).all():
            return None
        return array.reshape(len(values), -1).astype(self._dtype, copy=False)

    def widen(self) -> None:
        pass


class _Numbers:
    """Arrays of a Box."""

    def __init__(self, space: spaces.Box, *, flat: bool) -> None:
        self._shape, self._dtype = space.shape, space.dtype
        self._bounds = BoxBounds(space)
        self._was_left = False
        self._flat = flat

    def join(self, values: Sequence[Any]) -> np.ndarray | None:
        array = _array(values)
        if array is None or array.shape[1:] != self._shape:
            return None
        if array.dtype != self._dtype:
            # Values of one other dtype alone: of several, NumPy has made a third that may hold them less exactly.
            dtypes = {getattr(value, "dtype", None) for value in values}
            if dtypes != {array.dtype} or not np.can_cast(array.dtype, str(self._dtype), "same_kind"):
                return None
        elif self._bounds.hold_any:
            return self._shaped(array)
        if not self._bounds.hold(array):
            self._was_left = True
            return None
        return self._shaped(array.astype(self._dtype, copy=False))

    def widen(self) -> None:
        if self._was_left:
            self._bounds.widen()

    def _shaped(self, array: np.ndarray) -> np.ndarray:
        return array.reshape(len(array), -1) if self._flat else array


def _array(values: Sequence[Any]) -> np.ndarray | None:
    """An array `[N, ...]` of numbers; a copy, as environments may use the memory of an observation again."""
    try:
        array = np.array(values)
    except Exception:  # different shapes, or whatever a user's class raises
        return None
    return array if array.dtype.kind in "fiub" else None
