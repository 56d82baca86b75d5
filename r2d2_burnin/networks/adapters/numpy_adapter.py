"""NumPy: an object with `initial_state(batch_size)` and `unroll(observations, state) -> (outputs, state)`.

The second may also be the object itself, if it can be called. Arrays of any library that NumPy can read will do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from r2d2_burnin.networks.adapters.base import AdaptedNetwork, Calls


def accepts(network: Any) -> bool:
    """Whether the object has an initial state, and a function of observations and state."""
    return callable(getattr(network, "initial_state", None)) and callable(getattr(network, "unroll", network))


def adapted(network: Any) -> AdaptedNetwork:
    """The object as a `CallableNetwork`."""
    unroll = getattr(network, "unroll", network)
    name = getattr(network, "__name__", type(network).__name__)
    return AdaptedNetwork(
        Calls(
            name,
            network.initial_state,
            lambda observations, state: unroll(observations.copy(), state),
            np.array,
            lambda array, like: array.astype(np.asarray(like).dtype),
        )
    )
