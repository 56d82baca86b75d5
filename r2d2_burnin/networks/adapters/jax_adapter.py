"""JAX: `(function, parameters, initial_state)`, where `function(parameters, observations, state) -> (outputs, state)`.

`function` is pure, and `initial_state(batch_size)` gives its state, any pytree of arrays; the pair `(function,
parameters)` will do where `function` has it as an attribute. The function is called as it is: give `jax.jit(function)`
to have it compiled once for every shape. It is called with matrix products in full float32.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from r2d2_burnin.networks.adapters.base import AdaptedNetwork, Calls, UnfitNetwork


def accepts(network: Any) -> bool:
    """Whether this is a tuple that begins with a function; one of JAX, so that JAX has been imported."""
    return "jax" in sys.modules and isinstance(network, tuple) and bool(network) and callable(network[0])


def adapted(network: Any) -> AdaptedNetwork:
    """The function with its parameters as a `CallableNetwork`.

    Raises:
        UnfitNetwork: for a tuple that says nothing of the initial state.
    """
    import jax  # the user's own, which is imported already
    import jax.numpy as jnp

    function, *others = network
    name = getattr(function, "__qualname__", type(function).__name__)
    begin = others[1] if len(others) == 2 else getattr(function, "initial_state", None)
    if len(others) not in (1, 2) or not callable(begin):
        raise UnfitNetwork(
            f"network: got a tuple of {len(network)} that begins with {name}, expected (function, parameters,"
            " initial_state): function(parameters, observations [B, T, F], state) -> (outputs [B, T, A], state), and"
            " initial_state(batch_size)"
        )
    leaves = [leaf for leaf in jax.tree_util.tree_leaves(others[0]) if hasattr(leaf, "dtype")]
    floats = [leaf.dtype for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.floating)]
    dtype = floats[0] if floats else None

    def unroll(observations: np.ndarray, state: Any) -> tuple[Any, Any]:
        # On GPUs JAX multiplies large float32 matrices in TF32 unless asked otherwise: its rounding (1e-3) would differ
        # between batches, and look like a fault of the network.
        with jax.default_matmul_precision("float32"):
            returned: tuple[Any, Any] = function(others[0], jnp.asarray(observations, dtype), state)
        return returned

    def pack(structure: Any, arrays: Any) -> Any:
        return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(structure), arrays)

    return AdaptedNetwork(
        Calls(
            name,
            begin,
            unroll,
            np.array,
            lambda array, like: jax.device_put(jnp.asarray(array, like.dtype), getattr(like, "sharding", None)),
            jax.tree_util.tree_leaves,
            pack,
        )
    )
