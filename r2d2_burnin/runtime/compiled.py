"""Compiled functions without the look-up that `tf.function` makes at every call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from r2d2_burnin.runtime import nests
from r2d2_burnin.runtime.tensorflow import tf


class Compiled:
    """A function of nests of arrays, compiled by XLA once for every combination of shapes and dtypes.

    Finding the matching trace takes `tf.function` longer than a small network's step; here the leaves alone decide, so
    a nest's structure must not change between calls, and every call gives all of the function's arguments. No gradient
    is recorded through a call: a function that needs one takes it inside.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._programs: dict[tuple[Any, ...], Callable[[list[Any]], Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Call the program for these shapes and dtypes."""
        given = [_array(leaf) for leaf in nests.flatten(arguments)]
        # Keys of arrays as they are given: a shape takes TensorFlow longer than NumPy.
        key = (*[leaf.shape for leaf in given], *[leaf.dtype for leaf in given])
        leaves = [leaf if isinstance(leaf, tf.Tensor) else tf.constant(leaf) for leaf in given]
        program = self._programs.get(key)
        if program is None:
            of_tensors = (*[leaf.shape for leaf in leaves], *[leaf.dtype for leaf in leaves])
            program = self._programs.get(of_tensors) or self._compile(arguments, leaves)
            self._programs |= {key: program, of_tensors: program}
        return program(leaves)

    def _compile(self, arguments: tuple[Any, ...], leaves: list[Any]) -> Callable[[list[Any]], Any]:
        # A program of leaves, not of nests: TensorFlow takes its time to check a nest at every call.
        structure = nests.pack(arguments, [None] * len(leaves))
        function = tf.function(
            lambda *leaves: self._function(*nests.pack(structure, leaves)), jit_compile=True, autograph=False
        )
        program = function.get_concrete_function(*leaves)
        # The same without a check of shapes and dtypes, which are known to be right: it takes longer than a small
        # network's step. Other versions of TensorFlow may not have it.
        unchecked = getattr(getattr(program, "inference_fn", None), "call_preflattened", None)
        captured = list(program.captured_inputs)

        def call(leaves: list[Any]) -> Any:
            if unchecked is not None and tf.executing_eagerly():
                return unchecked([*leaves, *captured])
            return program(*leaves)

        return call


def _array(leaf: Any) -> Any:
    """A leaf as it is if it is an array of NumPy's or a tensor, as a tensor if not."""
    return leaf if isinstance(leaf, tf.Tensor) or type(leaf) is np.ndarray else tf.convert_to_tensor(leaf)
