"""Checkpoints: a network's parameters, and recurrent states if wanted, bit for bit in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from r2d2_burnin.networks import RecurrentNetwork
from r2d2_burnin.quiet_tensorflow import tf


def save(path: Path, network: RecurrentNetwork, state: Any = None) -> None:
    """Write the parameters of `network`, and a nest of recurrent states `[B, ...]`, to a NumPy archive at `path`."""
    parameters = {f"parameter/{i}": variable.numpy() for i, variable in enumerate(network.trainable_variables)}
    states = {} if state is None else {f"state/{i}": np.asarray(leaf) for i, leaf in enumerate(tf.nest.flatten(state))}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **parameters, **states)
    partial.replace(path)


def load(path: Path, network: RecurrentNetwork) -> Any:
    """Read the parameters into `network`; returns the nest of recurrent states saved with them, or None.

    Raises:
        ValueError: when the file's parameters are not of the network's shapes.
    """
    with np.load(path) as archive:
        arrays = dict(archive)
    parameters = [arrays[f"parameter/{i}"] for i in range(sum(name.startswith("parameter/") for name in arrays))]
    got = [parameter.shape for parameter in parameters]
    expected = [tuple(variable.shape) for variable in network.trainable_variables]
    if got != expected:
        raise ValueError(f"checkpoint: {path} has parameters of shapes {got}, expected {expected}")
    for variable, parameter in zip(network.trainable_variables, parameters, strict=True):
        variable.assign(parameter)
    structure = network.initial_state(1)
    leaves = [arrays[f"state/{i}"] for i in range(len(tf.nest.flatten(structure))) if f"state/{i}" in arrays]
    return tf.nest.pack_sequence_as(structure, leaves) if leaves else None
