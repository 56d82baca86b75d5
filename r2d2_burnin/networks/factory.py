"""The network that the settings ask for: this project's own, or the user's."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.networks.adapters import CallableNetwork, FaultyNetwork, UnfitNetwork, adapt, is_recurrent_network
from r2d2_burnin.networks.protocol import RecurrentNetwork
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork
from r2d2_burnin.networks.user_factory import call_factory, load_factory
from r2d2_burnin.runtime.errors import described
from r2d2_burnin.runtime.tensorflow import load, tf
from r2d2_burnin.settings import NetworkSettings

__all__ = ["UnfitNetwork", "check_trainable", "make_any_network", "make_network"]


def make_network(
    settings: NetworkSettings, inputs: InputSpace, outputs: int, *, dueling: bool = False, seed: int
) -> Any:
    """A network for the given inputs and outputs, to be trained; these may be `dueling` where the settings agree.

    Raises:
        UnfitNetwork: for a network of the user's that does not have what `RecurrentNetwork` asks for.
    """
    if settings.network is None:
        return DenseRecurrentNetwork(inputs, outputs, settings, seed=seed, dueling=dueling and settings.dueling)
    load()  # so that the generators of Keras are seeded
    network = call_factory(settings.network, inputs, outputs, seed=seed)
    _build(settings.network, network, inputs, outputs)
    return network


def make_any_network(
    settings: NetworkSettings, inputs: InputSpace, outputs: int, *, dueling: bool = False, seed: int
) -> RecurrentNetwork | CallableNetwork:
    """A network for the given inputs and outputs, not to be trained: of any framework, if it is the user's.

    Raises:
        UnfitNetwork: for a network of the user's that can be neither trained nor called.
    """
    if settings.network is None:
        network: RecurrentNetwork = make_network(settings, inputs, outputs, dueling=dueling, seed=seed)
        return network
    given = call_factory(settings.network, inputs, outputs, seed=seed)
    if is_recurrent_network(given):
        _build(settings.network, given, inputs, outputs)
        recurrent: RecurrentNetwork = given
        return recurrent
    if hasattr(given, "step") and not _is_callable(given):
        _check_methods(settings.network, given)
    adapted = adapt(given)
    adapted.unroll(np.zeros((2, 2, *inputs.shape), np.float32), adapted.initial_state(2))
    return adapted


def _build(name: str, network: Any, inputs: InputSpace, outputs: int) -> None:
    """Make a first step, which builds Keras layers, and check what comes of it."""
    _check_methods(name, network)
    try:
        given, _ = network.step(tf.zeros([1, *inputs.shape]), network.initial_state(1))
        shape = tuple(given.shape)
    except Exception as error:  # whatever the user's code raises
        raise UnfitNetwork(
            f"network: a step of {name}, called with observations {[1, *inputs.shape]}, raised {described(error)}"
        ) from error
    if shape != (1, outputs):
        raise UnfitNetwork(f"network: a step of {name} gives outputs {shape}, expected (1, {outputs})")
    if not len(getattr(network, "trainable_variables", ())):
        raise UnfitNetwork(f"network: {name} has no trainable_variables after its first step, expected at least one")


def _check_methods(name: str, network: Any) -> None:
    """Raise UnfitNetwork for a network without the methods that training calls; it says what works without them."""
    methods = ("initial_state", "step", "unroll")
    missing = [method for method in methods if not callable(getattr(network, method, None))]
    if not missing:
        return
    kind = type(network).__name__
    if _is_callable(network):
        raise UnfitNetwork(
            f"network: {name} made an object of class {kind}, which can be called, but not trained here: it has no"
            f" {', '.join(missing)} of TensorFlow. With it work python -m r2d2_burnin.check, record_episodes, advise,"
            " python -m experiments.burnin_advisor, and python -m r2d2_burnin.audit; expected for training what"
            " r2d2_burnin.networks.RecurrentNetwork lists"
        )
    raise UnfitNetwork(
        f"network: {name} made a {kind} without {', '.join(missing)}, expected what"
        " r2d2_burnin.networks.RecurrentNetwork lists"
    )


def check_trainable(name: str, inputs: InputSpace, outputs: int) -> None:
    """Refuse a network of another framework before any work starts.

    It is made only where its factory's module has imported another framework, or not TensorFlow: the networks of other
    factories are looked at where they are trained, as it takes long to make one.

    Raises:
        UnfitNetwork: for a network that cannot be trained here.
    """
    load_factory(name)
    if {"torch", "jax"} & set(sys.modules) or "tensorflow" not in sys.modules:
        _check_methods(name, call_factory(name, inputs, outputs, seed=0))


def _is_callable(network: Any) -> bool:
    """Whether a network can be called, as one of another framework."""
    try:
        adapt(network)
    except FaultyNetwork:
        return True
    except UnfitNetwork:
        return False
    return True
