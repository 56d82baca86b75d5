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
    """What `RecurrentNetwork.unroll` asks for, made of `network.step`: right for every network.

    The steps are a loop, which compiles as quickly for long fragments as for short ones. Where a network is one of
    recurrent layers and others that act on every step alone, it is faster to unroll layer by layer, as
    `keras.layers.GRU` or `r2d2_burnin.keras_layers.TimeFusedGRU` do it. The number of steps, T, has to be known.
    """
    observations = tf.convert_to_tensor(observations)
    mask = None if mask is None else tf.convert_to_tensor(mask)
    steps = observations.shape[1]

    def advance(t: Any, state: State) -> tuple[Tensor, State]:
        output, new = network.step(observations[:, t], state)
        return output, new if mask is None else where(mask[:, t], new, state)

    # The first step by itself, as it tells the shape of outputs, and may make variables, which a loop cannot.
    output, state = advance(0, state)
    if steps == 1:
        return output[:, None], state
    outputs = tf.TensorArray(output.dtype, steps, element_shape=output.shape).write(0, output)

    def body(t: Any, state: State, outputs: Any) -> tuple[Any, State, Any]:
        output, state = advance(t, state)
        return t + 1, state, outputs.write(t, output)

    _, state, outputs = tf.while_loop(
        lambda t, *_: t < steps, body, (tf.constant(1), state, outputs), maximum_iterations=steps - 1
    )
    stacked = outputs.stack()
    return tf.transpose(stacked, [1, 0, *range(2, len(stacked.shape))]), state


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
