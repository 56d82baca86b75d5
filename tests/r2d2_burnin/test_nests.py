"""Nests against `tf.nest`."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, namedtuple
from typing import Any

import pytest

from r2d2_burnin.runtime import nests
from r2d2_burnin.runtime.tensorflow import keras, tf

Pair = namedtuple("Pair", ["hidden", "carry"])
NESTED = {"b": 1, "a": (2, [3, {"d": 4, "c": 5}])}


def attribute_of(kind: type[Any], nest: Any) -> Any:
    """The nest as a module or layer gives it back: in wrappers that track variables."""
    owner = kind()
    owner.state = nest
    return owner.state


@pytest.mark.parametrize(
    "nest",
    [
        1,
        None,
        (),
        (1, None),
        NESTED,
        Pair(1, (2, 3)),
        OrderedDict(b=1, a=2),
        defaultdict(list, b=1, a=2),
        attribute_of(tf.Module, NESTED),
        attribute_of(tf.Module, (1, [2], {"b": 3, "a": 4})),
        attribute_of(tf.Module, [1, (2, 3)]),
        attribute_of(keras.layers.Layer, [1, 2]),
        attribute_of(keras.layers.Layer, {"b": 1, "a": 2}),
    ],
    ids=lambda nest: type(nest).__name__,
)
def test_leaves_and_structures_are_those_of_tensorflow(nest: Any) -> None:
    leaves = nests.flatten(nest)
    assert leaves == tf.nest.flatten(nest)
    changed = [10 * (leaf or 1) for leaf in leaves]
    packed = nests.pack(nest, changed)
    assert tf.nest.flatten(packed) == changed
    tf.nest.assert_same_structure(packed, nest)
    assert packed == tf.nest.pack_sequence_as(nest, changed)
