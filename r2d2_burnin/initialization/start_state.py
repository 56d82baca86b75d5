"""From a batch of fragments to the recurrent state before their first trained step."""

from __future__ import annotations

from typing import Any

from r2d2_burnin.data import FragmentBatch
from r2d2_burnin.initialization.base import Initialization
from r2d2_burnin.initialization.stored import Stored
from r2d2_burnin.networks.protocol import RecurrentNetwork, State, Tensor
from r2d2_burnin.networks.unrolling import unroll_with_states, where
from r2d2_burnin.runtime.errors import described
from r2d2_burnin.runtime.tensorflow import tf


class LearnedState:
    """One trained start state for all fragments that do not begin an episode: a nest of `[1, ...]`.

    Its variables are float32 whatever floats the state's arrays are: an optimizer's steps would vanish in float16. A
    complex array is kept as its real and its imaginary part. Arrays of other dtypes have no gradient and stay initial.
    """

    def __init__(self, network: RecurrentNetwork) -> None:
        self._network = network
        self.variables = [tf.Variable(value) for value in self._initial()]

    def reset(self) -> None:
        """Go back to the network's initial state."""
        for variable, value in zip(self.variables, self._initial(), strict=True):
            variable.assign(value)

    def __call__(self) -> State:
        """The state now; within a gradient tape, the variables get a gradient."""
        initial, variables = self._network.initial_state(1), iter(self.variables)
        return tf.nest.map_structure(
            lambda leaf: _from_real(next(variables), leaf.dtype) if has_gradient(leaf) else leaf, initial
        )

    def _initial(self) -> list[Tensor]:
        return [_as_real(leaf) for leaf in tf.nest.flatten(self._network.initial_state(1)) if has_gradient(leaf)]


def has_gradient(leaf: Any) -> bool:
    """Whether an array's numbers are continuous: of floats, real or complex."""
    dtype = tf.as_dtype(leaf.dtype)
    return bool(dtype.is_floating or dtype.is_complex)


def _as_real(leaf: Tensor) -> Tensor:
    """float32 numbers `[...]`, or `[2, ...]` (real and imaginary part) of complex ones."""
    if tf.as_dtype(leaf.dtype).is_complex:
        return tf.cast(tf.stack([tf.math.real(leaf), tf.math.imag(leaf)]), tf.float32)
    return tf.cast(leaf, tf.float32)


def _from_real(values: Any, dtype: Any) -> Tensor:
    """What `_as_real` made real, as `dtype`."""
    if tf.as_dtype(dtype).is_complex:
        return tf.cast(tf.complex(values[0], values[1]), dtype)
    return tf.cast(values, dtype)


def start_state(
    network: RecurrentNetwork, batch: FragmentBatch, initialization: Initialization | None = None, learned: State = ()
) -> State:
    """The batch's start state after its burn-in, without any gradient (R2D2, section 3).

    Padding in front of a burn-in (of fragments that start less than k steps into their episode) is masked: the state
    passes through it untouched.
    """
    return tf.nest.map_structure(
        tf.stop_gradient, burn_in(network, batch, first_state(network, batch, initialization, learned))[0]
    )


def first_state(
    network: RecurrentNetwork, batch: FragmentBatch, initialization: Initialization | None = None, learned: State = ()
) -> State:
    """The state before the first processed step: initial, or what the initialization starts from.

    Args:
        network: gives the initial state.
        batch: gives the stored states.
        initialization: by default one that starts from the stored states.
        learned: the trained state, a nest of `[1, ...]`; an empty tuple for none.
    """
    initial = network.initial_state(tf.shape(batch.from_initial_state)[0])
    initialization = initialization or Stored()
    # One that asks for states which are not stored is to fail, not to start from the zeros in their place.
    inherits = type(initialization).fragment_state is Initialization.fragment_state
    stored = batch.start_state if inherits or initialization.stores_states else None
    try:
        state = initialization.fragment_state(stored, learned)
    except Exception as error:  # whatever a user's code raises
        hint = "; its stores_states is False, so that stored is None" if stored is None else ""
        raise ValueError(
            f"strategies: fragment_state of {initialization.name} raised {described(error)}{hint}"
        ) from error
    return where(batch.from_initial_state, initial, state)


def burn_in(
    network: RecurrentNetwork, batch: FragmentBatch, state: State, *, every: int | None = None
) -> tuple[State, list[State]]:
    """The state after burn-in from the state before it, and those on the way after every `every` slots."""
    if not batch.burn_in_mask.shape[1]:
        return state, []
    _, last, states = unroll_with_states(
        network, batch.burn_in_observations, state, batch.burn_in_mask, every=every, first_slot=0
    )
    return last, states
