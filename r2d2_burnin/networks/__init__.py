"""Recurrent networks: what the library asks of one (`RecurrentNetwork`), and those it brings."""

from __future__ import annotations

import importlib
from typing import Any

from r2d2_burnin.networks.protocol import RecurrentNetwork

__all__ = ["RecurrentNetwork"]

_LAZY = {"DenseRecurrentNetwork": "recurrent_network", "unroll_step_by_step": "unrolling"}
"""Names that need TensorFlow, imported when they are asked for."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
