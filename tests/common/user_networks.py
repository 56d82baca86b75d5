"""Networks that users bring, good ones and ones with a planted fault; their environments are a module of their own."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces

from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.networks.unrolling import unroll_step_by_step
from r2d2_burnin.runtime.tensorflow import keras, tf
from tests.common.user_environments import Halved, Images, Moody, not_a_wrapper  # noqa: F401 (found here too)


class KerasNetwork(keras.Model):
    """Any Keras layers inside, and a state that is a dictionary."""

    def __init__(self, outputs: int, layers: int = 1) -> None:
        super().__init__()
        self.first = keras.layers.Dense(6, "tanh")
        self.cell = keras.layers.GRUCell(6)
        self.last = keras.layers.Dense(outputs)

    def initial_state(self, batch_size: Any) -> Any:
        return {"memory": tf.zeros([batch_size, 6]), "clock": tf.zeros([batch_size])}

    def step(self, observations: Any, state: Any) -> Any:
        hidden = self.enter(self.first(observations))
        memory, _ = self.cell(hidden, [state["memory"]])
        clock = state["clock"] + 0.1
        outputs = self.last(tf.concat([memory, tf.sin(clock)[:, None]], -1))
        return outputs, {"memory": memory, "clock": clock}

    def enter(self, hidden: Any) -> Any:
        return hidden

    def unroll(self, observations: Any, state: Any, mask: Any = None) -> Any:
        return unroll_step_by_step(self, tf.convert_to_tensor(observations), state, mask)


def make_network(observation_space: InputSpace, action_space: spaces.Discrete) -> KerasNetwork:
    return KerasNetwork(int(action_space.n))


class Averaging(KerasNetwork):
    """It keeps a running average of what it has seen, in a variable that is not trained."""

    def __init__(self, outputs: int) -> None:
        super().__init__(outputs)
        self.average = self.add_weight(shape=(6,), initializer="zeros", trainable=False)

    def enter(self, hidden: Any) -> Any:
        self.average.assign(0.9 * self.average + 0.1 * tf.reduce_mean(tf.reshape(hidden, [-1, 6]), 0))
        return hidden - self.average


def make_averaging(observation_space: InputSpace, action_space: spaces.Discrete) -> Averaging:
    return Averaging(int(action_space.n))


class Normalised(KerasNetwork):
    """Running statistics of a batch normalization, and a random layer's seed; neither is trained."""

    def __init__(self, outputs: int) -> None:
        super().__init__(outputs)
        self.normalise = keras.layers.BatchNormalization(momentum=0.5)
        self.dropout = keras.layers.Dropout(0.5)

    def enter(self, hidden: Any) -> Any:
        return self.dropout(self.normalise(hidden))


class Plain:
    """No Keras model: a class with layers in a list, in another object, and a variable of its own."""

    def __init__(self, outputs: int) -> None:
        class Encoder:
            def __init__(self) -> None:
                self.normalise = keras.layers.BatchNormalization(momentum=0.5)
                self.owner: Any = None

        self.layers = {"cell": keras.layers.GRUCell(6), "last": [keras.layers.Dense(outputs)]}
        self.encoder = Encoder()
        self.encoder.owner = self  # a circle
        self.scale = tf.Variable(1.0, trainable=False)

    @property
    def trainable_variables(self) -> list[Any]:
        layers = [self.layers["cell"], self.layers["last"][0], self.encoder.normalise]
        return [variable for layer in layers for variable in layer.trainable_variables]

    def initial_state(self, batch_size: Any) -> Any:
        return tf.zeros([batch_size, 6])

    def step(self, observations: Any, state: Any) -> Any:
        hidden = self.encoder.normalise(observations * self.scale)
        state, _ = self.layers["cell"](hidden, [state])
        return self.layers["last"][0](state), state

    def unroll(self, observations: Any, state: Any, mask: Any = None) -> Any:
        return unroll_step_by_step(self, tf.convert_to_tensor(observations), state, mask)


class NotReset(KerasNetwork):
    """Fault: a new episode starts from the state that the last one ended with."""

    last_state: Any = None

    def initial_state(self, batch_size: Any) -> Any:
        fresh = super().initial_state(batch_size)
        if self.last_state is None:
            return fresh
        return tf.nest.map_structure(lambda zero, old: zero + old[:1], fresh, self.last_state)

    def step(self, observations: Any, state: Any) -> Any:
        outputs, state = super().step(observations, state)
        if tf.executing_eagerly():
            self.last_state = state
        return outputs, state


class OwnMemory(KerasNetwork):
    """Fault: something beside the state connects two calls."""

    def __init__(self, outputs: int) -> None:
        super().__init__(outputs)
        self.calls = tf.Variable(0.0, trainable=False)

    def step(self, observations: Any, state: Any) -> Any:
        outputs, state = super().step(observations, state)
        return outputs + self.calls.assign_add(0.1), state


class IgnoresMask(KerasNetwork):
    """Fault: padding advances the state."""

    def unroll(self, observations: Any, state: Any, mask: Any = None) -> Any:
        return super().unroll(observations, state)


class BatchNormalised(KerasNetwork):
    """Fault: batch normalisation left in training mode."""

    def __init__(self, outputs: int) -> None:
        super().__init__(outputs)
        self.normalise = keras.layers.BatchNormalization()

    def enter(self, hidden: Any) -> Any:
        return self.normalise(hidden, training=True)


class DropsOut(KerasNetwork):
    """Fault: dropout left on."""

    def __init__(self, outputs: int) -> None:
        super().__init__(outputs)
        self.dropout = keras.layers.Dropout(0.5)

    def enter(self, hidden: Any) -> Any:
        return self.dropout(hidden, training=True)


class UnrollsOtherwise(KerasNetwork):
    """Fault: unroll and step are not the same network."""

    def unroll(self, observations: Any, state: Any, mask: Any = None) -> Any:
        outputs, state = super().unroll(observations, state, mask)
        return outputs * 1.01, state


class RestartsInChunks(KerasNetwork):
    """Fault: unroll ignores the state it is given."""

    def unroll(self, observations: Any, state: Any, mask: Any = None) -> Any:
        return super().unroll(observations, self.initial_state(observations.shape[0]), mask)


class BatchInSecondPlace(KerasNetwork):
    """Fault: the batch is not a state array's first axis."""

    def initial_state(self, batch_size: Any) -> Any:
        return tf.zeros([6, batch_size])


class GrowingState(KerasNetwork):
    """Fault: a step returns another nest than it was given."""

    def step(self, observations: Any, state: Any) -> Any:
        outputs, state = super().step(observations, state)
        return outputs, {**state, "extra": state["clock"]}


def wrong_outputs(observation_space: InputSpace, action_space: spaces.Discrete) -> KerasNetwork:
    return KerasNetwork(int(action_space.n) + 1)


def no_unroll(observation_space: InputSpace, action_space: spaces.Discrete) -> Any:
    class Half:
        initial_state = step = lambda *_: None

    return Half()


def faulty_network(observation_space: InputSpace, action_space: spaces.Discrete) -> KerasNetwork:
    return IgnoresMask(int(action_space.n))


class MixedStates(KerasNetwork):
    """A state of many dtypes, on all of which the outputs depend: floats of `dtype`, a counter, a flag, a byte."""

    dtype_of_memory = "float32"

    def initial_state(self, batch_size: Any) -> Any:
        return {
            "memory": tf.zeros([batch_size, 6], self.dtype_of_memory),
            "steps": tf.zeros([batch_size], tf.int32),
            "odd": tf.zeros([batch_size, 1], tf.bool),
            "byte": tf.ones([batch_size], tf.uint8),
        }

    def step(self, observations: Any, state: Any) -> Any:
        hidden = self.first(observations)
        memory = state["memory"]
        real = tf.math.real(memory) if memory.dtype.is_complex else memory
        new, _ = self.cell(hidden, [tf.cast(real, tf.float32)])
        clock = tf.sin(0.1 * tf.cast(state["steps"], tf.float32)) * tf.cast(state["byte"], tf.float32)
        outputs = self.last(tf.concat([new, clock[:, None]], -1))
        outputs = tf.where(state["odd"], outputs, 0.5 * outputs)
        new = tf.complex(new, 0.5 * new) if memory.dtype.is_complex else new
        after = {
            "memory": tf.cast(new, self.dtype_of_memory),
            "steps": state["steps"] + 1,
            "odd": ~state["odd"],
            "byte": state["byte"] % 5 + 1,
        }
        return outputs, after


def mixed_states(dtype: str) -> Any:
    """A factory of networks whose memory is of `dtype`; also found as `mixed_states_DTYPE`."""

    def factory(observation_space: InputSpace, action_space: spaces.Discrete) -> MixedStates:
        return type(f"MixedStates_{dtype}", (MixedStates,), {"dtype_of_memory": dtype})(int(action_space.n))

    return factory


STATE_DTYPES = ("float32", "float16", "bfloat16", "float64", "complex64", "int32")
globals().update({f"mixed_states_{dtype}": mixed_states(dtype) for dtype in STATE_DTYPES})


def misspelt(observation_space: InputSpace, action_space: spaces.Discrete) -> Any:
    return KerasNetwork(action_space.nn)
