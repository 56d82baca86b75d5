"""Nests of arrays, flattened and packed as `tf.nest` does it, without what that costs in Python at every call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any


def flatten(nest: Any) -> list[Any]:
    """The leaves of a nest of tuples, lists and dictionaries; dictionaries by sorted keys."""
    return list(_leaves(nest))


def pack(structure: Any, leaves: Sequence[Any]) -> Any:
    """A nest like `structure`, with these leaves."""
    return _packed(structure, iter(leaves))


def _leaves(nest: Any) -> Iterator[Any]:
    if isinstance(nest, dict):
        for key in sorted(nest):
            yield from _leaves(nest[key])
    elif isinstance(nest, tuple | list):
        for part in nest:
            yield from _leaves(part)
    else:
        yield nest


def _packed(structure: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(structure, dict):
        found = {key: _packed(structure[key], leaves) for key in sorted(structure)}
        return type(structure)((key, found[key]) for key in structure)
    if isinstance(structure, tuple | list):
        parts = [_packed(part, leaves) for part in structure]
        return type(structure)(*parts) if hasattr(structure, "_fields") else type(structure)(parts)
    return next(leaves)
