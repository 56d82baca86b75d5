"""What users bring: environments, wrappers and networks, good ones and ones with a planted fault."""

from __future__ import annotations

import os
import time
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.networks.unrolling import unroll_step_by_step
from r2d2_burnin.runtime.tensorflow import keras, tf


class Moody(gym.Env[Any, Any]):
    """Episodes of 1 to 7 steps with composite observations; from `trouble_at` steps on it misbehaves."""

    def __init__(self, trouble: str = "", trouble_at: int = 10, seconds: float = 0.0) -> None:
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, (2, 3), np.uint8),
                "place": spaces.Tuple([spaces.Discrete(3), spaces.MultiBinary(2)]),
                "kind": spaces.MultiDiscrete([2, 3]),
            }
        )
        self.action_space = spaces.MultiDiscrete([2, 3], start=[0, 5])
        self.received: list[list[int]] = []
        self._trouble, self._trouble_at, self._seconds = trouble, trouble_at, seconds
        self._steps = self._episode = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self._left = self._episode % 7 + 1
        self._episode += 1
        return self._observation(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        time.sleep(self._seconds)
        self.received.append(np.asarray(action).tolist())
        self._steps += 1
        self._left -= 1
        trouble = self._trouble if self._steps >= self._trouble_at else ""
        if trouble == "raise":
            raise KeyError("broken inside")
        observation, reward = self._observation(), float("nan") if trouble == "nan reward" else 1.0
        if trouble == "dtype":
            observation["kind"] = observation["kind"].astype(np.float64)
        if trouble == "shape":
            observation["image"] = observation["image"][:1]
        return observation, reward, self._left == 0, False, {}

    def _observation(self) -> dict[str, Any]:
        return {
            "image": self.np_random.integers(0, 256, (2, 3), dtype=np.uint8),
            "place": (int(self.np_random.integers(3)), self.np_random.integers(0, 2, 2, dtype=np.int8)),
            "kind": self.np_random.integers(0, [2, 3]),
        }


class Images(gym.Env[Any, Any]):
    """Images whose brightest quarter is what the last one showed; the right action names it. NaNs on request."""

    def __init__(self, nan_at: int | None = None) -> None:
        high = 255 if nan_at is None else np.inf
        dtype = np.uint8 if nan_at is None else np.float32
        self.observation_space = spaces.Box(0, high, (12, 12, 2), dtype)
        self.action_space = spaces.Discrete(4, start=1)
        self._nan_at, self._steps = nan_at, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self._count = 0
        return self._draw(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        reward = float(action - 1 == self._quarter)
        self._count += 1
        self._steps += 1
        return self._draw(), reward, False, self._count == 6, {}

    def _draw(self) -> np.ndarray:
        self._quarter = int(self.np_random.integers(4))
        image = np.zeros((12, 12, 2), np.float64)
        row, column = divmod(self._quarter, 2)
        image[6 * row : 6 * row + 6, 6 * column : 6 * column + 6] = 200
        if self._nan_at is not None and self._steps >= self._nan_at:
            image[3, 4, 1] = np.nan
        return image.astype(self.observation_space.dtype)


class Endless(gym.Env[Any, Any]):
    """No episode ever ends."""

    observation_space = spaces.Box(0, 1, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        return np.zeros(1, np.float32), 0.0, False, False, {}


class Speaking(Endless):
    """An observation in words."""

    observation_space = spaces.Dict({"text": spaces.Text(5), "bit": spaces.Discrete(2)})


class BreaksLater(gym.Env[Any, Any]):
    """Every instance of a process works for its first three episodes; those made after the first `good` ones raise."""

    observation_space = spaces.Box(0, 1, (1,), np.float32)
    action_space = spaces.Discrete(2)
    instances = 0

    def __init__(self, good: int = 0) -> None:
        BreaksLater.instances += 1
        self._breaks = BreaksLater.instances > good
        self._episodes = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self._episodes += 1
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        if self._breaks and self._episodes > 3:
            raise RuntimeError("no power")
        return np.zeros(1, np.float32), float(action), self.np_random.random() < 0.3, False, {}


class Hangs(gym.Env[Any, Any]):
    """Episodes of three steps; the step number `at` never returns, and is no good from then on."""

    observation_space = spaces.Box(0, 1, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, at: int = 10) -> None:
        self._at = at
        self._steps = self._left = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self._left = 3
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        self._steps += 1
        self._left -= 1
        if self._steps == self._at:
            time.sleep(3600)
        return np.zeros(1, np.float32), 1.0, self._left == 0, False, {}


class Unrepeatable(Hangs):
    """Its observations are other ones each time, whatever the seed."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        _, *others = super().step(action)
        return np.frombuffer(os.urandom(1), np.uint8).astype(np.float32) / 255, *others


class Overflowing(Hangs):
    """Rewards that grow from episode to episode, until float32 cannot square them."""

    def __init__(self) -> None:
        super().__init__(at=0)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        observation, _, *others = super().step(action)
        return observation, min(1.4**self._steps, 1e38), *others


class Scripted(Hangs):
    """An error whose text would be run by a careless page."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        raise RuntimeError("<script>alert('raised')</script>")


for environment in (BreaksLater, Moody, Images, Endless, Speaking, Hangs, Unrepeatable, Overflowing, Scripted):
    gym.register(f"Test/{environment.__name__}-v0", environment)


class Halved(gym.RewardWrapper[Any, Any]):
    """Half of every reward."""

    def reward(self, reward: Any) -> float:
        return float(reward) / 2


def not_a_wrapper(env: gym.Env[Any, Any]) -> int:
    return 3


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
