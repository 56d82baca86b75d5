"""From a batch of fragments to the recurrent state before their first trained step."""

from __future__ import annotations

from r2d2_burnin.networks import RecurrentNetwork, State
from r2d2_burnin.quiet_tensorflow import tf
from r2d2_burnin.replay import FragmentBatch
from r2d2_burnin.time_fused import Tensor


def start_state(network: RecurrentNetwork, batch: FragmentBatch) -> State:
    """The batch's start state after its burn-in, without any gradient (R2D2, section 3).

    Padding in front of a burn-in (of fragments that start less than k steps into their episode) is masked: the state
    passes through it untouched.
    """
    initial = network.initial_state(tf.shape(batch.from_initial_state)[0])
    state = tf.nest.map_structure(
        lambda zero, stored: tf.where(_like(batch.from_initial_state, zero), zero, stored), initial, batch.start_state
    )
    if batch.burn_in_mask.shape[1]:
        _, state = network.unroll(batch.burn_in_observations, state, batch.burn_in_mask)
    return tf.nest.map_structure(tf.stop_gradient, state)


def _like(flags: Tensor, array: Tensor) -> Tensor:
    """Flags `[B]` with as many axes as `array` `[B, ...]`."""
    return tf.reshape(flags, [-1] + [1] * (len(array.shape) - 1))
