"""Unrolls that are made of a network's own `step` and `unroll`, and states chosen example by example."""

from __future__ import annotations

from typing import Any

from r2d2_burnin.networks.protocol import RecurrentNetwork, State, Tensor
from r2d2_burnin.runtime.tensorflow import tf


def where(flags: Tensor, chosen: State, otherwise: State) -> State:
    """Example by example: `chosen` where `flags` `[B]` is set, else `otherwise`; nests of `[B, ...]`, or `[1, ...]`."""
    return tf.nest.map_structure(
        lambda a, b: tf.where(tf.reshape(flags, [-1] + [1] * (len(a.shape) - 1)), a, b), chosen, otherwise
    )


def unroll_step_by_step(
    network: RecurrentNetwork, observations: Tensor, state: State, mask: Tensor | None = None
) -> tuple[Tensor, State]:
    """What `RecurrentNetwork.unroll` asks for, made of `network.step`: right for every network, fast for none.

    The number of steps, T, has to be known; the loop is unrolled, so a long one takes long to compile.
    """
    outputs = []
    for t in range(observations.shape[1]):
        output, new = network.step(observations[:, t], state)
        if mask is not None:
            new = where(mask[:, t], new, state)
        state = new
        outputs.append(output)
    return tf.stack(outputs, 1), state


def unroll_with_states(
    network: RecurrentNetwork,
    observations: Tensor,
    state: State,
    mask: Tensor | None,
    *,
    every: int | None,
    first_slot: int,
    until: int | None = None,
) -> tuple[Tensor, State, list[State]]:
    """An unroll that also returns the states after every `every` slots, up to `until` steps.

    Slots count the steps of burn-in and trained part together; the unroll begins at `first_slot`.
    """
    steps = observations.shape[1]
    stops = [t for t in range(1, (until or steps) + 1) if every is not None and (first_slot + t) % every == 0]
    outputs: list[Any] = []
    states: list[State] = []
    begin = 0
    for end in [*stops, *([] if stops and stops[-1] == steps else [steps])]:
        output, state = network.unroll(observations[:, begin:end], state, None if mask is None else mask[:, begin:end])
        outputs.append(output)
        if end in stops:
            states.append(state)
        begin = end
    return tf.concat(outputs, 1) if len(outputs) > 1 else outputs[0], state, states
