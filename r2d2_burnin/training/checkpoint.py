"""Checkpoints: a network's parameters in one file, or a whole run in the last two of a directory."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from r2d2_burnin.environments.guard import EnvironmentFault
from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.networks.protocol import RecurrentNetwork
from r2d2_burnin.networks.weights import all_variables, get_weights, set_weights
from r2d2_burnin.runtime import archive
from r2d2_burnin.runtime.tensorflow import tf


class Resumable(Protocol):
    """What a checkpoint is made of: a run that can tell its state, and go on from it."""

    @property
    def update(self) -> int:
        """Learner updates made so far."""

    def get_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Everything that decides how the run goes on, as arrays and as what JSON has."""

    def set_state(self, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
        """Go on from what `get_state` returned."""


def save(path: Path, network: RecurrentNetwork, state: Any = None, *, inputs: InputSpace | None = None) -> None:
    """Write all variables of `network`, and a nest of recurrent states `[B, ...]`, to an archive at `path`.

    `numpy.load(path)` reads it as well: `parameter/0`, `parameter/1`, .. are plain arrays, trained variables first, in
    the order of `networks.all_variables`; `parameter_names` [P] names them; `state/0`, .. are the state's;
    `reward_scale` is what rewards are divided by, if `inputs` are given.
    """
    arrays = {f"parameter/{i}": parameter for i, parameter in enumerate(get_weights(network))}
    arrays["parameter_names"] = np.array([_name(variable) for variable in all_variables(network)], np.str_)
    if state is not None:
        arrays |= {f"state/{i}": np.asarray(leaf) for i, leaf in enumerate(tf.nest.flatten(state))}
    if inputs is not None:
        arrays["reward_scale"] = np.array(inputs.reward_scale)
    archive.write(path, arrays)


def load(path: Path, network: RecurrentNetwork, *, inputs: InputSpace | None = None) -> Any:
    """Read the parameters into `network`; returns the nest of recurrent states saved with them, or None.

    The scale of rewards goes to `inputs`; it is 1 where the file has none.

    A file with the trained variables alone, as earlier versions wrote it, leaves the others as they are.

    Raises:
        ValueError: when the file is not a whole archive, or its parameters are not of the network's shapes.
    """
    arrays, _ = archive.read(path)
    parameters, states = archive.part("parameter", arrays), archive.part("state", arrays)
    got = [parameters[str(i)].shape for i in range(len(parameters)) if str(i) in parameters]
    expected = [tuple(variable.shape) for variable in all_variables(network)]
    if got not in (expected, expected[: len(network.trainable_variables)]):
        raise ValueError(f"checkpoint: {path} has parameters of shapes {got}, expected {expected}")
    set_weights(network, [parameters[str(i)] for i in range(len(got))])
    if inputs is not None:
        inputs.reward_scale = float(arrays.get("reward_scale", 1.0))
    structure = network.initial_state(1)
    leaves = [states[str(i)] for i in range(len(tf.nest.flatten(structure))) if str(i) in states]
    return tf.nest.pack_sequence_as(structure, leaves) if leaves else None


def _name(variable: Any) -> str:
    """A variable's name, for Keras' with those of its layers: `encoder/dense/kernel`."""
    return str(getattr(variable, "path", variable.name)).split(":")[0]


class CannotResume(RuntimeError):
    """A checkpoint is whole, but a run cannot go on from it."""


class Checkpoints:
    """The last two checkpoints of a run, in a directory of its own.

    Args:
        directory: where they are; `remove` deletes it with all that is in it.
        every: updates between two of them.
        identity: settings, initialization and seed of the run; a checkpoint of another identity is left alone.
        warn: is told of checkpoints that cannot be used or written; the run goes on.
    """

    def __init__(
        self, directory: Path, *, every: int, identity: dict[str, Any], warn: Callable[[str], None] = print
    ) -> None:
        self.directory = directory
        self._every = every
        self._identity = identity
        self.warn = warn
        self._last = 0

    def restore(self, run: Resumable) -> float:
        """Resume a new run from the newest usable checkpoint; returns the seconds that it had taken until then.

        Raises:
            CannotResume: when the run was left half way there; it has to be restarted.
        """
        newest, problems = archive.read_newest(self.directory)
        for problem in problems:
            self.warn(f"checkpoint left out: {problem}")
        if newest is None:
            return 0.0
        arrays, header = newest
        if header.get("identity") != self._identity:
            self.warn(f"checkpoint left out: {self.directory} holds those of another run")
            return 0.0
        try:
            run.set_state(arrays, header)
        except (EnvironmentFault, LookupError, ValueError, TypeError) as error:
            raise CannotResume(f"checkpoint left out: {error}") from error
        self._last = run.update
        return float(header["seconds"])

    def save_if_due(self, run: Resumable, seconds: float) -> None:
        """Write a checkpoint if there are enough updates since the last one."""
        if run.update // self._every <= self._last // self._every:
            return
        arrays, header = run.get_state()
        header |= {"identity": self._identity, "seconds": seconds}
        try:
            archive.write_numbered(self.directory, run.update, arrays, header)
        except OSError as error:
            self.warn(f"checkpoint of update {run.update} not written, the run goes on: {error}")
        self._last = run.update

    def remove(self) -> None:
        """Delete the checkpoints: the run is finished."""
        shutil.rmtree(self.directory, ignore_errors=True)
