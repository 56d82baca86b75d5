"""Compiled functions without the look-up that `tf.function` makes at every call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from r2d2_burnin.quiet_tensorflow import tf


class Compiled:
    """A function of nests of arrays, compiled by XLA once for every combination of shapes.

    Finding the matching trace takes `tf.function` longer than a small network's step; the shapes alone tell it here, so
    a nest's structure and types must not change between calls, and every call gives all of the function's arguments.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._programs: dict[tuple[Any, ...], Any] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Call the program for these shapes."""
        tensors = tf.nest.map_structure(tf.convert_to_tensor, arguments)
        shapes = tuple(tensor.shape for tensor in tf.nest.flatten(tensors))
        program = self._programs.get(shapes)
        if program is None:
            function = tf.function(self._function, jit_compile=True, autograph=False)
            program = self._programs[shapes] = function.get_concrete_function(*tensors)
        return program(*tensors)
