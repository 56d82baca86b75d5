"""The network that the settings ask for: this project's own, or the user's."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces

from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.environments.make import import_object
from r2d2_burnin.networks.protocol import RecurrentNetwork
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork
from r2d2_burnin.runtime.errors import described
from r2d2_burnin.runtime.tensorflow import keras, tf
from r2d2_burnin.settings import NetworkSettings


def make_network(
    settings: NetworkSettings, inputs: InputSpace, outputs: int, *, dueling: bool = False, seed: int
) -> Any:
    """A network for the given inputs and outputs; these may be `dueling` where the settings agree.

    Raises:
        ValueError: for a network of the user's that does not have what `RecurrentNetwork` asks for.
    """
    if settings.network is None:
        return DenseRecurrentNetwork(inputs, outputs, settings, seed=seed, dueling=dueling and settings.dueling)
    keras.utils.set_random_seed(seed)
    factory = import_object("network", settings.network)
    actions = spaces.Discrete(outputs)
    actions.n = outputs  # type: ignore[assignment]  # an int: layers of Keras refuse NumPy's
    try:
        network = factory(inputs, actions)
        build(settings.network, network, inputs, outputs)
    except UnfitNetwork:
        raise
    except Exception as error:  # whatever the user's code raises
        raise UnfitNetwork(
            f"network: {settings.network}, called with an observation space {list(inputs.shape)} and"
            f" Discrete({outputs}), raised {described(error)}"
        ) from error
    return network


class UnfitNetwork(ValueError):
    """A network of the user's cannot be used."""


def build(name: str, network: RecurrentNetwork, inputs: InputSpace, outputs: int) -> None:
    """Make a first step, which builds Keras layers, and check what comes of it."""
    missing = [method for method in ("initial_state", "step", "unroll") if not callable(getattr(network, method, None))]
    if missing:
        raise UnfitNetwork(
            f"network: {name} made a {type(network).__name__} without {', '.join(missing)}, expected what"
            " r2d2_burnin.networks.RecurrentNetwork lists"
        )
    given, _ = network.step(tf.zeros([1, *inputs.shape]), network.initial_state(1))
    if tuple(given.shape) != (1, outputs):
        raise UnfitNetwork(f"network: a step of {name} gives outputs {tuple(given.shape)}, expected (1, {outputs})")
    if not len(getattr(network, "trainable_variables", ())):
        raise UnfitNetwork(f"network: {name} has no trainable_variables after its first step, expected at least one")
