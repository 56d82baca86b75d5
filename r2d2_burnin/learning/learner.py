"""The learner: gradient steps on fragments, several in one compiled program."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from r2d2_burnin.data import FragmentBatch
from r2d2_burnin.initialization import Initialization, Stored
from r2d2_burnin.initialization.start_state import LearnedState, burn_in, first_state, has_gradient, start_state
from r2d2_burnin.learning.objectives import Objective, StepLosses, trained_steps
from r2d2_burnin.learning.q_learning import fragment_priorities
from r2d2_burnin.networks.protocol import RecurrentNetwork, State, Tensor
from r2d2_burnin.networks.unrolling import unroll_with_states
from r2d2_burnin.networks.weights import all_variables, get_weights, set_weights
from r2d2_burnin.runtime.compiled import Compiled
from r2d2_burnin.runtime.tensorflow import keras, tf
from r2d2_burnin.settings import LearnerSettings


class Updates(NamedTuple):
    """The results of U updates."""

    losses: np.ndarray  # [U]; 0 where no step of a batch has a loss
    priorities: np.ndarray  # [U, B] of the batches' fragments, under the parameters before each update
    states: Any  # nest of [U, B, M, ...] recomputed at the starts of the next M fragments; () unless they are refreshed
    trained: np.ndarray  # [U] steps of each batch that have a loss


class Gradients(NamedTuple):
    """What one batch asks for."""

    gradients: list[Tensor]  # of the network's variables, then of the learned state's
    loss: Tensor
    losses: StepLosses
    states: list[State]  # recomputed at the starts of the next fragments


class Learner:
    """Trains a network on fragments, from whatever state the fragments start, for `updates` updates.

    Args:
        network: what is trained.
        objective: what on.
        settings: the optimizer, and whether gradients go through burn-in.
        updates: over how many updates the step size sinks.
        target_network: another network of the same kind, for objectives that bootstrap.
        target_update_period: updates between two copies of the network to the target network.
        priority_eta: weight of the largest error in a priority.
        refresh_period: steps between the starts of fragments, to return the states recomputed there; None for none.
        initialization: what fragments start from, by default the stored states. A state that it trains gets a gradient
            through burn-in; the parameters do not, unless the settings say so. A target network has a copy of such a
            state, as old as its weights.
    """

    def __init__(
        self,
        network: RecurrentNetwork,
        objective: Objective,
        settings: LearnerSettings,
        *,
        updates: int,
        target_network: RecurrentNetwork | None = None,
        target_update_period: int = 1,
        priority_eta: float = 0.9,
        refresh_period: int | None = None,
        initialization: Initialization | None = None,
    ) -> None:
        self.network = network
        self.objective = objective
        self.target_network = target_network
        self._target_update_period = target_update_period
        self._priority_eta = priority_eta
        self._refresh_period = refresh_period
        self._burn_in_gradient = settings.burn_in_gradient
        self._initialization = initialization = initialization or Stored()
        self._learned = LearnedState(network) if initialization.learns_state else None
        self._target_learned = (
            LearnedState(network) if initialization.learns_state and target_network is not None else None
        )
        self._variables = [*network.trainable_variables, *_variables_of(self._learned)]
        schedule = keras.optimizers.schedules.CosineDecay(
            settings.learning_rate, updates, alpha=settings.final_learning_rate / settings.learning_rate
        )
        self._optimizer = keras.optimizers.Adam(
            schedule, epsilon=settings.adam_epsilon, global_clipnorm=settings.gradient_clip
        )
        self._optimizer.build(self._variables)
        self._fresh = [variable.numpy() for variable in self._optimizer.variables]
        self._updates = Compiled(self._several_updates)
        self._priorities = Compiled(lambda batch: self._batch_priorities(batch, self._forward(batch)[0]))
        self.reset()

    @property
    def learned_state(self) -> State:
        """The trained start state, a nest of `[1, ...]`; an empty tuple where none is trained."""
        return tf.nest.map_structure(np.asarray, _value_of(self._learned))

    def reset(self) -> None:
        """Forget everything that the optimizer has gathered, and copy the network to the target network."""
        for variable, value in zip(self._optimizer.variables, self._fresh, strict=True):
            variable.assign(value)
        for learned in (self._learned, self._target_learned):
            if learned is not None:
                learned.reset()
        if self.target_network is not None:
            set_weights(self.target_network, get_weights(self.network))

    def get_state(self) -> dict[str, np.ndarray]:
        """Parameters, the optimizer's variables, the target network's, and the learned states."""
        return {name: variable.numpy() for name, variable in self._named_variables().items()}

    def set_state(self, state: dict[str, np.ndarray]) -> None:
        """Go on from what `get_state` returned."""
        for name, variable in self._named_variables().items():
            variable.assign(state[name])

    def _named_variables(self) -> dict[str, Any]:
        groups = {
            "network": all_variables(self.network),
            "target": [] if self.target_network is None else all_variables(self.target_network),
            "learned": _variables_of(self._learned),
            "target_learned": _variables_of(self._target_learned),
            "optimizer": self._optimizer.variables,
        }
        return {f"{group}/{i}": variable for group, variables in groups.items() for i, variable in enumerate(variables)}

    def update(self, batches: FragmentBatch) -> Updates:
        """Make U updates, one a batch, from batches with axes `[U, B, ...]`.

        The loss of an update is the mean over its batch's trained steps, weighted by the batch's importance weights. A
        new shape compiles a new program.
        """
        losses, priorities, states, trained = self._updates(batches)
        states = tf.nest.map_structure(np.asarray, states)
        return Updates(np.asarray(losses), np.asarray(priorities), states, np.asarray(trained))

    def priorities(self, batch: FragmentBatch) -> np.ndarray:
        """Priorities `[B]` of a batch's fragments under today's parameters."""
        return np.asarray(self._priorities(batch))

    def loss(self, batch: FragmentBatch) -> Tensor:
        """Mean loss of a batch's trained steps; padding does not count."""
        return _mean_loss(batch, self._forward(batch)[0])

    def _forward(self, batch: FragmentBatch, start: State | None = None) -> tuple[StepLosses, list[State]]:
        """Losses from the state before the first trained step, and the states on the way that are to be refreshed."""
        if start is None:
            start = start_state(self.network, batch, self._initialization, _value_of(self._learned))
        outputs, _, states = unroll_with_states(
            self.network,
            batch.observations,
            start,
            None,
            every=self._refresh_period,
            first_slot=batch.burn_in_mask.shape[1],
            until=batch.mask.shape[1],
        )
        outputs = tf.cast(outputs, tf.float32)  # the labels' dtype, whatever the network computes in
        target_outputs = outputs
        if self.target_network is not None:
            # Each network burns in on its own: the states that the two make of the same steps differ.
            own_start = start_state(self.target_network, batch, self._initialization, _value_of(self._target_learned))
            target_outputs, _ = self.target_network.unroll(batch.observations, own_start)
            target_outputs = tf.cast(target_outputs, tf.float32)
        return self.objective.losses(outputs, tf.stop_gradient(target_outputs), batch.labels), states

    def _batch_priorities(self, batch: FragmentBatch, losses: StepLosses) -> Tensor:
        return fragment_priorities(losses.error, trained_steps(batch.mask, losses), eta=self._priority_eta)

    def gradients(self, batch: FragmentBatch) -> Gradients:
        """Gradients of a batch's loss, and what came up on the way.

        That of the parameters does not go through burn-in, unless the settings say so; that of a learned start state
        has to.
        """
        with tf.GradientTape() as burn_in_tape:
            first = first_state(self.network, batch, self._initialization, _value_of(self._learned))
            burned_in, states = burn_in(self.network, batch, first, every=self._refresh_period)
        start = tf.nest.map_structure(tf.stop_gradient, burned_in)
        parameters, learned = list(self.network.trainable_variables), _variables_of(self._learned)
        through = [*(parameters if self._burn_in_gradient else []), *learned]
        start_leaves = list(filter(has_gradient, tf.nest.flatten(start))) if through else []
        with tf.GradientTape() as tape:
            tape.watch(start_leaves)
            losses, later_states = self._forward(batch, start)
            loss = _mean_loss(batch, losses)
        gradients = tape.gradient(loss, [*parameters, *start_leaves])
        of_parameters, of_start = gradients[: len(parameters)], gradients[len(parameters) :]
        of_burn_in = burn_in_tape.gradient(
            list(filter(has_gradient, tf.nest.flatten(burned_in))) if through else [],
            through,
            # A leaf that no output depends on has no gradient, rather than zeros.
            [tf.zeros_like(x) if g is None else g for x, g in zip(start_leaves, of_start, strict=True)] or None,
            tf.UnconnectedGradients.ZERO,
        )
        if self._burn_in_gradient:
            of_parameters = [b if a is None else a + b for a, b in zip(of_parameters, of_burn_in, strict=False)]
        of_learned = of_burn_in[len(through) - len(learned) :]
        return Gradients([*of_parameters, *of_learned], loss, losses, [*states, *later_states])

    def _one_update(self, batch: FragmentBatch) -> tuple[Tensor, Tensor, State, Tensor]:
        gradients, loss, losses, states = self.gradients(batch)
        self._optimizer.apply(gradients, self._variables)
        if self.target_network is not None:
            copies = self._optimizer.iterations % self._target_update_period == 0
            targets = [*all_variables(self.target_network), *_variables_of(self._target_learned)]
            sources = [*all_variables(self.network), *_variables_of(self._learned)]
            for target, source in zip(targets, sources, strict=True):
                target.assign(tf.where(copies, source, target))
        stacked = tf.nest.map_structure(lambda *leaves: tf.stack(leaves, 1), *states) if states else ()
        trained = tf.reduce_sum(tf.cast(trained_steps(batch.mask, losses), tf.int32))
        return loss, self._batch_priorities(batch, losses), stacked, trained

    def _several_updates(self, batches: Any) -> tuple[Tensor, Tensor, State, Tensor]:
        count, size = batches.mask.shape[:2]
        slots = batches.burn_in_mask.shape[2] + batches.mask.shape[2]
        refreshed: Any = ()
        if self._refresh_period is not None and slots >= self._refresh_period:
            refreshed = tf.nest.map_structure(
                lambda leaf: _history(count, leaf.dtype, [size, slots // self._refresh_period, *leaf.shape[1:]]),
                self.network.initial_state(1),
            )
        histories = (
            _history(count, tf.float32, []),
            _history(count, tf.float32, [size]),
            refreshed,
            _history(count, tf.int32, []),
        )

        def body(i: Tensor, histories: Any) -> tuple[Tensor, Any]:
            results = self._one_update(tf.nest.map_structure(lambda array: array[i], batches))
            return i + 1, tf.nest.map_structure(lambda history, value: history.write(i, value), histories, results)

        _, histories = tf.while_loop(lambda i, _: i < count, body, (tf.constant(0), histories))
        losses, priorities, states, trained = tf.nest.map_structure(lambda history: history.stack(), histories)
        return losses, priorities, states, trained


def _variables_of(learned: LearnedState | None) -> list[Any]:
    return [] if learned is None else learned.variables


def _value_of(learned: LearnedState | None) -> State:
    return () if learned is None else learned()


def _history(count: int, dtype: Any, shape: list[Any]) -> Any:
    return tf.TensorArray(dtype, count, element_shape=shape)


def _mean_loss(batch: FragmentBatch, losses: StepLosses) -> Tensor:
    mask = trained_steps(batch.mask, losses)
    trained = tf.cast(mask, losses.loss.dtype)
    weighted = tf.where(mask, losses.loss, 0.0) * batch.weights[:, None]
    # A batch may have no step with a target; each fragment has a step, so that no other batch has fewer than one.
    return tf.reduce_sum(weighted) / tf.maximum(tf.reduce_sum(trained), 1)
