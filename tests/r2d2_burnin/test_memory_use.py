"""Memory use against brute force, and where the right answer is known because network and task were made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from scipy import stats

import envs  # noqa: F401 (registers)
from r2d2_burnin.acting.actor_step import ActorStep
from r2d2_burnin.data import Episode
from r2d2_burnin.diagnostics.cut_memory import CutNetwork, EveryStart
from r2d2_burnin.diagnostics.memory_statistics import memory_use, p_below_zero
from r2d2_burnin.diagnostics.memory_use import MemoryMeasure, recorded_errors, run_cost, search
from r2d2_burnin.learning.objectives import Regression
from r2d2_burnin.learning.task import Task, make_task
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork
from r2d2_burnin.runtime.tensorflow import tf
from r2d2_burnin.settings import EnvironmentSettings, QLearningSettings, TrainingSettings
from tests.common.known_networks import Known, record
from tests.common.networks import TOLERANCE, bits, make_network
from tests.common.reference import unroll


def cut_outputs(network: DenseRecurrentNetwork, inputs: np.ndarray) -> Callable[[int], np.ndarray]:
    """In NumPy, by memory k: for every t the last output of an unroll over steps max(0, t - k)..t of `[L, F]`."""
    begun = [unroll(network, inputs[s:])[0] for s in range(len(inputs))]

    def with_memory(memory: int) -> np.ndarray:
        return np.stack([begun[max(0, t - memory)][min(t, memory)] for t in range(len(inputs))])

    return with_memory


def test_a_cut_network_is_an_unroll_over_the_last_steps() -> None:
    """With slots to spare, and with an episode that ends half way in one environment."""
    network, inputs = make_network("lstm", 1), bits(3, 9, seed=2)
    parts = [[inputs[0]], [inputs[1, :5], inputs[1, 5:]], [inputs[2]]]
    expected = [[cut_outputs(network, part) for part in of_environment] for of_environment in parts]
    cut = CutNetwork(network, 5)
    step = ActorStep(cut)
    for memory in (0, 1, 3, 4):
        cut.remember(memory)
        state, outputs = cut.initial_state(3), []
        for t in range(9):
            output, _, state = step(inputs[:, t], state, np.array([False, t == 5, False]))
            outputs.append(output)
        by_hand = [np.concatenate([part(memory) for part in of_environment]) for of_environment in expected]
        np.testing.assert_allclose(np.stack(outputs, 1), by_hand, **TOLERANCE)
    with pytest.raises(ValueError, match="memory: got 5, expected 0 to 4"):
        cut.remember(5)


def test_recorded_errors_are_those_of_brute_force() -> None:
    """Episodes of 1 to 37 steps, longer than a block; one has no target, and others have some."""
    network, generator = make_network("lstm", 1), np.random.default_rng(3)
    inputs = [bits(1, length, seed=length)[0] for length in (37, 20, 1, 16)]
    targets: list[Any] = [generator.normal(size=len(part)) for part in inputs]
    targets[0][[0, 9]] = np.nan
    targets[3] = None
    episodes = [_episode(*pair) for pair in zip(inputs, targets, strict=True)]
    error_of = Regression(2).error
    errors = recorded_errors(EveryStart(network), episodes, lambda episode: episode.observations, error_of)
    assert errors.shape == (4, 37)
    assert np.isnan(errors[3]).all()
    for i in range(3):
        outputs = cut_outputs(network, inputs[i])
        expected = [np.nanmean((outputs(memory)[:, 0] - targets[i]) ** 2) for memory in range(37)]
        np.testing.assert_allclose(errors[i], expected, rtol=1e-4)


def _episode(observations: np.ndarray, targets: np.ndarray | None) -> Episode:
    episode = record(Known("count"), 1, 1)[0]
    return Episode(**{**vars(episode), "observations": observations, "targets": targets})


def task_of(name: str, *, control: bool = False, way: str = "auto", **kwargs: Any) -> Task:
    objective = "q-learning" if control else "auto"
    seen = QLearningSettings(previous_action=False, previous_reward=False)
    environment = EnvironmentSettings(name, env_kwargs=kwargs, vectorization=way)
    return make_task(TrainingSettings(environment, objective=objective, q_learning=seen))


def measure(task: Task, network: Any, **more: Any) -> Any:
    return MemoryMeasure(task, network, ActorStep(network))(3, 4, **{"episodes": 16, **more})


@pytest.mark.parametrize(
    ("task", "kwargs", "network", "episodes", "used"),
    [
        ("WindowCount", {"window": 6}, Known("window", 6), 192, 5),
        ("Count", {}, Known("count"), 16, 18),  # the last one of 20 bits is worth less than 1 % of all
        ("Count", {}, Known("plain"), 16, None),  # the bit itself, worse than the best constant
        ("Recall", {"delay": 0}, Known("plain"), 320, 0),  # without any failure (1 - 1 %)^300 is below 5 %
    ],
)
def test_known_memories_of_bit_streams(
    task: str, kwargs: dict[str, Any], network: Known, episodes: int, used: int | None
) -> None:
    made = task_of(f"BitStream/{task}-v0", length=20, **kwargs)
    if task == "Recall":  # a class for each bit
        network = Logits(network)  # type: ignore[assignment]
    use = measure(made, network, episodes=episodes)
    assert use.used == used
    assert use.learned == (used is not None)
    assert use.too_few == (used - 1 if used else None)
    assert use.steps[0] == 0
    assert use.steps[-1] == 19
    if task == "WindowCount":
        # Without the oldest bit the error is 1 where it is set, from the sixth of 20 steps on: half of 15 / 20.
        outcome = dict(zip(use.steps, use.outcomes, strict=True))
        assert outcome[5] == 0
        assert outcome[4] == pytest.approx(0.375, rel=0.25)


class Logits:
    """Two outputs, for the classes or actions 0 and 1, of a network whose output is a bit."""

    trainable_variables: tuple[Any, ...] = ()

    def __init__(self, network: Known, place: int | None = None) -> None:
        self._network = network
        self._place = place

    def initial_state(self, batch_size: Any) -> Any:
        return self._network.initial_state(batch_size)

    def step(self, observations: Any, state: Any) -> Any:
        output, state = self._network.step(observations, state)
        bit = output if self._place is None else state[0][:, self._place, None]
        return tf.concat([0.5 - bit, bit - 0.5], 1), state

    def unroll(self, observations: Any, state: Any, mask: Any = None) -> Any:
        outputs = []
        for t in range(observations.shape[1]):
            output, state = self.step(observations[:, t], state)
            outputs.append(output)
        return tf.stack(outputs, 1), state


class Corridor(gym.Env[Any, Any]):
    """A cue at the first step; then 6 steps at which the wrong action goes back, so that it takes longer.

    The right action is the cue. What is seen later is how far the agent has come.
    """

    observation_space = spaces.Box(0, 9, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self._cue = int(self.np_random.integers(2))
        self._steps = self._place = 0
        return np.array([self._cue], np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        self._steps += 1
        self._place = self._place + 1 if action == self._cue else max(self._place - 1, 0)
        seen = np.array([2 + self._place], np.float32)
        return seen, -1.0, self._place == 6, self._steps == 12, {}


gym.register("Test/Corridor-v0", Corridor)


class Cue:
    """Remembers the last observation below 2, a half where it has seen none, and takes it for the action."""

    trainable_variables: tuple[Any, ...] = ()

    def initial_state(self, batch_size: Any) -> Any:
        return tf.fill([batch_size, 1], 0.4)

    def step(self, observations: Any, state: Any) -> Any:
        state = tf.where(observations < 2, observations, state)
        return tf.concat([1 - state, state], 1), state


def played_by_hand(memory: int, seeds: range) -> list[float]:
    """Returns of an agent that chooses by the last `memory` + 1 observations, one environment after another."""
    returns = []
    for seed in seeds:
        env = Corridor()
        observation, _ = env.reset(seed=seed)
        seen, total, done = [observation[0]], 0.0, False
        while not done:
            cues = [value for value in seen[-memory - 1 :] if value < 2]
            observation, reward, terminated, truncated, _ = env.step(int(cues[-1]) if cues else 0)
            seen.append(observation[0])
            total, done = total + reward, terminated or truncated
        returns.append(total)
    return returns


def test_the_agent_acts_by_what_it_remembers() -> None:
    """What follows depends on what it does: returns and lengths are those of a simulation without our actor."""
    tried: list[int] = []
    use = measure(task_of("Test/Corridor-v0", control=True), Cue(), progress=tried.append)
    assert sorted(tried) == use.steps[:-1]
    expected = [np.mean(played_by_hand(memory, range(3, 19))) for memory in use.steps]
    assert use.outcomes == pytest.approx(expected)
    assert (use.steps, use.used, use.too_few, use.better) == ([0, 1, 2, 4, 5], 5, 4, None)
    assert use.outcomes[-1] == -6
    assert use.baseline < -6


def test_recall_for_reward_needs_its_delay() -> None:
    """In an environment that offers blocks of steps, which a cut network does without."""
    network, task = (
        Logits(Known("window", 5), place=0),
        task_of("BitStream/Recall-v0", control=True, length=12, delay=4),
    )
    use = measure(task, network, episodes=128)
    assert (use.used, use.too_few, use.uncut, use.unproven) == (4, 3, 12.0, None)
    assert 4 in use.steps
    # Sixteen episodes cannot rule out that few others fail: they say how many could.
    few = measure(task, network)
    assert (few.used, few.too_few, few.unproven) == (11, 8, 4)
    assert few.needed is not None
    assert 64 < few.needed <= 128


def test_a_small_budget_takes_fewer_episodes_and_memories() -> None:
    task = task_of("BitStream/Recall-v0", control=True, way="sync", length=12, delay=2)
    use = measure(task, Logits(Known("window", 3), place=0), episodes=32, share=4e4 / run_cost(task.settings, 12))
    assert (use.steps, use.episodes) == ([0, 2, 8, 11], 16)
    assert (use.used, use.too_few, use.unproven) == (11, 8, 2)


def test_few_episodes_are_refused() -> None:
    with pytest.raises(ValueError, match="episodes: got 7, expected at least 8"):
        measure(task_of("BitStream/Count-v0"), Known("count"), episodes=7)


Outcomes = dict[int, np.ndarray]


def _drawn(generator: np.random.Generator, loss: float, episodes: int = 32) -> Outcomes:
    """Returns about 10, where a memory of 1 step or none loses `loss`, and 2 and more nothing."""
    uncut = 10 + generator.normal(size=episodes)
    noise = 0.3 * generator.normal(size=(4, episodes))
    return {0: uncut - loss + noise[0], 1: uncut - loss + noise[1], 2: uncut + noise[2], 4: uncut + noise[3], 8: uncut}


def test_the_number_is_wrong_in_one_of_twenty_at_most() -> None:
    """Where a memory loses just the margin of a noisy return, it is called enough at the level of the test."""
    generator, margin = np.random.default_rng(0), 0.05
    uses = [
        memory_use(_drawn(generator, margin * 10), np.zeros(32), margin=margin, higher_is_better=True)
        for _ in range(400)
    ]
    too_small = np.mean([use.used is not None and use.used < 2 for use in uses])
    assert too_small < 0.08  # 0.05, and 2.8 standard errors
    assert np.mean([use.used == 2 for use in uses]) > 0.85
    assert not any(use.better is not None for use in uses)


@pytest.mark.parametrize("episodes", [8, 16, 64])
def test_few_failures_are_not_missed(episodes: int) -> None:
    """Where successes turn into failures just too often: a t-test alone is wrong in 17 to 67 of a hundred cases."""
    generator, uncut, wrong = np.random.default_rng(episodes), np.ones(episodes), []
    for _ in range(300):
        outcomes = {0: np.zeros(episodes), 1: 1.0 * (generator.random(episodes) >= 0.05), 2: uncut}
        use = memory_use(outcomes, np.zeros(episodes), margin=0.05, higher_is_better=True)
        wrong.append(use.used is not None and use.used < 2)
    assert np.mean(wrong) < 0.085  # 0.05, and 2.8 standard errors


def test_successes_and_failures_are_tested_exactly() -> None:
    """p is that of the binomial distribution, by SciPy."""
    for episodes, failures in ((8, 0), (64, 0), (64, 1), (100, 3)):
        values = np.full(episodes, -0.1)
        values[:failures] = 0.9  # failures in a tenth of episodes would be just too many
        (p,) = p_below_zero(values[None], np.array([0.9]))
        assert p == pytest.approx(stats.binom.cdf(failures, episodes, 0.1), abs=0.015)


def test_a_search_corrects_for_the_memories_that_it_tries() -> None:
    """All of 63 memories lose just the margin, each by its own noise: one of them is called enough in one of twenty."""
    generator, wrong = np.random.default_rng(5), []
    for _ in range(200):
        uncut = 10 + generator.normal(size=32)
        outcomes = {63: uncut}
        use = search(
            lambda memory, uncut=uncut: 0.95 * uncut + 0.3 * generator.normal(size=32) - (memory == 0),  # type: ignore[misc]
            outcomes,
            np.zeros(32),
            first=[0, 32, 16, 8, 4, 2, 1],
            margin=0.05,
            higher_is_better=True,
        )
        wrong.append(use.used != 63)
    assert np.mean(wrong) < 0.09  # 0.05, and 2.6 standard errors


@pytest.mark.parametrize("higher", [True, False])
def test_what_is_said_of_an_agent_that_is_better_with_a_cut_and_of_one_that_learned_nothing(higher: bool) -> None:
    generator, sign = np.random.default_rng(1), 1.0 if higher else -1.0
    outcomes = {memory: sign * values for memory, values in _drawn(generator, -3.0, 96).items()}
    use = memory_use(outcomes, np.zeros(96), margin=0.05, higher_is_better=higher)
    assert use.used == 0
    assert use.better in (0, 1)
    assert use.outcomes[-1] == pytest.approx(outcomes[8].mean())
    assert use.margin == pytest.approx(0.05 * 10, rel=0.1)
    nothing = memory_use(outcomes, outcomes[8] + sign * generator.normal(size=96), margin=0.05, higher_is_better=higher)
    assert (nothing.learned, nothing.used, nothing.better) == (False, None, None)
    few = memory_use(
        {k: values[:7] for k, values in outcomes.items()}, np.zeros(7), margin=0.05, higher_is_better=higher
    )
    assert (few.used, few.episodes) == (None, 7)


def test_the_estimate_follows_means_where_few_episodes_prove_little() -> None:
    """A small memory that costs much in the mean makes no larger one uncertain, as it does for what is proven."""
    generator = np.random.default_rng(3)
    uncut = 3.4 + 0.3 * generator.normal(size=96)
    left = {0: 2.6, 1: 1.0, 2: 0.0, 3: -1.0, 4: -0.2}  # mean loss of each memory: 3 is better than no cut
    outcomes = {memory: uncut + loss + 0.3 * generator.normal(size=96) for memory, loss in left.items()} | {8: uncut}
    use = memory_use(outcomes, np.full(96, 6.1), margin=0.01, higher_is_better=False)
    means = [outcomes[memory].mean() - uncut.mean() for memory in outcomes]
    assert use.estimate == next(k for i, k in enumerate(outcomes) if all(loss <= use.margin for loss in means[i:]))
    assert use.estimate in (2, 3)
    assert use.used is not None
    assert use.used >= use.estimate
    turned = memory_use({k: -v for k, v in outcomes.items()}, np.full(96, -6.1), margin=0.01, higher_is_better=True)
    assert turned.estimate == use.estimate
    assert memory_use(outcomes, uncut, margin=0.01, higher_is_better=False).estimate is None


def test_episodes_without_a_target_are_left_out() -> None:
    outcomes = {0: np.full(10, 4.0), 1: np.full(10, 1.0)}
    outcomes[1][3] = np.nan
    use = memory_use(outcomes, np.full(10, 5.0), margin=0.01, higher_is_better=False)
    assert (use.episodes, use.used, use.outcomes) == (9, 1, [4.0, 1.0])
    none: Callable[[], np.ndarray] = lambda: np.full(10, np.nan)  # noqa: E731
    assert memory_use({0: none(), 1: none()}, none(), margin=0.01, higher_is_better=False).used is None
