"""The learner: gradient steps on fragments, several in one compiled program."""

from __future__ import annotations

from typing import Any

import numpy as np

from r2d2_burnin.compiled import Compiled
from r2d2_burnin.networks import RecurrentNetwork
from r2d2_burnin.objectives import Objective
from r2d2_burnin.quiet_tensorflow import keras, tf
from r2d2_burnin.replay import FragmentBatch
from r2d2_burnin.settings import LearnerSettings
from r2d2_burnin.start_state import start_state
from r2d2_burnin.time_fused import Tensor


class Learner:
    """Trains a network on fragments, from whatever state the fragments start, for `updates` updates."""

    def __init__(
        self, network: RecurrentNetwork, objective: Objective, settings: LearnerSettings, *, updates: int
    ) -> None:
        self.network = network
        self.objective = objective
        schedule = keras.optimizers.schedules.CosineDecay(
            settings.learning_rate, updates, alpha=settings.final_learning_rate / settings.learning_rate
        )
        self._optimizer = keras.optimizers.Adam(schedule, global_clipnorm=settings.gradient_clip)
        self._optimizer.build(network.trainable_variables)
        self._fresh = [variable.numpy() for variable in self._optimizer.variables]
        self._updates = Compiled(self._several_updates)

    def reset(self) -> None:
        """Forget everything that the optimizer has gathered."""
        for variable, value in zip(self._optimizer.variables, self._fresh, strict=True):
            variable.assign(value)

    def update(self, batches: FragmentBatch) -> np.ndarray:
        """Make U updates, one a batch, from batches with axes `[U, B, ...]`; returns their losses `[U]`.

        The loss of an update is the mean over its batch's trained steps. A new shape compiles a new program.
        """
        return np.asarray(self._updates(batches))

    def loss(self, batch: FragmentBatch) -> Tensor:
        """Mean loss of a batch's trained steps; padding does not count."""
        state = start_state(self.network, batch)
        outputs, _ = self.network.unroll(batch.observations, state)
        losses = self.objective.loss(outputs, batch.targets)
        weights = tf.cast(batch.mask, losses.dtype)
        return tf.reduce_sum(losses * weights) / tf.reduce_sum(weights)

    def _one_update(self, batch: FragmentBatch) -> Tensor:
        with tf.GradientTape() as tape:
            loss = self.loss(batch)
        variables = self.network.trainable_variables
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    def _several_updates(self, batches: Any) -> Tensor:
        count = batches.mask.shape[0]
        losses = tf.TensorArray(tf.float32, count, element_shape=[])

        def body(i: Tensor, losses: Any) -> tuple[Tensor, Any]:
            batch = tf.nest.map_structure(lambda array: array[i], batches)
            return i + 1, losses.write(i, self._one_update(batch))

        _, losses = tf.while_loop(lambda i, _: i < count, body, (tf.constant(0), losses))
        return losses.stack()
