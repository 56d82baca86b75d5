"""Recurrent networks: what the rest of the library asks of one, and the counting study's own.

Another network needs the three methods of `RecurrentNetwork` and its variables, nothing else: its state may be any nest
of arrays whose first axis is the batch.
"""

from __future__ import annotations

import itertools
import types
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.learning.q_learning import dueling_q_values
from r2d2_burnin.networks import convolution, time_fused
from r2d2_burnin.networks.gru import GRUCell
from r2d2_burnin.networks.lstm import LSTMCell
from r2d2_burnin.networks.time_fused import Cell, CellState, Tensor
from r2d2_burnin.runtime.tensorflow import keras, tf
from r2d2_burnin.settings import NetworkSettings

State = Any
"""Any nest of arrays `[B, ...]`."""

CELLS: dict[str, Cell] = {"lstm": LSTMCell(), "gru": GRUCell()}


class RecurrentNetwork(Protocol):
    """A network with a recurrent state, of F features and A outputs.

    Your own (`--network module:factory`) is made by `factory(observation_space, action_space)`. The observation space
    is an `inputs.InputSpace`, a Box `[F]`; its `split` gives images their shape back. The action space is
    `Discrete(A)`, one output an action (`Discrete(1)` for a regression). Any Keras layers may be inside; they are built
    by a first call of `step`. A class that inherits from `keras.Model` has its `trainable_variables` already.
    Variables that are not trained (see `all_variables`) are copied and saved with the others.

    State arrays may have any dtype. Those that are no floats (counters, flags) are carried, stored and refreshed like
    the others; they have no gradient, so `learned` leaves them initial, and distances of states leave them out.
    """

    @property
    def trainable_variables(self) -> Sequence[Any]:
        """What the learner changes."""

    def initial_state(self, batch_size: Any) -> State:
        """The state that an episode starts with, for `batch_size` examples."""

    def step(self, observations: Tensor, state: State) -> tuple[Tensor, State]:
        """One step: outputs `[B, A]` and the new state from observations `[B, F]`."""

    def unroll(self, observations: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        """Many steps: outputs `[B, T, A]` and the last state from observations `[B, T, F]`.

        Where `mask` `[B, T]` is False the state passes through untouched. `unroll_step_by_step` does this for any
        network that has `step`.
        """


class DenseRecurrentNetwork:
    """A dense layer on every step, recurrent layers, and a dense layer on every step.

    In front of it stands a small convolution if the inputs are images; behind it a dueling head if `dueling`.
    Variables are laid out as Keras lays them out (kernel `[F, G]`, recurrent kernel `[H, G]`, bias `[G]`, for the GRU
    one bias of each product), and drawn as Keras draws them: Glorot uniform, orthogonal, forget gates open.

    Args:
        inputs: features of a step, F, or the space that they come from.
        outputs: outputs, A.
        settings: size and kind.
        seed: of the parameters.
        dueling: whether the outputs are a value plus advantages, each with a hidden layer of its own (Wang et al.,
            2016, as R2D2 has it).
    """

    def __init__(
        self,
        inputs: int | InputSpace,
        outputs: int,
        settings: NetworkSettings | None = None,
        *,
        seed: int = 0,
        dueling: bool = False,
    ) -> None:
        settings = settings or NetworkSettings()
        self.settings = settings
        self.outputs = outputs
        self.dueling = dueling
        self.inputs = inputs
        self._cell = CELLS[settings.cell]
        units, width = settings.units, self._cell.gates * settings.units
        features = inputs if isinstance(inputs, int) else inputs.shape[0]
        self._convolution: list[Any] = []
        if isinstance(inputs, InputSpace) and inputs.image is not None:
            shape = inputs.image.image_shape
            features += convolution.features(shape) - inputs.observation_size
            for layer, kernel in enumerate(convolution.kernel_shapes(shape)):
                name = f"convolution_{layer}"
                self._convolution += [_variable(f"{name}/kernel", *kernel), _variable(f"{name}/bias", kernel[-1])]
        self._input_layer = _dense("input", features, units)
        self._recurrent_layers = [
            [
                _variable(f"recurrent_{layer}/kernel", units, width),
                _variable(f"recurrent_{layer}/recurrent_kernel", units, width),
                _variable(f"recurrent_{layer}/bias", width),
                *([_variable(f"recurrent_{layer}/recurrent_bias", width)] * self._cell.has_recurrent_gradient),
            ]
            for layer in range(settings.layers)
        ]
        self._head = (
            [
                *_dense("value_hidden", units, units),
                *_dense("value", units, 1),
                *_dense("advantages_hidden", units, units),
                *_dense("advantages", units, outputs),
            ]
            if dueling
            else _dense("output", units, outputs)
        )
        self.trainable_variables = [
            *self._convolution,
            *self._input_layer,
            *itertools.chain(*self._recurrent_layers),
            *self._head,
        ]
        self.variables = self.trainable_variables
        self.initialize(seed)

    def initialize(self, seed: int) -> None:
        """Draw all parameters anew; the same seed draws the same ones."""
        seeds = np.random.SeedSequence(seed).generate_state(len(self.trainable_variables))
        for variable, variable_seed in zip(self.trainable_variables, seeds, strict=True):
            variable.assign(self._draw(variable, int(variable_seed)))

    def initial_state(self, batch_size: Any) -> tuple[CellState, ...]:
        """Zeros, for every recurrent layer a tuple of `[B, H]`."""
        zeros = tf.zeros([batch_size, self.settings.units])
        return tuple(tuple(zeros for _ in range(self._cell.state_parts)) for _ in self._recurrent_layers)

    def step(self, observations: Tensor, state: tuple[CellState, ...]) -> tuple[Tensor, tuple[CellState, ...]]:
        """One step: outputs `[B, A]` and the new state from observations `[B, F]`."""
        hidden = self._dense_in(observations)
        new_state = []
        for (kernel, recurrent_kernel, *biases), layer_state in zip(self._recurrent_layers, state, strict=True):
            projected = tf.matmul(hidden, kernel) + biases[0]
            recurrent_bias = biases[1] if self._cell.has_recurrent_gradient else None
            layer_state = time_fused.step(self._cell, projected, recurrent_kernel, recurrent_bias, layer_state)
            hidden = layer_state[0]
            new_state.append(layer_state)
        return self._dense_out(hidden), tuple(new_state)

    def unroll(
        self, observations: Tensor, state: tuple[CellState, ...], mask: Tensor | None = None
    ) -> tuple[Tensor, tuple[CellState, ...]]:
        """Many steps: outputs `[B, T, A]` and the last state from observations `[B, T, F]` and `mask` `[B, T]`."""
        hidden = self._dense_in(tf.transpose(observations, [1, 0, 2]))  # [T, B, H], as all that follows
        mask = None if mask is None else tf.transpose(mask)
        last_state = []
        for (kernel, recurrent_kernel, *biases), layer_state in zip(self._recurrent_layers, state, strict=True):
            projected = tf.tensordot(hidden, kernel, 1)
            if self._cell.has_recurrent_gradient:
                projected += biases[0]
            # The last bias is added within the loop: outside it is one more pass over the projections of all steps.
            hidden, layer_state = time_fused.unroll(
                self._cell, projected, recurrent_kernel, tf.convert_to_tensor(biases[-1]), layer_state, mask
            )
            last_state.append(layer_state)
        return tf.transpose(self._dense_out(hidden), [1, 0, 2]), tuple(last_state)

    def _dense_in(self, observations: Tensor) -> Tensor:
        if self._convolution:
            assert isinstance(self.inputs, InputSpace)
            images, others = self.inputs.split_image(observations)
            observations = tf.concat([convolution.convolve(images, self._convolution), others], -1)
        return tf.nn.relu(_apply(self._input_layer, observations))

    def _dense_out(self, hidden: Tensor) -> Tensor:
        if not self.dueling:
            return _apply(self._head, hidden)
        value = _apply(self._head[2:4], tf.nn.relu(_apply(self._head[:2], hidden)))
        advantages = _apply(self._head[6:], tf.nn.relu(_apply(self._head[4:6], hidden)))
        return dueling_q_values(value, advantages)

    def _draw(self, variable: Any, seed: int) -> Tensor:
        kind = variable.name.split("/")[-1].split(":")[0]
        if kind == "kernel":
            return keras.initializers.GlorotUniform(seed)(variable.shape)
        if kind == "recurrent_kernel":
            return keras.initializers.Orthogonal(seed=seed)(variable.shape)
        bias = np.zeros(variable.shape, np.float32)
        if self.settings.cell == "lstm" and variable.name.startswith("recurrent"):
            bias[self.settings.units : 2 * self.settings.units] = 1.0
        return bias


def all_variables(network: RecurrentNetwork) -> list[Any]:
    """Trained variables, then the others: running statistics of a normalization, seeds of random layers, frozen layers.

    The others are what the network's own `variables` lists, as a Keras model and a `tf.Module` have it; for any other
    class those that its attributes hold.
    """
    trained = list(network.trainable_variables)
    known = {id(variable) for variable in trained}
    return trained + [variable for variable in _held_variables(network, set()) if id(variable) not in known]


def _held_variables(thing: Any, seen: set[int]) -> Iterator[Any]:
    """Variables of an object, of what its attributes hold, and of what is in nested containers, each once."""
    if id(thing) in seen or isinstance(thing, type | types.ModuleType):
        return
    seen.add(id(thing))
    if isinstance(thing, tf.Variable | keras.Variable):
        yield thing
        return
    parts: Any = getattr(thing, "variables", None)
    if not isinstance(parts, list | tuple):
        if isinstance(thing, list | tuple):
            parts = thing
        else:
            parts = (thing if isinstance(thing, dict) else getattr(thing, "__dict__", {})).values()
    for part in parts:
        yield from _held_variables(part, seen)


def parameters_of(network: RecurrentNetwork) -> list[np.ndarray]:
    """Copies of all variables of the network, in the order of `all_variables`."""
    return [variable.numpy() for variable in all_variables(network)]


def assign_parameters(network: RecurrentNetwork, parameters: Sequence[Any]) -> None:
    """Give the network these parameters, as `parameters_of` has them; the trained ones alone will do as well."""
    trained = network.trainable_variables
    variables = trained if len(parameters) == len(trained) else all_variables(network)
    for variable, value in zip(variables, parameters, strict=True):
        variable.assign(value)


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


def _dense(name: str, inputs: int, outputs: int) -> list[Any]:
    return [_variable(f"{name}/kernel", inputs, outputs), _variable(f"{name}/bias", outputs)]


def _apply(layer: Sequence[Any], values: Tensor) -> Tensor:
    kernel, bias = layer
    product = _narrow_product(values, kernel) if 1 in kernel.shape else tf.tensordot(values, kernel, 1)
    return product + bias


def _narrow_product(values: Tensor, kernel: Any) -> Tensor:
    """`values` `[..., F]` times a kernel `[F, A]` where F or A is 1.

    The kernel's gradient is then a sum over examples. As the product of matrices that it is by default, XLA turns it
    into a loop that takes about as long as one of the products over all steps of an LSTM layer.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def product(values: Tensor, kernel: Tensor) -> tuple[Tensor, Any]:
        def gradient(of_product: Tensor) -> tuple[Tensor, Tensor]:
            features, outputs = kernel.shape
            terms = tf.reshape(values, [-1, features]) * tf.reshape(of_product, [-1, outputs])
            of_kernel = tf.reshape(tf.reduce_sum(terms, 0), kernel.shape)
            return tf.tensordot(of_product, kernel, [[-1], [-1]]), of_kernel

        return tf.tensordot(values, kernel, 1), gradient

    # As tensors: a custom gradient would read variables at backward time.
    return product(tf.convert_to_tensor(values), tf.convert_to_tensor(kernel))


def _variable(name: str, *shape: int) -> Any:
    return tf.Variable(tf.zeros(shape), name=name)
