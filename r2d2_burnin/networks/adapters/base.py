"""What a network of any framework is to the checks and measures: two functions of NumPy arrays, and no gradient."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from r2d2_burnin.runtime import nests
from r2d2_burnin.runtime.errors import described

State = Any
"""A nest of NumPy arrays `[B, ...]`."""


AnyNetwork = Any
"""A `RecurrentNetwork`, or whatever `adapt` takes: networks of any framework."""


class UnfitNetwork(ValueError):
    """A network of the user's cannot be used."""


class FaultyNetwork(UnfitNetwork):
    """A network can be called, but its states cannot be equivalent: a fault that `check` is there to find."""


class CallableNetwork(Protocol):
    """A recurrent network of F features and A outputs that is called with NumPy arrays, and not trained here."""

    @property
    def name(self) -> str:
        """What messages call the network: its class or function."""

    def initial_state(self, batch_size: int) -> State:
        """The state that an episode starts with: a nest of `[B, ...]`."""

    def unroll(self, observations: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        """Outputs `[B, T, A]` and the state after the last step, from observations `[B, T, F]` and a state."""


@dataclasses.dataclass(frozen=True)
class Calls:
    """How a framework's network is called: what an adapter has to say of its framework."""

    name: str
    """What messages call the network."""
    initial_state: Callable[[int], Any]
    """The network's own initial state, in its own arrays."""
    unroll: Callable[[np.ndarray, Any], tuple[Any, Any]]
    """Outputs and state, in the network's own arrays, from observations `[B, T, F]` in NumPy and its own state."""
    to_numpy: Callable[[Any], np.ndarray]
    """A copy of one of its arrays in NumPy; dtypes that NumPy does not have (bfloat16) become float32, or stay."""
    like: Callable[[np.ndarray, Any], Any]
    """A NumPy array as one of its own: with the dtype, and on the device, of the given one."""
    flatten: Callable[[Any], list[Any]] = nests.flatten
    """The arrays of one of its states."""
    pack: Callable[[Any, Sequence[Any]], Any] = nests.pack
    """A state like the given one, with these arrays."""


class AdaptedNetwork:
    """A `CallableNetwork` made of the calls of a framework.

    State arrays may have their batch axis anywhere, as those of `torch.nn.LSTM` `[layers, B, H]` have it in second
    place. Initial states of two and of three examples show where it is; here it comes first.

    Raises:
        UnfitNetwork: for a network whose initial state shows no batch axis, or that raises.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.name = calls.name
        two, three = (self._own_initial_state(batch) for batch in (2, 3))
        self._like = calls.flatten(two)
        shapes = [[tuple(np.shape(leaf)) for leaf in calls.flatten(state)] for state in (two, three)]
        self._axes = _batch_axes(calls.name, *shapes)
        self._own_structure = two
        arrays = [calls.to_numpy(leaf) for leaf in self._like]
        # A container of the framework's own, which our nests take for an array, becomes a tuple of its arrays.
        self._structure = nests.pack(two, arrays) if len(nests.flatten(two)) == len(arrays) else tuple(arrays)

    def initial_state(self, batch_size: int) -> State:
        """The state that an episode starts with: a nest of `[B, ...]`."""
        return self._to_numpy(self._own_initial_state(batch_size))

    def unroll(self, observations: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        """Outputs `[B, T, A]` and the state after the last step, from observations `[B, T, F]` and a state.

        Raises:
            UnfitNetwork: where the network raises, or returns something else.
        """
        own = self._own_state(state)
        try:
            returned = self._calls.unroll(observations, own)
        except UnfitNetwork:
            raise
        except Exception as error:  # whatever the user's code raises
            raise UnfitNetwork(
                f"network: {self.name}, called with observations {list(observations.shape)}, raised {described(error)}"
            ) from error
        if not (isinstance(returned, tuple | list) and len(returned) == 2):
            kind = f"{len(returned)} values" if isinstance(returned, tuple | list) else f"a {type(returned).__name__}"
            raise UnfitNetwork(f"network: {self.name} returned {kind}, expected a pair (outputs, state)")
        outputs = self._calls.to_numpy(returned[0])
        if outputs.ndim != 3 or outputs.shape[:2] != observations.shape[:2]:
            raise UnfitNetwork(
                f"network: {self.name} returned outputs {list(outputs.shape)} for observations"
                f" {list(observations.shape)}, expected [{', '.join(map(str, observations.shape[:2]))}, A]"
            )
        return outputs, self._to_numpy(returned[1])

    def _own_initial_state(self, batch_size: int) -> Any:
        try:
            return self._calls.initial_state(batch_size)
        except Exception as error:  # whatever the user's code raises
            raise UnfitNetwork(f"network: {self.name}.initial_state({batch_size}) raised {described(error)}") from error

    def _to_numpy(self, own: Any) -> State:
        leaves = self._calls.flatten(own)
        if len(leaves) != len(self._like):
            raise UnfitNetwork(
                f"network: {self.name} returned a state of {len(leaves)} arrays, expected those of initial_state,"
                f" {len(self._like)}"
            )
        arrays = [self._calls.to_numpy(leaf) for leaf in leaves]
        for i, (array, axis, like) in enumerate(zip(arrays, self._axes, self._like, strict=True)):
            if array.ndim != len(np.shape(like)):
                raise UnfitNetwork(
                    f"network: {self.name} returned as state/{i} an array {list(array.shape)}, expected the axes that"
                    f" initial_state(2) has, {list(np.shape(like))}"
                )
            arrays[i] = np.ascontiguousarray(np.moveaxis(array, axis, 0))
        return nests.pack(self._structure, arrays)

    def _own_state(self, state: State) -> Any:
        leaves = nests.flatten(state)
        if len(leaves) != len(self._like):
            raise UnfitNetwork(
                f"network: {self.name} got a state of {len(leaves)} arrays, expected those of initial_state,"
                f" {len(self._like)}"
            )
        own = [
            self._calls.like(np.ascontiguousarray(np.moveaxis(np.asarray(leaf), 0, axis)), like)
            for leaf, axis, like in zip(leaves, self._axes, self._like, strict=True)
        ]
        return self._calls.pack(self._own_structure, own)


def _batch_axes(name: str, of_two: list[tuple[int, ...]], of_three: list[tuple[int, ...]]) -> list[int]:
    """The batch axis of each array, from the shapes for two and for three examples."""
    if len(of_two) != len(of_three):
        raise UnfitNetwork(
            f"network: {name}.initial_state has {len(of_two)} arrays for 2 examples and {len(of_three)} for 3, expected"
            " the same ones"
        )
    axes = []
    for i, (two, three) in enumerate(zip(of_two, of_three, strict=True)):
        differing = [axis for axis, sizes in enumerate(zip(two, three, strict=False)) if sizes == (2, 3)]
        if (
            len(two) != len(three)
            or len(differing) != 1
            or [s for a, s in enumerate(two) if a not in differing]
            != [s for a, s in enumerate(three) if a not in differing]
        ):
            raise UnfitNetwork(
                f"network: {name}.initial_state has as state/{i} an array {list(two)} for 2 examples and {list(three)}"
                " for 3, expected one axis to be the batch"
            )
        axes.append(differing[0])
    return axes
