"""Networks: their variables, trained and others, and gradients of variables that are assigned meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.learning.learner import Learner
from r2d2_burnin.learning.objectives import QLearning
from r2d2_burnin.networks.factory import make_network as make_network_of
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork
from r2d2_burnin.networks.weights import all_variables, get_weights, set_weights
from r2d2_burnin.runtime import archive
from r2d2_burnin.runtime.tensorflow import tf
from r2d2_burnin.settings import LearnerSettings, NetworkSettings, QLearningSettings
from r2d2_burnin.training import checkpoint
from r2d2_burnin.training.collector import LocalCollector
from tests.common import user_networks
from tests.common.episodes import act_episode, replay_of
from tests.common.networks import KINDS, make_network, random_state

NOT_TRAINED = {
    user_networks.Averaging: 2,  # the average, and the seed that every recurrent cell of Keras has
    user_networks.Normalised: 4,  # mean, variance, and the seeds of dropout and cell
    user_networks.Plain: 4,  # mean, variance, the cell's seed, and its own variable
}


def make(kind: Any, seed: int) -> Any:
    """A network whose variables are all different, the integers too."""
    network = kind(2)
    network.step(tf.zeros([1, 3]), network.initial_state(1))
    generator = np.random.default_rng(seed)
    for variable in all_variables(network):
        variable.assign(generator.uniform(1, 9, variable.shape).astype(np.asarray(variable.numpy()).dtype))
    return network


def values(network: Any) -> list[np.ndarray]:
    return [variable.numpy() for variable in all_variables(network)]


def assert_same(a: list[np.ndarray], b: list[np.ndarray]) -> None:
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("kind", NOT_TRAINED)
def test_copies_have_every_variable(kind: Any) -> None:
    network, other = make(kind, 1), make(kind, 2)
    count = len(network.trainable_variables)
    assert len(all_variables(network)) == count + NOT_TRAINED[kind]
    assert len({id(variable) for variable in all_variables(network)}) == len(all_variables(network))
    assert all((x != y).all() for x, y in zip(get_weights(network), get_weights(other), strict=True))
    set_weights(other, get_weights(network))
    assert_same(values(other), values(network))
    x = np.ones([1, 3], np.float32)
    assert_same(network.step(x, network.initial_state(1))[0], other.step(x, other.initial_state(1))[0])
    third = make(kind, 3)
    before = get_weights(third)
    set_weights(third, get_weights(network)[:count])  # the trained ones alone, as files of old have them
    assert_same(get_weights(third)[:count], get_weights(network)[:count])
    assert_same(get_weights(third)[count:], before[count:])


@pytest.mark.parametrize("kind", NOT_TRAINED)
def test_files_of_parameters_have_every_variable_as_a_plain_array(kind: Any, tmp_path: Path) -> None:
    network, other = make(kind, 1), make(kind, 2)
    path = tmp_path / "run.npz"
    checkpoint.save(path, network)
    with np.load(path, allow_pickle=False) as file:
        assert_same([file[f"parameter/{i}"] for i in range(len(all_variables(network)))], get_weights(network))
        names = file["parameter_names"].tolist()
    assert len(names) == len(all_variables(network))
    assert any(name.endswith("kernel") for name in names)
    checkpoint.load(path, other)
    assert_same(values(other), values(network))

    # What earlier versions wrote: the trained variables alone, without names.
    count, third = len(network.trainable_variables), make(kind, 3)
    archive.write(path, {f"parameter/{i}": value for i, value in enumerate(get_weights(network)[:count])})
    checkpoint.load(path, third)
    assert_same(get_weights(third)[:count], get_weights(network)[:count])
    archive.write(path, {f"parameter/{i}": value for i, value in enumerate(get_weights(network)[: count - 1])})
    with pytest.raises(ValueError, match=r"checkpoint: .* has parameters of shapes"):
        checkpoint.load(path, third)


def test_names_of_this_projects_own_networks(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "run.npz", DenseRecurrentNetwork(1, 1, NetworkSettings(4)))
    with np.load(tmp_path / "run.npz") as file:
        assert file["parameter_names"].tolist() == [
            "input/kernel",
            "input/bias",
            "recurrent_0/kernel",
            "recurrent_0/recurrent_kernel",
            "recurrent_0/bias",
            "output/kernel",
            "output/bias",
        ]
        assert file["parameter/3"].shape == (4, 16)


@pytest.mark.parametrize("kind", NOT_TRAINED)
def test_the_target_and_the_acting_network_get_every_variable(kind: Any) -> None:
    online, target, acting = make(kind, 1), make(kind, 2), make(kind, 3)
    learner = Learner(online, QLearning(2, QLearningSettings()), LearnerSettings(), updates=9, target_network=target)
    assert_same(values(target), values(online))  # from the start

    class NoActor:
        update = 0

    source = LocalCollector(NoActor, online, acting, parameter_lag=1, updates_between=1)  # type: ignore[arg-type]
    first = values(online)
    set_weights(online, get_weights(make(kind, 4)))
    source.note_parameters(1)
    source.prepare(1)
    assert_same(values(acting), first)
    source.prepare(2)
    assert_same(values(acting), values(online))
    learner.reset()
    assert_same(values(target), values(online))


def test_an_update_copies_every_variable_to_the_target_network_when_it_is_due() -> None:
    objective = QLearning(2, QLearningSettings(n_step=1))
    online, target = user_networks.Averaging(2), user_networks.Averaging(2)
    for network in (online, target):
        network.step(tf.zeros([1, 1]), network.initial_state(1))
    replay = replay_of(act_episode(online, 2, block=False), "stored", objective)
    learner = Learner(online, objective, LearnerSettings(), updates=9, target_network=target, target_update_period=2)
    batches = replay.batch(replay.all_rows()[None])
    average = online.average.numpy()
    learner.update(batches)
    assert (online.average.numpy() != average).all()
    assert all((a != b).any() for a, b in zip(values(target)[:7], values(online)[:7], strict=True))
    learner.update(batches)
    assert_same(values(target), values(online))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("masked", [False, True])
def test_variables_assigned_before_the_gradient_is_asked_for_change_nothing(kind: Any, masked: bool) -> None:
    network = DenseRecurrentNetwork(2, 2, NetworkSettings(5, *kind), seed=1)
    generator = np.random.default_rng(0)
    observations = tf.Variable(generator.normal(size=(3, 6, 2)).astype(np.float32))
    flags = generator.random((3, 6)) < 0.7
    result = []
    for assigns in (False, True):
        network.initialize(1)
        mask = tf.Variable(flags) if masked else None
        state = tf.nest.map_structure(tf.Variable, random_state(network, 3, 2))
        sources = [*network.trainable_variables, observations, *tf.nest.flatten(state)]
        with tf.GradientTape() as tape:
            outputs, last = network.unroll(observations, state, mask)
            loss = tf.reduce_sum(tf.sin(outputs)) + sum(tf.reduce_sum(leaf**2) for leaf in tf.nest.flatten(last))
        if assigns:
            before = observations.numpy()
            for variable in sources:
                variable.assign(2 * variable + 1)
            if mask is not None:
                mask.assign(~mask)
        result.append(tape.gradient(loss, sources))
        if assigns:
            observations.assign(before)
    for expected, got in zip(*result, strict=True):
        np.testing.assert_array_equal(got, expected)
    if not masked:
        for expected, got in zip(gradients_step_by_step(network, observations), result[1], strict=False):
            np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)


def gradients_step_by_step(network: DenseRecurrentNetwork, observations: Any) -> Any:
    """The same gradients of the parameters, by TensorFlow through single steps."""
    network.initialize(1)
    state = random_state(network, 3, 2)
    with tf.GradientTape() as tape:
        loss = 0.0
        for t in range(observations.shape[1]):
            output, state = network.step(observations[:, t], state)
            loss += tf.reduce_sum(tf.sin(output))
        loss += sum(tf.reduce_sum(leaf**2) for leaf in tf.nest.flatten(state))
    return tape.gradient(loss, network.trainable_variables)


def test_this_projects_own_network_lists_its_variables_once() -> None:
    network = make_network("lstm", 1)
    assert [id(v) for v in all_variables(network)] == [id(v) for v in network.trainable_variables]


def test_a_factory_gets_whole_numbers_and_its_errors_have_a_place() -> None:
    inputs = InputSpace((3,), 2)
    user = "tests.common.user_networks"
    with pytest.raises(ValueError, match=r"network: .*:misspelt.* raised AttributeError.*user_networks.py, line \d+"):
        make_network_of(NetworkSettings(network=f"{user}:misspelt"), inputs, 2, seed=0)
    counts: list[Any] = []
    factory = user_networks.make_network

    def noted(observation_space: InputSpace, action_space: Any) -> Any:
        counts.append(action_space.n)
        return factory(observation_space, action_space)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(user_networks, "make_network", noted)
        make_network_of(NetworkSettings(network=f"{user}:make_network"), inputs, 2, seed=0)
    assert [type(count) for count in counts] == [int]
