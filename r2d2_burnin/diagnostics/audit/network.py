"""The network that a command is to audit with, made by the user's factory for the shapes of the sequences."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from r2d2_burnin.diagnostics.audit.sequences import ReplaySequences, UnfitSequences
from r2d2_burnin.environments.make import import_object
from r2d2_burnin.networks.adapters import CallableNetwork, adapt
from r2d2_burnin.runtime.errors import described


def make_audited_network(name: str, sequences: ReplaySequences, outputs: int) -> CallableNetwork:
    """Call a factory, `module:factory`, with the spaces of the sequences, or with nothing if it takes nothing.

    Args:
        name: of the factory; its module may lie in the working directory.
        sequences: whose observations and outputs give the spaces.
        outputs: A of `Discrete(A)` where there are no outputs.

    Raises:
        ValueError: for a factory that is not there, raises, or returns no network.
    """
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        sys.path.append(str(Path.cwd()))
    factory = import_object("network", name)
    observations = spaces.Box(-np.inf, np.inf, np.shape(sequences.observations)[2:], np.float32)
    count = outputs if sequences.outputs is None else int(np.shape(sequences.outputs)[2])
    given = (observations, spaces.Discrete(count)) if _takes_arguments(factory) else ()
    try:
        return adapt(factory(*given))
    except ValueError:
        raise
    except Exception as error:  # whatever the user's code raises
        called = ", ".join(str(space) for space in given)
        raise UnfitSequences(f"network: {name}, called with ({called}), raised {described(error)}") from error


def _takes_arguments(factory: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # of built-in callables
        return True
    required = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.KEYWORD_ONLY)]
    return bool(required)
