"""Compiled functions without the look-up that `tf.function` makes at every call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from r2d2_burnin.runtime import nests
from r2d2_burnin.runtime.tensorflow import tf


class Compiled:
    """A function of nests of arrays, compiled by XLA once for every combination of shapes and dtypes.

    Finding the matching trace takes `tf.function` longer than a small network's step; here the leaves alone decide, so
    a nest's structure must not change between calls, and every call gives all of the function's arguments.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._programs: dict[tuple[Any, ...], Any] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Call the program for these shapes and dtypes."""
        leaves = [
            leaf if isinstance(leaf, tf.Tensor) else tf.convert_to_tensor(leaf) for leaf in nests.flatten(arguments)
        ]
        key = (*[leaf.shape for leaf in leaves], *[leaf.dtype for leaf in leaves])
        program = self._programs.get(key)
        if program is None:
            program = self._programs[key] = self._compile(arguments, leaves)
        return program(*leaves)

    def _compile(self, arguments: tuple[Any, ...], leaves: list[Any]) -> Any:
        # A program of leaves, not of nests: TensorFlow takes its time to check a nest at every call.
        structure = nests.pack(arguments, [None] * len(leaves))
        function = tf.function(
            lambda *leaves: self._function(*nests.pack(structure, leaves)), jit_compile=True, autograph=False
        )
        return function.get_concrete_function(*leaves)
