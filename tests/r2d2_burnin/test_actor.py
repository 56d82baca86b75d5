"""The actor: whole episodes, no dummy transitions, and the ends that environments give."""

from __future__ import annotations

import itertools
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from envs.vector import BitStreamVectorEnv
from r2d2_burnin.acting.actor import Actor
from r2d2_burnin.acting.policies import EpsilonGreedy
from r2d2_burnin.diagnostics.evaluation import evaluate
from r2d2_burnin.faults import TrainingDiverged
from r2d2_burnin.learning.objectives import Classification, Regression, choose_objective
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork
from r2d2_burnin.settings import NetworkSettings
from tests.common.networks import TOLERANCE, act_episodes, actor_step, assert_states_close, make_network


class Ladder(gym.Env[np.ndarray, np.integer[Any]]):
    """Episode n has n % 5 + 1 steps; observations say episode and step; even episodes are truncated."""

    observation_space = spaces.Box(0, 1000, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self) -> None:
        self._episode = -1

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self._episode += 1
        self._step = 0
        return self._observe()

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        self._step += 1
        ended = self._step == self._episode % 5 + 1
        observation, info = self._observe()
        return observation, float(self._step), ended and self._episode % 2 == 1, ended and self._episode % 2 == 0, info

    def _observe(self) -> tuple[np.ndarray, dict]:
        return np.array([self._episode, self._step], np.float32), {"target": 10 * self._episode + self._step}


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_episodes_are_whole_and_hold_no_dummy_transition(mode: AutoresetMode) -> None:
    env = SyncVectorEnv([Ladder] * 3, autoreset_mode=mode)
    network = make_network("gru", 1, features=2)
    actor = Actor(env, actor_step(network), Regression(2).act, seed=0)
    seen: dict[int, int] = {}
    for episode in itertools.islice(actor.episodes(), 60):
        number = seen.get(episode.environment, -1) + 1
        seen[episode.environment] = number
        length = number % 5 + 1
        assert len(episode) == length
        assert episode.observations.tolist() == [[number, step] for step in range(length)]
        assert episode.rewards.tolist() == [step + 1.0 for step in range(length)]
        assert episode.targets.tolist() == [10 * number + step for step in range(length)]
        assert episode.terminated == (number % 2 == 1)
        assert episode.final_observation.tolist() == [number, length]
        assert np.abs(episode.states[0][0][0]).max() == 0  # the state before the first step is the initial one
        assert length == 1 or np.abs(episode.states[0][0][1]).max() > 0
    assert set(seen) == {0, 1, 2}


def test_states_are_noted_with_the_updates_made_when_they_arose() -> None:
    env = gym.make_vec("BitStream/Count-v0", num_envs=1, length=4)
    actor = Actor(env, actor_step(make_network("lstm", 1)), Regression(5).act, seed=0)
    episodes = actor.episodes()
    assert next(episodes).updates.tolist() == [0] * 4
    actor.update = 12
    assert next(episodes).updates.tolist() == [12] * 4


def test_the_same_seed_gives_the_same_streams_whatever_the_network_does() -> None:
    first = act_episodes(make_network("lstm", 1), 9, length=7)
    second = act_episodes(make_network("gru", 3), 9, length=7)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.observations, b.observations)
        np.testing.assert_array_equal(a.targets, b.targets)


def test_an_environment_without_autoreset_and_unfit_spaces_are_refused() -> None:
    env = gym.make_vec("BitStream/Count-v0", num_envs=1, autoreset_mode=AutoresetMode.DISABLED)
    with pytest.raises(ValueError, match="env: got autoreset mode"):
        Actor(env, actor_step(make_network("lstm", 1)), Regression(5).act, seed=0)
    with pytest.raises(ValueError, match=r"env: got action space Box\(.*expected a Discrete one"):
        Actor(gym.make_vec("Pendulum-v1", num_envs=1), actor_step(make_network("lstm", 1)), Regression(5).act, seed=0)
    with pytest.raises(ValueError, match=r"env: got observation space Discrete\(16\), expected a Box"):
        Actor(gym.make_vec("FrozenLake-v1", num_envs=1), actor_step(make_network("lstm", 1)), Regression(5).act, seed=0)


def test_evaluation_counts_the_first_episode_of_every_environment() -> None:
    env = SyncVectorEnv([Ladder] * 3)
    network = make_network("gru", 1, features=2)
    result = evaluate(Actor(env, actor_step(network), Regression(2).act, seed=0), Regression(2).error)
    assert [len(episode) for episode in result.episodes] == [1, 1, 1]
    assert result.reward_by_position.tolist() == [1.0]
    assert evaluate(Actor(env, actor_step(network), Regression(2).act, seed=0), None).error is None
    longer = SyncVectorEnv([lambda: gym.make("BitStream/Count-v0", length=6)] * 4)
    step = actor_step(make_network("lstm", 1))
    result = evaluate(Actor(longer, step, Regression(7).act, seed=3), Regression(7).error)
    errors = np.array([(e.outputs[:, 0] - e.targets) ** 2 for e in result.episodes])
    np.testing.assert_allclose(result.error_by_position, errors.mean(0), rtol=1e-6)
    assert result.error == pytest.approx(errors.mean(), rel=1e-6)
    guesses = np.array([np.clip(np.rint(e.outputs[:, 0]), 0, 6) for e in result.episodes])
    right = guesses == np.array([e.targets for e in result.episodes])
    assert result.episode_return == pytest.approx(right.sum(1).mean())


def test_an_episode_that_has_ended_earns_nothing_more() -> None:
    env = SyncVectorEnv([Ladder, Ladder])
    env.reset(seed=0)
    env.envs[0]._episode = 2  # its next episode has 4 steps, the other's 1
    actor = Actor(env, actor_step(make_network("gru", 1, features=2)), Regression(2).act, seed=0)
    result = evaluate(actor, Regression(2).error)
    lengths = [len(episode) for episode in result.episodes]
    assert lengths == [4, 2]
    assert result.reward_by_position.tolist() == [1.0, 2.0, 1.5, 2.0]  # rewards 1, 2, 3, 4 and 1, 2
    assert result.error_by_position is not None
    assert len(result.error_by_position) == 4


def test_objectives() -> None:
    outputs = np.array([[0.4], [7.2], [-3.0]], np.float32)
    assert Regression(6).act(outputs).tolist() == [0, 5, 0]
    assert Regression(6).error(outputs, np.array([1, 7, -3])).tolist() == pytest.approx([0.36, 0.04, 0.0], abs=1e-5)
    result = Regression(6).losses(outputs[None], outputs[None], {"target": np.array([[1.0, 7.0, -3.0]], np.float32)})
    assert np.allclose(result.loss, [[0.36, 0.04, 0]], atol=1e-5)
    assert np.allclose(result.error, [[0.6, 0.2, 0]], atol=1e-5)
    logits = np.log(np.array([[0.2, 0.8], [0.5, 0.25]], np.float32))
    assert Classification(2).act(logits).tolist() == [1, 0]
    assert Classification(2).error(logits, np.array([0, 0])).tolist() == [1.0, 0.0]
    result = Classification(2).losses(logits[None], logits[None], {"target": np.array([[1.0, 1.0]], np.float32)})
    assert np.allclose(result.loss, [[-np.log(0.8), -np.log(0.25 / 0.75)]], atol=1e-5)
    assert np.allclose(result.error, [[0.2, 2 / 3]], atol=1e-5)


def test_the_objective_that_targets_ask_for() -> None:
    assert choose_objective("auto", gym.make("BitStream/Count-v0")) == "regression"
    assert choose_objective("auto", gym.make("BitStream/Count-v0", modulo=4)) == "classification"
    assert choose_objective("auto", gym.make("BitStream/Parity-v0")) == "classification"
    assert choose_objective("auto", Ladder()) == "regression"
    assert choose_objective("auto", gym.make("CartPole-v1")) == "q-learning"
    assert choose_objective("q-learning", gym.make("BitStream/Count-v0")) == "q-learning"
    with pytest.raises(ValueError, match=r'objective: got .regression., but .* gives no info\["target"\]'):
        choose_objective("regression", gym.make("CartPole-v1"))


class StepByStep(BitStreamVectorEnv):
    """A bit stream that does not tell what comes next."""

    peek = property()  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("mode", "length", "explores"),
    [  # all pairs of two of the three
        (mode, length, (i + j) % 2 == 1)
        for i, mode in enumerate([AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
        for j, length in enumerate([1, 7, 80])
    ],
)
def test_blocks_of_steps_are_the_same_as_single_steps(mode: AutoresetMode, length: int, explores: bool) -> None:
    network = make_network("lstm", 2)
    result = []
    step = actor_step(network)
    for kind in (BitStreamVectorEnv, StepByStep):
        act: Any = Regression(length + 1).act
        if explores:
            act = EpsilonGreedy(Regression(length + 1).act, length + 1, np.array([0.0, 0.5, 1.0]), seed=1)
        actor = Actor(kind(3, "Count", length, autoreset_mode=mode), step, act, seed=0)
        episodes = []
        for update, steps in enumerate((50, 1, 7, 240, 333)):
            actor.update = update
            episodes += itertools.chain.from_iterable(actor.collect(steps))
        result.append(episodes)
    in_blocks, step_by_step = result
    assert len(in_blocks) == len(step_by_step) > 5
    for block, step in zip(in_blocks, step_by_step, strict=True):
        for name in ("observations", "actions", "rewards", "targets", "updates", "final_observation"):
            np.testing.assert_array_equal(getattr(block, name), getattr(step, name))
        assert (block.terminated, block.environment) == (step.terminated, step.environment)
        np.testing.assert_allclose(block.outputs, step.outputs, **TOLERANCE)
        assert_states_close(block.states, step.states)


def test_outputs_that_are_not_finite_are_blamed_on_the_network() -> None:
    network = DenseRecurrentNetwork(1, 1, NetworkSettings(3), seed=0)
    network.trainable_variables[-1].assign([float("nan")])
    with pytest.raises(TrainingDiverged, match="the network's outputs after 0 updates are not finite"):
        act_episodes(network, 1, length=5)
