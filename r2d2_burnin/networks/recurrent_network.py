"""The project's own recurrent network: dense, recurrent layers, dense."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.networks import convolution
from r2d2_burnin.networks.cells import CellState
from r2d2_burnin.networks.layers import load_layer
from r2d2_burnin.networks.protocol import Tensor
from r2d2_burnin.runtime.tensorflow import keras, tf
from r2d2_burnin.settings import NetworkSettings


class DenseRecurrentNetwork:
    """A dense layer on every step, recurrent layers, and a dense layer on every step.

    In front of it stands a small convolution if the inputs are images; behind it a dueling head if `dueling`.
    Variables are laid out and drawn as Keras has them (see `layers.TimeFusedLayer`), those of a cell that is a layer
    itself as it says.

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
        self._layer = load_layer(settings.cell)
        units = settings.units
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
            [_variable(f"recurrent_{layer}/{name}", *shape) for name, shape in self._layer.shapes(units).items()]
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
        drawn = np.random.SeedSequence(seed).generate_state(len(self.trainable_variables))
        seeds = {id(variable): int(drawn[i]) for i, variable in enumerate(self.trainable_variables)}
        for variable in (*self._convolution, *self._input_layer, *self._head):
            variable.assign(_draw_dense(variable, seeds[id(variable)]))
        for variables in self._recurrent_layers:
            own = [seeds[id(variable)] for variable in variables]
            for variable, value in zip(variables, self._layer.initial_values(self.settings.units, own), strict=True):
                variable.assign(value)

    def initial_state(self, batch_size: Any) -> tuple[CellState, ...]:
        """Zeros, for every recurrent layer a tuple of `[B, H]`."""
        return tuple(self._layer.initial_state(self.settings.units, batch_size) for _ in self._recurrent_layers)

    def step(self, observations: Tensor, state: tuple[CellState, ...]) -> tuple[Tensor, tuple[CellState, ...]]:
        """One step: outputs `[B, A]` and the new state from observations `[B, F]`."""
        hidden = self._dense_in(observations)
        new_state = []
        for parameters, layer_state in zip(self._recurrent_layers, state, strict=True):
            hidden, layer_state = self._layer.step(parameters, hidden, layer_state)
            new_state.append(layer_state)
        return self._dense_out(hidden), tuple(new_state)

    def unroll(
        self, observations: Tensor, state: tuple[CellState, ...], mask: Tensor | None = None
    ) -> tuple[Tensor, tuple[CellState, ...]]:
        """Many steps: outputs `[B, T, A]` and the last state from observations `[B, T, F]` and `mask` `[B, T]`."""
        hidden = self._dense_in(tf.transpose(observations, [1, 0, 2]))  # [T, B, H], as all that follows
        mask = None if mask is None else tf.transpose(mask)
        last_state = []
        for parameters, layer_state in zip(self._recurrent_layers, state, strict=True):
            hidden, layer_state = self._layer.unroll(parameters, hidden, layer_state, mask)
            last_state.append(layer_state)
        return tf.transpose(self._dense_out(hidden), [1, 0, 2]), tuple(last_state)

    def state_decays(self, observations: Tensor) -> list[tuple[Tensor, ...]] | None:
        """What each step multiplies a wrong state by, of every layer (see `RecurrentLayer.decay`), in episodes' inputs.

        Layers above the first see what the exact states below them give. Observations are `[B, T, F]`, factors
        `[T, B, H]`; None for cells whose steps do not say it.
        """
        if self._layer.decay(self._recurrent_layers[0], tf.zeros([1, 1, self.settings.units])) is None:
            return None
        hidden = self._dense_in(tf.transpose(observations, [1, 0, 2]))
        decays = []
        initial = self.initial_state(observations.shape[0])
        for parameters, layer_state in zip(self._recurrent_layers, initial, strict=True):
            decay = self._layer.decay(parameters, hidden)
            assert decay is not None  # it was not for the first layer
            decays.append(decay)
            hidden, _ = self._layer.unroll(parameters, hidden, layer_state)
        return decays

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


def _draw_dense(variable: Any, seed: int) -> Tensor:
    """As Keras does: kernels Glorot uniform, biases zero."""
    if variable.name.split("/")[-1].split(":")[0] == "kernel":
        return keras.initializers.GlorotUniform(seed)(variable.shape)
    return np.zeros(variable.shape, np.float32)


def _dense(name: str, inputs: int, outputs: int) -> list[Any]:
    return [_variable(f"{name}/kernel", inputs, outputs), _variable(f"{name}/bias", outputs)]


def _apply(layer: Sequence[Any], values: Tensor) -> Tensor:
    kernel, bias = layer
    product = _narrow_product(values, kernel) if 1 in kernel.shape else tf.tensordot(values, kernel, 1)
    return product + bias


def _narrow_product(values: Tensor, kernel: Any) -> Tensor:
    """`values` `[..., F]` times a kernel `[F, A]` where F or A is 1.

    The kernel's gradient is then a sum over examples. XLA makes a slow loop of the product of matrices that it is by
    default: an update of a network with 32 units takes 5 % longer with it. (Dense layers of Keras have it too.)
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


def dueling_q_values(value: Tensor, advantages: Tensor) -> Tensor:
    """Q-values `[..., A]`: a value `[..., 1]` plus advantages `[..., A]` less their mean (Wang et al., 2016, eq. 9)."""
    return value + advantages - tf.reduce_mean(advantages, axis=-1, keepdims=True)
