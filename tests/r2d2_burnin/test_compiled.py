"""Compiled functions: one program for every combination of shapes and dtypes."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from r2d2_burnin.runtime.compiled import Compiled
from r2d2_burnin.runtime.tensorflow import tf

DTYPES = [np.int32, np.float32, np.float64, np.bool_, np.int8, np.uint8, np.float16, ml_dtypes.bfloat16, np.int64]


def test_dtypes_of_one_shape_have_programs_of_their_own() -> None:
    traces = []

    def double(nest):
        traces.append(tf.nest.map_structure(lambda leaf: leaf.dtype, nest))
        return {"twice": tf.where(nest["flag"], nest["x"], tf.zeros_like(nest["x"]))}

    compiled, flag = Compiled(double), np.array([True, False, True])
    for _ in range(2):
        for dtype in DTYPES:
            x = np.array([1, 0, 1]).astype(dtype)
            for given in (x, tf.constant(x)):
                result = compiled({"x": given, "flag": flag})["twice"]
                assert result.dtype == tf.as_dtype(dtype)
                np.testing.assert_array_equal(result.numpy(), np.where(flag, x, np.zeros_like(x)))
    assert len(traces) == len(DTYPES)


def test_a_dtype_that_the_function_does_not_take_is_its_own_error() -> None:
    compiled = Compiled(lambda a, b: tf.matmul(a, b))
    matrix = np.eye(2, dtype=np.float32)
    np.testing.assert_array_equal(compiled(matrix, matrix), matrix)
    with pytest.raises((TypeError, ValueError, tf.errors.InvalidArgumentError)):
        compiled(matrix, matrix.astype(np.int32))
    np.testing.assert_array_equal(compiled(matrix, 2 * matrix), 2 * matrix)
