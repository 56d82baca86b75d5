"""The state-equivalence checker: it passes what is right and names every planted fault."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from r2d2_burnin import check
from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork
from r2d2_burnin.settings import EnvironmentSettings, NetworkSettings
from r2d2_burnin.testing import StateEquivalenceError, check_state_equivalence, record_episodes
from tests.common import user_networks
from tests.common.networks import KINDS, make_network

MODULE = "tests.common.user_networks"
COUNT = EnvironmentSettings("BitStream/Count-v0", {"length": 10})
CART_POLE = EnvironmentSettings("CartPole-v1", max_episode_steps=10)
SEQUENCES = [
    np.random.default_rng(seed).normal(size=(length, 2)).astype(np.float32) for seed, length in ((0, 9), (1, 1))
]


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.long if kind in (("lstm", 2), ("gru", 3)) else ()) for kind in KINDS]
)
def test_this_projects_networks_pass(kind) -> None:
    network = make_network(*kind)
    check_state_equivalence(network, record_episodes(network, COUNT, count=3))
    check_state_equivalence(make_network(*kind, features=2), SEQUENCES)


def test_a_network_of_keras_layers_with_a_dictionary_as_state_passes() -> None:
    network = user_networks.KerasNetwork(3)
    check_state_equivalence(network, SEQUENCES)
    inputs = InputSpace((4,), 2, previous_action=True, previous_reward=True)
    network = user_networks.make_network(inputs, user_networks.spaces.Discrete(2))
    check_state_equivalence(network, record_episodes(network, CART_POLE, count=3, inputs=inputs), inputs=inputs)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (user_networks.NotReset, "reset: the state is not reset at an episode's start"),
        (user_networks.OwnMemory, "repeat: .* keeps a state of its own"),
        (user_networks.IgnoresMask, "padding: the state advances over masked padding"),
        (user_networks.BatchNormalised, "batch: .* batch normalization"),
        (user_networks.DropsOut, "repeat: .* dropout"),
        (user_networks.UnrollsOtherwise, "step against unroll: "),
        (user_networks.RestartsInChunks, "chunks: "),
        (user_networks.BatchInSecondPlace, r"state nest: initial_state\(1\) has arrays of shapes \[\(6, 1\)\]"),
        (user_networks.GrowingState, "state nest: step returns a state of another structure"),
    ],
)
def test_every_planted_fault_is_named(kind: type, fault: str) -> None:
    with pytest.raises(StateEquivalenceError, match=fault):
        check_state_equivalence(kind(3), SEQUENCES)


def test_one_fault_is_not_taken_for_others() -> None:
    for kind in (
        user_networks.IgnoresMask,
        user_networks.UnrollsOtherwise,
        user_networks.BatchInSecondPlace,
        user_networks.NotReset,
    ):
        with pytest.raises(StateEquivalenceError) as result:
            check_state_equivalence(kind(3), SEQUENCES)
        assert len(str(result.value).splitlines()) == 1


def test_recorded_states_and_outputs_are_compared() -> None:
    network = make_network("gru", 1)
    episodes = record_episodes(network, COUNT, count=2)
    carried = episodes[0].__class__(**{**vars(episodes[0]), "states": ((episodes[0].states[0][0] + 1,),)})
    with pytest.raises(StateEquivalenceError, match=r"reset: .* the recorded state before its first step differs"):
        check_state_equivalence(network, [carried])
    with pytest.raises(StateEquivalenceError, match=r"recorded: .*were the parameters changed"):
        check_state_equivalence(DenseRecurrentNetwork(1, 1, NetworkSettings(5, "gru"), seed=9), episodes)
    with pytest.raises(ValueError, match="episodes: got none"):
        check_state_equivalence(network, [])


def test_episodes_and_arrays_may_be_mixed_in_any_order() -> None:
    network = make_network("gru", 1)
    episodes = record_episodes(network, COUNT, count=2)
    arrays = [
        np.random.default_rng(seed).normal(size=(length, 1)).astype(np.float32) for seed, length in ((0, 4), (1, 9))
    ]
    for mixed in ([*arrays, *episodes], [arrays[0], episodes[0], arrays[1], episodes[1]], [*episodes, *arrays]):
        check_state_equivalence(network, mixed)
    other = dataclasses.replace(episodes[1], outputs=episodes[1].outputs + 1)
    with pytest.raises(StateEquivalenceError, match=r"recorded: .* differ by 1 from"):
        check_state_equivalence(network, [arrays[0], episodes[0], arrays[1], other])


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main(["--env", "CartPole-v1", "--max-episode-steps", "10", "--network", f"{MODULE}:make_network"]) == 0
    assert "state equivalence holds: 4 episodes of CartPole-v1" in capsys.readouterr().out
    assert check.main(["--env-kwargs", "length=9", "--network", f"{MODULE}:faulty_network"]) == 1
    assert "padding: " in capsys.readouterr().out
    for flags, message in (
        (["--network", f"{MODULE}:wrong_outputs"], "gives outputs (1, 2), expected (1, 1)"),
        (["--network", f"{MODULE}:no_unroll"], "made a Half without unroll"),
        (["--network", f"{MODULE}"], "network: got 'tests.common.user_networks', expected module:name"),
        (["--episodes", "0"], "episodes: got 0"),
        (["--env", "Pendulum-v1"], "env: got action space"),
    ):
        with pytest.raises(SystemExit):
            check.main(flags)
        assert message in capsys.readouterr().err
