"""R2D2's formulas with numbers worked by hand, and the whole loss against a plain loop."""

from __future__ import annotations

import decimal
import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2d2_burnin.acting.policies import EpsilonGreedy, epsilon_ladder
from r2d2_burnin.data import Episode
from r2d2_burnin.initialization import Learned, parse
from r2d2_burnin.learning import q_learning
from r2d2_burnin.learning.learner import Learner
from r2d2_burnin.learning.objectives import QLearning
from r2d2_burnin.learning.returns import n_step_returns
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork, dueling_q_values
from r2d2_burnin.replay.buffer import Replay
from r2d2_burnin.runtime import archive
from r2d2_burnin.runtime.tensorflow import tf
from r2d2_burnin.settings import LearnerSettings, NetworkSettings, QLearningSettings, ReplaySettings
from tests.common import reference
from tests.common.networks import make_episode

finite = st.floats(-1e4, 1e4, width=32)


def test_value_rescaling_by_hand() -> None:
    # sqrt(3 + 1) - 1 = 1, plus 1e-3 of 3; sqrt(99 + 1) - 1 = 9, plus 1e-3 of 99; odd.
    result = q_learning.rescale_value(tf.constant([0.0, 3.0, 99.0, -3.0]))
    np.testing.assert_allclose(result, [0.0, 1.003, 9.099, -1.003], rtol=1e-6)
    np.testing.assert_allclose(q_learning.restore_value(result), [0.0, 3.0, 99.0, -3.0], rtol=1e-5)


def test_rescaling_and_restoring_lose_no_digits_however_small_the_value() -> None:
    decimal.getcontext().prec = 60
    sizes = np.geomspace(1e-12, 1e6, 181).astype(np.float32)
    for x in (sizes, -sizes):
        rescaled, restored = q_learning.rescale_value(tf.constant(x)), q_learning.restore_value(tf.constant(x))
        np.testing.assert_allclose(rescaled, [exact_h(value) for value in x], rtol=3e-7, atol=0)
        np.testing.assert_allclose(restored, [exact_inverse_h(value) for value in x], rtol=5e-7, atol=0)
    assert q_learning.restore_value(tf.constant([0.0])).numpy() == [0.0]


def test_rescaling_and_restoring_have_their_slopes_at_zero_too() -> None:
    # h'(0) = 1/2 + 1e-3, and the inverse has the inverse slope.
    x = tf.Variable([-1e-6, 0.0, 1e-6])
    with tf.GradientTape(persistent=True) as tape:
        rescaled, restored = q_learning.rescale_value(x), q_learning.restore_value(x)
    np.testing.assert_allclose(tape.gradient(rescaled, x), [0.501] * 3, rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(restored, x), [1 / 0.501] * 3, rtol=1e-5)


def exact_h(x: np.float32) -> float:
    """The formula of the paper with 60 digits."""
    size, epsilon = decimal.Decimal(abs(float(x))), decimal.Decimal("0.001")
    return float(np.sign(x)) * float((size + 1).sqrt() - 1 + epsilon * size)


def exact_inverse_h(x: np.float32) -> float:
    """The inverse's formula of the paper with 60 digits."""
    size, epsilon = decimal.Decimal(abs(float(x))), decimal.Decimal("0.001")
    root = (1 + 4 * epsilon * (size + 1 + epsilon)).sqrt()
    return float(np.sign(x)) * float(((root - 1) / (2 * epsilon)) ** 2 - 1)


@given(st.lists(finite, min_size=1, max_size=20))
def test_restoring_inverts_rescaling(values: list[float]) -> None:
    x = tf.constant(values)
    np.testing.assert_allclose(q_learning.restore_value(q_learning.rescale_value(x)), values, rtol=2e-4, atol=1e-5)
    np.testing.assert_allclose(q_learning.rescale_value(q_learning.restore_value(x)), values, rtol=2e-4, atol=1e-5)


def test_n_step_returns_by_hand() -> None:
    rewards = np.array([1.0, 2.0, 4.0, 8.0])
    result = n_step_returns(rewards, terminated=True, n=2, discount=0.5)
    assert result.returns.tolist() == [2.0, 4.0, 8.0, 8.0]  # 1 + 2/2, 2 + 4/2, 4 + 8/2, and 8 alone
    assert result.discounts.tolist() == [0.25, 0.25, 0.0, 0.0]  # the last two reach the end, after which nothing comes
    assert result.offsets.tolist() == [2, 2, 2, 1]
    result = n_step_returns(rewards, terminated=False, n=2, discount=0.5)
    assert result.returns.tolist() == [2.0, 4.0, 8.0, 8.0]
    assert result.discounts.tolist() == [0.25, 0.25, 0.25, 0.5]  # a truncated episode goes on unseen
    result = n_step_returns(np.array([3.0]), terminated=True, n=5, discount=0.9)
    assert (result.returns.tolist(), result.discounts.tolist(), result.offsets.tolist()) == ([3.0], [0.0], [1])


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=15), st.integers(1, 7), st.floats(0, 1), st.booleans())
def test_n_step_returns_equal_a_plain_loop(rewards: list[float], n: int, discount: float, terminated: bool) -> None:
    result = n_step_returns(np.array(rewards), terminated=terminated, n=n, discount=discount)
    for t in range(len(rewards)):
        ahead = rewards[t : t + n]
        assert result.returns[t] == pytest.approx(sum(discount**i * r for i, r in enumerate(ahead)), abs=1e-4)
        over = terminated and t + len(ahead) == len(rewards)
        assert result.discounts[t] == pytest.approx(0.0 if over else discount ** len(ahead), abs=1e-6)
        assert result.offsets[t] == len(ahead)


def test_double_q_takes_the_online_networks_choice_at_the_target_networks_value() -> None:
    online = tf.constant([[[1.0, 3.0, 2.0], [5.0, 0.0, 0.0]]])
    target = tf.constant([[[9.0, 4.0, 7.0], [-1.0, 8.0, 8.0]]])
    assert q_learning.double_q_values(online, target).numpy().tolist() == [[4.0, -1.0]]


def test_n_step_targets_by_hand() -> None:
    returns, discounts, values = tf.constant([1.0, 2.0]), tf.constant([0.5, 0.0]), tf.constant([4.0, 7.0])
    plain = q_learning.n_step_targets(returns, discounts, values, rescaled=False)
    assert plain.numpy().tolist() == [3.0, 2.0]
    # h^-1(1.003) = 3: h(1 + 0.5 * 3) = sqrt(3.5) - 1 + 0.0025; without bootstrap h(2) = sqrt(3) - 1 + 0.002.
    rescaled = q_learning.n_step_targets(returns, discounts, tf.constant([1.003, 7.0]), rescaled=True)
    np.testing.assert_allclose(rescaled, [np.sqrt(3.5) - 1 + 0.0025, np.sqrt(3) - 1 + 0.002], rtol=1e-5)


def test_fragment_priorities_by_hand_and_without_padding() -> None:
    errors = tf.constant([[1.0, -3.0, 2.0], [4.0, 100.0, 100.0]])
    mask = tf.constant([[True, True, True], [True, False, False]])
    result = q_learning.fragment_priorities(errors, mask, eta=0.9)
    np.testing.assert_allclose(result, [0.9 * 3 + 0.1 * 2, 4.0], rtol=1e-6)


def test_epsilon_ladder_by_hand() -> None:
    np.testing.assert_allclose(epsilon_ladder(3, epsilon=0.4, alpha=7.0), [0.4, 0.4**4.5, 0.4**8])
    assert epsilon_ladder(1, epsilon=0.4, alpha=7.0).tolist() == [0.4]


def test_dueling_by_hand() -> None:
    result = dueling_q_values(tf.constant([[2.0]]), tf.constant([[1.0, 2.0, 6.0]]))
    assert result.numpy().tolist() == [[0.0, 1.0, 5.0]]


def test_epsilon_greedy_explores_as_often_as_it_should() -> None:
    objective = QLearning(4, QLearningSettings())
    act = EpsilonGreedy(objective.act, 4, np.array([0.0, 0.4, 1.0]), seed=0)
    outputs = np.tile(np.array([0.0, 0.0, 1.0, 0.0], np.float32), (4000, 3, 1))
    others = np.mean(act(outputs) != 2, axis=0)  # a random action is the best one in 1 of 4
    np.testing.assert_allclose(others, [0.0, 0.3, 0.75], atol=0.03)


@functools.lru_cache
def two_networks() -> list[DenseRecurrentNetwork]:
    """An online and a target network, which no test trains."""
    return [DenseRecurrentNetwork(1, 2, NetworkSettings(4), seed=seed) for seed in (1, 2)]


@functools.lru_cache
def four_episodes(terminated: bool) -> list[Episode]:
    """Episodes of the online network."""
    return [make_episode(two_networks()[0], length, terminated, seed=length) for length in (1, 4, 12, 13)]


@functools.lru_cache
def learner_of(rescaled: bool, name: str) -> Learner:
    """A learner of the two networks; the target network is another than the online one."""
    objective = QLearning(2, QLearningSettings(discount=0.9, n_step=3, value_rescaling=rescaled))
    online, target = two_networks()
    learner = Learner(
        online, objective, LearnerSettings(), updates=1, target_network=target, initialization=parse(name)
    )
    for variable, other in zip(target.trainable_variables, online.trainable_variables, strict=True):
        variable.assign(0.7 * other + 0.1)
    return learner


INITIALIZATIONS = ["zero", "stored+2", "full", "learned", "learned+2"]


# All pairs of two of the three axes; a learner is compiled for each initialization, with and without rescaling.
@pytest.mark.parametrize(
    ("name", "terminated", "rescaled"),
    [
        (name, (number + rescaled) % 2 == 0, rescaled)
        for number, name in enumerate(INITIALIZATIONS)
        for rescaled in (True, False)
    ],
)
def test_the_whole_loss_equals_a_plain_loop_over_whole_episodes(name: str, terminated: bool, rescaled: bool) -> None:
    """Two networks unrolled in NumPy: each from its own start state and burn-in, targets as published, no padding."""
    learns = name.startswith("learned")
    learner, episodes = learner_of(rescaled, name), four_episodes(terminated)
    online, target = two_networks()
    replay = Replay(ReplaySettings(5, 3, 1000, priority_exponent=0.9), parse(name), learner.objective)
    for episode in episodes:
        replay.add(episode)
    batch = replay.batch(replay.all_rows())
    generator = np.random.default_rng(0)
    planted = {
        name: generator.normal(size=value.shape).astype(np.float32)
        for name, value in learner.get_state().items()
        if "learned" in name
    }
    assert len(planted) == 4 * learns  # h and c of the online and of the target network
    learner.set_state(learner.get_state() | planted)

    losses, priorities = [], []
    for episode in episodes:
        length = len(episode)
        seen = np.concatenate([episode.observations, episode.final_observation[None]])
        for start in range(0, max(length - 5, 0) + 3, 3):
            first = 0 if name == "full" else max(start - 2, 0) if name.endswith("+2") else start
            q = {}
            for network in (online, target):
                state = None
                if name == "stored+2":
                    state = [tuple(part[first].astype(np.float64) for part in layer) for layer in episode.states]
                if learns and start > (2 if name == "learned+2" else 0):
                    kind = "learned" if network is online else "target_learned"
                    state = [tuple(planted[f"{kind}/{part}"][0].astype(np.float64) for part in range(2))]
                outputs, _ = reference.unroll(network, seen[first:], state)
                q[network is online] = outputs[start - first :]
            errors = []
            for t in range(start, min(start + 5, length)):
                m = min(3, length - t)
                value = sum(0.9**i * episode.rewards[t + i] for i in range(m))
                if not (terminated and t + m == length):
                    best = np.argmax(q[True][t + m - start])
                    bootstrap = q[False][t + m - start][best]
                    value += 0.9**m * (inverse_h(bootstrap) if rescaled else bootstrap)
                errors.append(q[True][t - start][episode.actions[t]] - (h(value) if rescaled else value))
            losses += [0.5 * error**2 for error in errors]
            priorities.append(0.9 * np.max(np.abs(errors)) + 0.1 * np.mean(np.abs(errors)))
    assert float(learner.loss(batch)) == pytest.approx(np.mean(losses), rel=2e-3)
    np.testing.assert_allclose(learner.priorities(batch), priorities, rtol=2e-3, atol=1e-4)


def h(x: float) -> float:
    return float(np.sign(x) * (np.sqrt(abs(x) + 1) - 1) + 1e-3 * x)


def inverse_h(x: float) -> float:
    root = np.sqrt(1 + 4e-3 * (abs(x) + 1 + 1e-3))
    return float(np.sign(x) * (((root - 1) / 2e-3) ** 2 - 1))


def test_the_target_network_and_its_learned_state_are_copied_every_period_and_not_in_between() -> None:
    objective = QLearning(2, QLearningSettings())
    online, target = (DenseRecurrentNetwork(1, 2, NetworkSettings(4), seed=seed, dueling=True) for seed in (1, 2))
    replay = Replay(ReplaySettings(5, 3, 1000), parse("learned"), objective)
    replay.add(make_episode(online, 12, True, seed=0))
    learner = Learner(
        online,
        objective,
        LearnerSettings(),
        updates=9,
        target_network=target,
        target_update_period=3,
        initialization=Learned(),
    )
    begun = copied(learner, "network", "learned")
    assert_same(copied(learner, "target", "target_learned"), begun)  # copied at the start
    generator = np.random.default_rng(0)
    learner.update(replay.batch(replay.sample(generator, 2, 4)))
    assert_same(copied(learner, "target", "target_learned"), begun)
    learner.update(replay.batch(replay.sample(generator, 1, 4)))
    after_three = copied(learner, "network", "learned")
    assert all((a != b).any() for a, b in zip(after_three[-2:], begun[-2:], strict=True))  # the learned states' moved
    assert_same(copied(learner, "target", "target_learned"), after_three)
    learner.update(replay.batch(replay.sample(generator, 2, 4)))
    assert_same(copied(learner, "target", "target_learned"), after_three)
    now = copied(learner, "network", "learned")
    assert any((a != b).any() for a, b in zip(now, after_three, strict=True))
    learner.reset()
    assert all((leaf == 0).all() for leaf in copied(learner, "target_learned"))


def copied(learner: Learner, *groups: str) -> list[np.ndarray]:
    return [value for group in groups for value in archive.part(group, learner.get_state()).values()]


def assert_same(a: list[np.ndarray], b: list[np.ndarray]) -> None:
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def test_importance_weights_scale_each_fragments_loss() -> None:
    objective = QLearning(2, QLearningSettings())
    network = DenseRecurrentNetwork(1, 2, NetworkSettings(4), seed=1)
    replay = Replay(ReplaySettings(5, 5, 1000), parse("zero"), objective)
    replay.add(make_episode(network, 10, True, seed=0))
    learner = Learner(network, objective, LearnerSettings(), updates=1, target_network=network)
    batch = replay.batch(replay.all_rows())
    each = [float(learner.loss(replay.batch(replay.all_rows()[i : i + 1]))) for i in range(2)]
    weighted = float(learner.loss(batch._replace(weights=np.array([1.0, 0.25], np.float32))))
    assert weighted == pytest.approx((each[0] + 0.25 * each[1]) / 2, rel=1e-4)
