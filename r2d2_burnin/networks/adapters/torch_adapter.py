"""PyTorch: a `torch.nn.Module` with `forward(observations, state) -> (outputs, state)` and `initial_state(batch_size)`.

It is called as it is: in evaluation or training mode, on its device, in its precision; without gradients.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from r2d2_burnin.networks.adapters.base import AdaptedNetwork, Calls, FaultyNetwork, UnfitNetwork

REMEDY = "expected network.eval() before, or torch.nn.LayerNorm"
"""Against batch normalization."""


def accepts(network: Any) -> bool:
    """Whether this is a module of PyTorch; one that was never imported has no modules."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(network, torch.nn.Module)


def adapted(network: Any) -> AdaptedNetwork:
    """The module as a `CallableNetwork`.

    Raises:
        UnfitNetwork: for one without `initial_state`.
        FaultyNetwork: for batch normalization in training mode.
    """
    import torch  # the user's own, which is imported already

    name = type(network).__name__
    if not callable(getattr(network, "initial_state", None)):
        raise UnfitNetwork(
            f"network: {name} has no initial_state, expected a torch.nn.Module with initial_state(batch_size) and"
            " forward(observations [B, T, F], state) -> (outputs [B, T, A], state)"
        )
    _refuse_batch_normalization(network)
    parameter = next((p for p in (*network.parameters(), *network.buffers()) if p.is_floating_point()), None)
    place = {} if parameter is None else {"dtype": parameter.dtype, "device": parameter.device}

    def unroll(observations: np.ndarray, state: Any) -> tuple[Any, Any]:
        try:
            with torch.no_grad():
                returned: tuple[Any, Any] = network(torch.tensor(observations, **place), state)
        except ValueError as error:
            if "Expected more than 1 value per channel when training" not in str(error):
                raise
            raise FaultyNetwork(
                f"network: batch: {name} has batch normalization in training mode, which PyTorch refuses for"
                f" observations {list(observations.shape)} ({error}); {REMEDY}"
            ) from None
        return returned

    def initial_state(batch_size: int) -> Any:
        with torch.no_grad():
            return network.initial_state(batch_size)

    return AdaptedNetwork(Calls(name, initial_state, unroll, _to_numpy, _like))


def _refuse_batch_normalization(network: Any) -> None:
    """Raise FaultyNetwork for a layer whose outputs depend on the rest of the batch; each call would change it, too."""
    from torch.nn.modules import batchnorm

    for place, layer in network.named_modules():
        if isinstance(layer, batchnorm._BatchNorm) and (layer.training or layer.running_mean is None):
            mode = "training mode" if layer.training else "evaluation mode, but without running statistics"
            raise FaultyNetwork(
                f"network: batch: {type(network).__name__} has batch normalization in {mode}"
                f" ({place}: {type(layer).__name__}), so that an example's outputs and state depend on the rest of its"
                f" batch; {REMEDY}"
            )


def _to_numpy(tensor: Any) -> np.ndarray:
    tensor = tensor.detach().cpu()
    if not hasattr(np, str(tensor.dtype).removeprefix("torch.")):  # bfloat16
        tensor = tensor.float()
    return np.array(tensor.numpy())


def _like(array: np.ndarray, tensor: Any) -> Any:
    import torch

    return torch.tensor(array).to(dtype=tensor.dtype, device=tensor.device)
