"""Networks whose memory is known because it was built by hand, and episodes of theirs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from r2d2_burnin.data import Episode
from r2d2_burnin.runtime.tensorflow import tf

FLAG = 2.0
"""The first observation of an episode that the network `flagged` is wholly wrong in, unless it saw the first step."""
LATE = 10.0
"""Added to late observations, where the network `early` no longer needs to have seen the first step."""


class Known:
    """One number a step, from a state that is one array `[B, width]`."""

    trainable_variables: tuple[Any, ...] = ()

    def __init__(self, kind: str, width: int = 1, leak: float = 0.9) -> None:
        self.kind, self.width, self.leak = kind, width, leak

    def initial_state(self, batch_size: Any) -> Any:
        return (tf.zeros([batch_size, self.width]),)

    def step(self, observations: Any, state: Any) -> Any:
        (memory,) = state
        output = None
        if self.kind == "window":  # the last `width` observations
            memory = tf.concat([memory[:, 1:], observations], 1)
        elif self.kind == "leaky":
            memory = self.leak * memory + observations
        elif self.kind == "count":
            memory = memory + observations
        elif self.kind == "latch":  # the first bit of the episode, as -1 or 1
            memory = tf.where(memory == 0, 2 * observations - 1, memory)
        elif self.kind == "parity":  # a leaking trace beside it, so that the state error falls a little
            parity = tf.abs(memory[:, :1] - observations)
            memory = tf.concat([parity, 0.97 * memory[:, 1:] + 3 * observations], 1)
            output = 1 + parity
        elif self.kind == "flagged":
            memory = tf.maximum(memory, tf.cast(observations == FLAG, tf.float32))
            output = 1 + memory
        elif self.kind == "early":
            memory = tf.maximum(memory, tf.cast(observations == FLAG, tf.float32))
            output = 1 + memory * tf.cast(observations < LATE, tf.float32)
        else:
            memory = observations + 0.0 * memory
        return tf.reduce_sum(memory, 1, keepdims=True) if output is None else output, (memory,)

    def unroll(self, observations: Any, state: Any, mask: Any = None) -> Any:
        steps = observations.shape[1]

        def advance(t: Any, memory: Any, outputs: Any) -> Any:
            output, (new,) = self.step(observations[:, t], (memory,))
            if mask is not None:
                new = tf.where(mask[:, t, None], new, memory)
            return t + 1, new, outputs.write(t, output)

        outputs = tf.TensorArray(tf.float32, steps, element_shape=[observations.shape[0], 1])
        _, memory, outputs = tf.while_loop(
            lambda t, *_: t < steps, advance, (tf.constant(0), tf.convert_to_tensor(state[0]), outputs)
        )
        return tf.transpose(outputs.stack(), [1, 0, 2]), (memory,)


def record(
    network: Known,
    count: int = 24,
    length: int = 60,
    *,
    state_error: float = 0.0,
    flagged: Collection[int] = (),
    late: int | None = None,
) -> list[Episode]:
    """Episodes of random bits, with the states of the network, or with ones that are off by `state_error`.

    The `flagged` ones begin with `FLAG` instead of a bit; from step `late` on `LATE` is added.
    """
    bits = np.random.default_rng(0).integers(0, 2, (count, length, 1)).astype(np.float32)
    bits[list(flagged), 0] = FLAG
    if late is not None:
        bits[:, late:] += LATE
    state, states, outputs = network.initial_state(count), [], []
    for t in range(length):
        states.append(state[0].numpy())
        output, state = network.step(bits[:, t], state)
        outputs.append(output.numpy())
    by_episode = np.stack(states, 1)
    return [
        Episode(
            observations=bits[i],
            actions=np.zeros(length, np.int64),
            rewards=np.zeros(length, np.float32),
            targets=np.cumsum(bits[i, :, 0]),
            outputs=np.stack(outputs, 1)[i],
            states=(by_episode[i] + state_error,),
            updates=np.zeros(length, np.int64),
            terminated=True,
            final_observation=np.zeros(1, np.float32),
            environment=i,
        )
        for i in range(count)
    ]
