"""Environments that nobody here wrote: every space, every way of vectorisation, and what goes wrong with them."""

from __future__ import annotations

import itertools
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv

from envs.streams import Streams
from envs.vector import BitStreamVectorEnv
from r2d2_burnin.acting.actor import Actor
from r2d2_burnin.acting.actor_step import ActorStep
from r2d2_burnin.acting.policies import EpsilonGreedy
from r2d2_burnin.data import Episode
from r2d2_burnin.environments import make as environments
from r2d2_burnin.environments.guard import EnvironmentFault
from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.environments.spaces import input_space
from r2d2_burnin.learning.objectives import QLearning
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork
from r2d2_burnin.settings import EnvironmentSettings, NetworkSettings, QLearningSettings
from tests.common import user_environments

MODULE = "tests.common.user_environments"
BOTH = {"previous_action": True, "previous_reward": True}
"""What a network of Q-learning sees unless its settings say otherwise."""


def act(
    settings: EnvironmentSettings, count: int, *, num_envs: int = 2, longest: int = 1000, **agent: Any
) -> list[Episode]:
    single = environments.make(settings)
    inputs = input_space(single.observation_space, single.action_space, **(BOTH | agent))
    network = DenseRecurrentNetwork(inputs, inputs.actions, NetworkSettings(4))
    env = environments.make_vector(settings, num_envs)
    policy = EpsilonGreedy(
        QLearning(inputs.actions, QLearningSettings()).act, inputs.actions, np.ones(num_envs), seed=0
    )
    actor = Actor(env, ActorStep(network), policy, seed=0, inputs=inputs, longest=longest)
    try:
        return list(itertools.islice(actor.episodes(), count))
    finally:
        env.close()


def test_composite_observations_are_flattened_as_gymnasium_does_it() -> None:
    env = environments.make(EnvironmentSettings("Test/Moody-v0"))
    twin = user_environments.Moody()
    assert env.observation_space == spaces.flatten_space(twin.observation_space)
    observation, _ = env.reset(seed=3)
    np.testing.assert_array_equal(observation, spaces.flatten(twin.observation_space, twin.reset(seed=3)[0]))


def test_a_multi_discrete_action_is_its_index() -> None:
    env = environments.make(EnvironmentSettings("Test/Moody-v0"))
    assert env.action_space == spaces.Discrete(6)
    env.reset(seed=0)
    for action in range(6):
        _, _, terminated, _, _ = env.step(action)
        if terminated:
            env.reset()
    assert env.unwrapped.received == [[0, 5], [0, 6], [0, 7], [1, 5], [1, 6], [1, 7]]
    shifted = environments.make(EnvironmentSettings("Test/Images-v0"))
    assert shifted.action_space == spaces.Discrete(4)


def test_ways_of_vectorisation_give_the_same_episodes() -> None:
    result = {}
    for way, kind in (("native", BitStreamVectorEnv), ("sync", SyncVectorEnv), ("async", AsyncVectorEnv)):
        settings = EnvironmentSettings("BitStream/Recall-v0", {"length": 6, "delay": 2}, vectorization=way)
        env = environments.make_vector(settings, 2)
        assert isinstance(env, kind)
        env.close()
        result[way] = act(settings, 4)
    for way in ("sync", "async"):
        for a, b in zip(result["native"], result[way], strict=True):
            np.testing.assert_array_equal(a.observations, b.observations)
            np.testing.assert_array_equal(a.rewards, b.rewards)
            np.testing.assert_array_equal(a.targets, b.targets)


def test_auto_takes_processes_only_where_steps_are_slow() -> None:
    for settings, kind in (
        (EnvironmentSettings("BitStream/Count-v0"), BitStreamVectorEnv),
        (EnvironmentSettings("BitStream/Count-v0", wrappers=(f"{MODULE}:Halved",)), SyncVectorEnv),
        (EnvironmentSettings("FrozenLake-v1"), SyncVectorEnv),
        (EnvironmentSettings(f"{MODULE}:Test/Moody-v0", {"seconds": 0.004}), AsyncVectorEnv),
    ):
        env = environments.make_vector(settings, 1)
        assert isinstance(env, kind)
        env.close()


def test_wrappers_and_truncation_are_applied() -> None:
    settings = EnvironmentSettings("CartPole-v1", wrappers=(f"{MODULE}:Halved",), max_episode_steps=5)
    for episode in act(settings, 4):
        assert len(episode) == 5
        assert episode.rewards.tolist() == [0.5] * 5
        assert not episode.terminated


def test_episodes_of_one_step_and_of_very_different_lengths() -> None:
    lengths = [len(episode) for episode in act(EnvironmentSettings("Test/Moody-v0"), 14)]
    assert sorted(lengths) == sorted([1, 2, 3, 4, 5, 6, 7] * 2)


def test_worker_processes_know_ids_that_this_process_has_registered() -> None:
    episodes = [act(EnvironmentSettings("Test/Moody-v0", vectorization=way), 4) for way in ("sync", "async")]
    for ours, theirs in zip(*episodes, strict=True):
        np.testing.assert_array_equal(ours.observations, theirs.observations)


def test_what_the_network_sees_beside_the_observation() -> None:
    for episode in act(EnvironmentSettings("Test/Moody-v0"), 6):
        inputs = InputSpace(episode.observations.shape[1:], 6, previous_action=True, previous_reward=True)
        seen = inputs.of_episode(episode)
        np.testing.assert_array_equal(seen[:, :-7], episode.observations)
        assert seen[0, -7:].tolist() == [0.0] * 7  # nothing came before
        for t in range(1, len(episode)):
            assert seen[t, -7:-1].tolist() == np.eye(6)[episode.actions[t - 1]].tolist()
            assert seen[t, -1] == episode.rewards[t - 1]


def test_the_actors_inputs_are_those_that_replay_composes() -> None:
    """The outputs that the actor had are recomputed from inputs that are composed after the fact."""
    settings = EnvironmentSettings("Test/Images-v0")
    for agent in ({}, {"previous_action": False}, {"previous_reward": False, "previous_action": False}):
        single = environments.make(settings)
        inputs = input_space(single.observation_space, single.action_space, **(BOTH | agent))
        network = DenseRecurrentNetwork(inputs, 4, NetworkSettings(4), dueling=True)
        for episode in act_with(network, inputs, settings):
            assert episode.observations.dtype == np.uint8  # bytes stay bytes
            outputs, _ = network.unroll(inputs.of_episode(episode)[None], network.initial_state(1))
            np.testing.assert_allclose(outputs[0], episode.outputs, rtol=1e-4, atol=1e-5)


def act_with(network: DenseRecurrentNetwork, inputs: InputSpace, settings: EnvironmentSettings) -> list[Episode]:
    env = environments.make_vector(settings, 2)
    actor = Actor(env, ActorStep(network), lambda outputs: outputs.argmax(-1), seed=0, inputs=inputs)
    return list(itertools.islice(actor.episodes(), 4))


@pytest.mark.filterwarnings("ignore::UserWarning")  # a worker process prints its traceback as one
@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize(
    ("env_id", "kwargs", "message"),
    [
        (
            "Moody",
            {"trouble": "raise"},
            r"Moody-v0, episode \d, step \d: step with action .* raised KeyError: .*broken",
        ),
        ("Moody", {"trouble": "nan reward"}, r"Moody-v0, episode \d, step \d: the reward has the value nan"),
        (
            "Moody",
            {"trouble": "dtype"},
            r"the observation\['kind'\] has dtype float64 and shape \(2,\), expected dtype int",
        ),
        (
            "Moody",
            {"trouble": "shape"},
            r"the observation\['image'\] has dtype uint8 and shape \(1, 3\), expected .*\(2, 3\)",
        ),
        (
            "Images",
            {"nan_at": 7},
            r"Images-v0, episode 1, step 1: the observation has the value nan at index \(3, 4, 1\)",
        ),
    ],
)
def test_trouble_in_the_middle_names_environment_step_and_value(
    way: str, env_id: str, kwargs: dict[str, Any], message: str
) -> None:
    settings = EnvironmentSettings(f"{MODULE}:Test/{env_id}-v0", kwargs, vectorization=way)
    with pytest.raises(EnvironmentFault, match=message):
        act(settings, 50, num_envs=1)


def test_native_vectorisation_is_guarded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Streams, "bits", lambda self: np.full((len(self.position), 1), np.inf, np.float32))
    with pytest.raises(EnvironmentFault, match=r"Count-v0, step 0 of the actor: the observation has the value inf"):
        act(EnvironmentSettings("BitStream/Count-v0"), 1)
    monkeypatch.undo()
    monkeypatch.setattr(
        BitStreamVectorEnv, "peek", lambda self: (np.full((4, self.num_envs, 1), np.nan), np.zeros((4, self.num_envs)))
    )
    with pytest.raises(EnvironmentFault, match=r"step 0 of the actor: the observation has the value nan"):
        act(EnvironmentSettings("BitStream/Count-v0"), 4, previous_action=False, previous_reward=False)
    monkeypatch.undo()
    monkeypatch.setattr(BitStreamVectorEnv, "step", lambda self, actions: 1 / 0)
    with pytest.raises(EnvironmentFault, match="step 1 of the actor: raised ZeroDivisionError"):
        act(EnvironmentSettings("BitStream/Count-v0"), 1)


def test_an_episode_without_end_is_an_error() -> None:
    with pytest.raises(
        EnvironmentFault, match=r"an episode has 51 steps and no end, but replay_capacity is 50.*--max-ep"
    ):
        act(EnvironmentSettings("Test/Endless-v0"), 1, longest=50)
    assert len(act(EnvironmentSettings("Test/Endless-v0", max_episode_steps=30), 1, longest=50)[0]) == 30


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"env": "Nothing-v0"}, "env: got 'Nothing-v0', expected an id that gymnasium.make knows"),
        ({"env": "Pendulum-v1"}, "env: got action space Box.*DiscretizeAction makes a Box of actions discrete"),
        ({"env": "Test/Speaking-v0"}, "observation space's entry 'text' Text .*FilterObservation"),
        ({"wrappers": ("gymnasium.wrappers",)}, "wrappers: got 'gymnasium.wrappers', expected module:name"),
        (
            {"wrappers": ("gymnasium.wrappers:TimeLimits",)},
            "got 'gymnasium.wrappers:TimeLimits', expected a name that module 'gymnasium.wrappers' has.*'TimeLimit'",
        ),
        ({"wrappers": (f"{MODULE}:MODULE",)}, "has no 'MODULE'"),
        ({"wrappers": (f"{MODULE}:not_a_wrapper",)}, "not_a_wrapper returned 3, expected an environment"),
        ({"env_kwargs": {"lenght": 3}}, "did you mean 'length'"),
    ],
)
def test_what_cannot_be_used_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        environments.make(EnvironmentSettings(**settings))


def test_native_is_refused_where_there_is_none() -> None:
    with pytest.raises(ValueError, match="vectorization: got 'native', but FrozenLake-v1 has no vectorised version"):
        environments.make_vector(EnvironmentSettings("FrozenLake-v1", vectorization="native"), 2)


def test_spaces_of_the_gymnasium_classics() -> None:
    for env_id, size in (("FrozenLake-v1", 16), ("CartPole-v1", 4), ("Blackjack-v1", 32 + 11 + 2)):
        env = environments.make(EnvironmentSettings(env_id))
        assert env.observation_space.shape == (size,)
        assert gym.spaces.utils.is_space_dtype_shape_equiv(env.observation_space, env.observation_space)
