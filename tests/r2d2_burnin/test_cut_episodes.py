"""Episodes that are cut into parts as they come: nothing is lost, and each part goes on from the state it had."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from experiments import burnin_advisor, burnin_compare
from r2d2_burnin.acting.actor import Actor
from r2d2_burnin.acting.actor_step import ActorStep
from r2d2_burnin.acting.policies import EpsilonGreedy, greedy
from r2d2_burnin.data import Episode
from r2d2_burnin.environments import make as environments
from r2d2_burnin.environments.inputs import InputSpace
from r2d2_burnin.initialization import parse
from r2d2_burnin.learning.objectives.regression import Regression
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork
from r2d2_burnin.replay.buffer import Replay
from r2d2_burnin.runtime import nests
from r2d2_burnin.settings import EnvironmentSettings, NetworkSettings, ReplaySettings, TrainingSettings
from r2d2_burnin.training.trainer import Trainer

CUT = 16
NETWORK = NetworkSettings(units=4)


@pytest.fixture(scope="module")
def network() -> DenseRecurrentNetwork:
    return DenseRecurrentNetwork(4, 2, NETWORK, seed=3)


@pytest.fixture(scope="module")
def step(network: DenseRecurrentNetwork) -> ActorStep:
    return ActorStep(network)


def _episodes(step: ActorStep, cut: int | None, steps: int, *, vectorization: str = "sync") -> list[Episode]:
    env = environments.make_vector(EnvironmentSettings("CartPole-v1", vectorization=vectorization), 3)
    act = EpsilonGreedy(greedy, 2, np.array([1.0, 0.5, 0.1]), seed=1)
    episodes = [e for together in Actor(env, step, act, seed=7, cut=cut).collect(steps) for e in together]
    environments.close(env)
    return episodes


@pytest.mark.parametrize("vectorization", ["sync", "native"])
def test_parts_together_are_the_whole_episodes(step: ActorStep, vectorization: str) -> None:
    whole = _episodes(step, None, 600, vectorization=vectorization)
    parts = _episodes(step, CUT, 600, vectorization=vectorization)
    assert max(map(len, whole)) > 2 * CUT
    for environment in range(3):
        mine = [part for part in parts if part.environment == environment]
        for episode in (episode for episode in whole if episode.environment == environment):
            joined: list[Episode] = []
            while sum(map(len, joined)) < len(episode):
                joined.append(mine.pop(0))
            lengths = list(map(len, joined))
            assert [part.first_step for part in joined] == [CUT * i for i in range(len(joined))]
            assert lengths[:-1] == [CUT] * (len(joined) - 1)
            for name in ("observations", "actions", "rewards", "outputs", "updates"):
                np.testing.assert_array_equal(
                    np.concatenate([getattr(part, name) for part in joined]), getattr(episode, name)
                )
            for i, leaf in enumerate(nests.flatten(episode.states)):
                np.testing.assert_array_equal(np.concatenate([nests.flatten(p.states)[i] for p in joined]), leaf)
            before = [(-1, 0.0)] + [(part.actions[-1], part.rewards[-1]) for part in joined[:-1]]
            assert [(part.previous_action, part.previous_reward) for part in joined] == before
            assert [part.terminated for part in joined] == [False] * (len(joined) - 1) + [episode.terminated]
            following = [part.observations[0] for part in joined[1:]] + [episode.final_observation]
            for part, observation in zip(joined, following, strict=True):
                np.testing.assert_array_equal(part.final_observation, observation)


@pytest.mark.parametrize("cut", [10, 33])
def test_blocks_of_steps_end_where_episodes_are_cut(cut: int) -> None:
    env = environments.make_vector(EnvironmentSettings("BitStream/Count-v0", vectorization="native"), 3)
    actor = Actor(env, ActorStep(DenseRecurrentNetwork(1, 2, NETWORK, seed=3)), seed=7, cut=cut)
    parts = [len(part) for together in actor.collect(3 * 160) for part in together]
    environments.close(env)
    assert sorted(set(parts)) == sorted({cut, 80 % cut} - {0})
    assert sum(parts) == 3 * 160


def test_fragments_of_later_parts_start_from_the_state_that_the_actor_had(
    network: DenseRecurrentNetwork, step: ActorStep
) -> None:
    parts = _episodes(step, CUT, 600)
    later = next(part for part in parts if part.first_step == CUT and len(part) == CUT)
    for name, burn_in in (("stored", 0), ("stored+3", 3)):
        settings = ReplaySettings(sequence_length=4, period=4, replay_capacity=1000, start_exponent=1.0)
        replay = Replay(settings, parse(name), Regression(2))
        rows = replay.add(later)
        batch = replay.batch(rows)
        assert not batch.from_initial_state.any()
        np.testing.assert_array_equal(replay.starts(rows), CUT + np.arange(0, CUT, 4))
        assert replay.longest_start == 2 * CUT - 4
        first = np.maximum(np.arange(0, CUT, 4) - burn_in, 0)
        for leaf, stored in zip(nests.flatten(later.states), nests.flatten(batch.start_state), strict=True):
            np.testing.assert_array_equal(stored, leaf[first])
        outputs, _ = network.unroll(batch.burn_in_observations, batch.start_state, batch.burn_in_mask)
        _, state = network.unroll(batch.burn_in_observations, batch.start_state, batch.burn_in_mask)
        outputs, _ = network.unroll(batch.observations, state)
        acted = later.outputs.reshape(CUT // 4, 4, 2)
        np.testing.assert_allclose(np.asarray(outputs), acted, atol=1e-5)


def test_the_first_inputs_of_a_later_part_have_the_action_and_the_reward_before_it(step: ActorStep) -> None:
    inputs = InputSpace((4,), 2, previous_action=True, previous_reward=True)
    inputs.reward_scale = 0.5
    later = next(part for part in _episodes(step, CUT, 600) if part.first_step == CUT and len(part) == CUT)
    replay = Replay(ReplaySettings(4, 4, 1000), parse("stored"), Regression(2), inputs)
    batch = replay.batch(replay.add(later))
    expected = [*(np.arange(2) == later.previous_action), 2.0 * later.previous_reward]
    assert expected[-1] == 2.0
    np.testing.assert_array_equal(batch.observations[0, 0, 4:], expected)
    np.testing.assert_array_equal(inputs.of_episode(later)[0, 4:], expected)


class Endless(gym.Env[np.ndarray, int]):
    """Random bits to guess, without an end."""

    observation_space = gym.spaces.Box(0, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, Any]:
        super().reset(seed=seed)
        self.bit = 0.0
        return np.array([self.bit], np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, Any]:
        reward = float(action == self.bit)
        self.bit = float(self.np_random.integers(2))
        return np.array([self.bit], np.float32), reward, False, False, {}


def test_what_has_no_end_in_sight_is_trained_on_all_the_same() -> None:
    gym.register("Endless-v0", Endless)
    settings = TrainingSettings(
        EnvironmentSettings("Endless-v0", max_episode_steps=500, vectorization="sync"),
        NETWORK,
        replay=ReplaySettings(sequence_length=4, period=4, replay_capacity=400),
        objective="q-learning",
        cut_episodes=40,
        updates=2,
        batch_size=4,
        num_envs=2,
        initial_steps=200,
        new_steps=20,
        updates_between=1,
        measured_fragments=8,
        evaluation_episodes=1,
        measure_every=1000,
    )
    trainer = Trainer(settings)
    with pytest.raises(ValueError, match="cut_episodes: got 40, but full starts from an episode's first step"):
        trainer.run("full", 0)
    result = trainer.run("stored", 0)
    metrics = {m.metric for m in result.measurements}
    assert {"train_loss", "episode_return", "delta_q_first"} <= metrics
    assert "delta_q_first_exact" not in metrics  # it takes whole episodes
    assert result.longest_start == 76  # of 110 steps in each environment, two parts of 40 are in replay


@pytest.mark.parametrize(
    ("main", "flags", "message"),
    [
        (burnin_compare.read_settings, ["--cut-episodes", "50"], "cut_episodes: got 50, but full starts from"),
        (burnin_compare.read_settings, ["--cut-episodes", "5"], "cut_episodes: got 5, expected at least 20"),
        (
            burnin_compare.read_settings,
            ["--cut-episodes", "200000", "--strategies", "zero"],
            "expected at most replay_capacity",
        ),
        (burnin_advisor.read_settings, ["--cut-episodes", "50"], "exact states need whole episodes"),
    ],
)
def test_what_cannot_be_done_with_parts_is_refused(
    main: Any, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(flags)
    assert ended.value.code == 2
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())
