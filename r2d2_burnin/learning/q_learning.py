"""R2D2's Q-learning as pure functions, one formula each (Kapturowski et al., ICLR 2019, sections 2 and 2.3)."""

from __future__ import annotations

from r2d2_burnin.networks.protocol import Tensor
from r2d2_burnin.runtime.tensorflow import tf

RESCALING = 1e-3
"""Epsilon of the value rescaling."""


def rescale_value(x: Tensor) -> Tensor:
    """h(x) = sign(x) (sqrt(|x| + 1) - 1) + epsilon x (Pohlen et al., 2018, section 3.2; R2D2, section 2.3)."""
    # sign(x) (sqrt(|x| + 1) - 1), written so that nothing cancels for small |x|.
    return x / (tf.sqrt(tf.abs(x) + 1) + 1) + RESCALING * x


def restore_value(x: Tensor) -> Tensor:
    """The exact inverse of `rescale_value` (Pohlen et al., 2018, proposition A.2).

    sign(x) (((sqrt(1 + 4 epsilon (|x| + 1 + epsilon)) - 1) / (2 epsilon))^2 - 1).
    """
    # The square less 1 is u (u + 2), where u = sqrt(|h^-1(x)| + 1) - 1 solves epsilon u^2 + (1 + 2 epsilon) u = |x|.
    # Solved with the root in the denominator, nothing cancels, however small |x| is.
    linear = 1 + 2 * RESCALING
    u = 2 * x / (linear + tf.sqrt(linear**2 + 4 * RESCALING * tf.abs(x)))
    return u * (tf.abs(u) + 2)


def double_q_values(online: Tensor, target: Tensor) -> Tensor:
    """Value `[...]` of the action that the online network prefers, by the target network, from `[..., A]` each.

    Double Q-learning (van Hasselt et al., 2016, equation 4).
    """
    return tf.gather(
        target, tf.argmax(online, axis=-1, output_type=tf.int32), axis=-1, batch_dims=len(target.shape) - 1
    )


def n_step_targets(returns: Tensor, discounts: Tensor, bootstrap_values: Tensor, *, rescaled: bool) -> Tensor:
    """Targets `[...]`: y = h(R + discount h^-1(Q)) (R2D2, section 2.3), or y = R + discount Q if not `rescaled`."""
    if not rescaled:
        return returns + discounts * bootstrap_values
    return rescale_value(returns + discounts * restore_value(bootstrap_values))


def fragment_priorities(errors: Tensor, mask: Tensor, *, eta: float) -> Tensor:
    """Priorities `[B]` of fragments: p = eta max |delta| + (1 - eta) mean |delta| (R2D2, section 2.3).

    Args:
        errors: TD errors `[B, T]`.
        mask: `[B, T]` bool; where it is False there is padding, which counts in neither.
        eta: weight of the largest error.
    """
    size = tf.where(mask, tf.abs(errors), 0.0)
    mean = tf.math.divide_no_nan(tf.reduce_sum(size, 1), tf.reduce_sum(tf.cast(mask, size.dtype), 1))
    return eta * tf.reduce_max(size, 1) + (1 - eta) * mean


def largest_value(values: Tensor, mask: Tensor) -> Tensor:
    """Absolute value `[B]` of the largest Q-value over steps and actions: |max q| (R2D2, section 3, equation of ΔQ).

    Args:
        values: Q-values `[B, T, A]`.
        mask: `[B, T]` bool; steps where it is False do not count.
    """
    return tf.abs(tf.reduce_max(tf.where(mask[..., None], values, values.dtype.min), axis=[1, 2]))
