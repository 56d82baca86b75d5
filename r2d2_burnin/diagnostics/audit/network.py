"""The network that a command is to audit with, made by the user's factory for the shapes of the sequences."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from r2d2_burnin.diagnostics.audit.sequences import ReplaySequences
from r2d2_burnin.networks.adapters import CallableNetwork, adapt
from r2d2_burnin.networks.user_factory import call_factory


def make_audited_network(name: str, sequences: ReplaySequences, outputs: int) -> CallableNetwork:
    """Call a factory, `module:factory`, with the spaces of the sequences, or with nothing if it takes nothing.

    Args:
        name: of the factory.
        sequences: whose observations and outputs give the spaces.
        outputs: A of `Discrete(A)` where there are no outputs.

    Raises:
        ValueError: for a factory that is not there, takes other arguments, raises, or returns no network.
    """
    observations = spaces.Box(-np.inf, np.inf, np.shape(sequences.observations)[2:], np.float32)
    count = outputs if sequences.outputs is None else int(np.shape(sequences.outputs)[2])
    return adapt(call_factory(name, observations, count, seed=0))
