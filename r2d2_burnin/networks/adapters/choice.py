"""Which adapter a network asks for: the one place that knows all of them."""

from __future__ import annotations

from typing import Any

from r2d2_burnin.networks.adapters import jax_adapter, keras_adapter, numpy_adapter, torch_adapter
from r2d2_burnin.networks.adapters.base import AdaptedNetwork, CallableNetwork, UnfitNetwork

ADAPTERS = (torch_adapter, jax_adapter, keras_adapter, numpy_adapter)
"""The first that accepts a network is taken; NumPy's takes whatever has the right methods."""


def adapt(network: Any) -> CallableNetwork:
    """A network of any framework as functions of NumPy arrays.

    Args:
        network: a `torch.nn.Module`, a JAX pair (pure function, parameters), a Keras model, a `RecurrentNetwork`, an
            object of plain NumPy functions, or what `adapt` has returned before.

    Raises:
        UnfitNetwork: for anything else, and for a network whose state has no batch axis.
    """
    if isinstance(network, AdaptedNetwork):
        return network
    for adapter in ADAPTERS:
        if adapter.accepts(network):
            adapted: CallableNetwork = adapter.adapted(network)
            return adapted
    raise UnfitNetwork(
        f"network: got a {type(network).__name__}, expected a torch.nn.Module with initial_state(batch_size) and"
        " forward(observations [B, T, F], state) -> (outputs [B, T, A], state), a JAX tuple (function, parameters,"
        " initial_state), a Keras model, or an object with initial_state and unroll on NumPy arrays"
    )
