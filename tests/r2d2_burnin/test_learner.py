"""The learner against Keras's optimizer step by step, and ΔQ against its formula."""

from __future__ import annotations

import numpy as np
import pytest

from r2d2_burnin.diagnostics.discrepancy import DiscrepancyMeasure, delta_q
from r2d2_burnin.learning.learner import Learner
from r2d2_burnin.learning.objectives import Classification, QLearning, Regression
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork
from r2d2_burnin.replay.buffer import Replay
from r2d2_burnin.runtime.tensorflow import keras, tf
from r2d2_burnin.settings import LearnerSettings, NetworkSettings, QLearningSettings
from tests.common import reference
from tests.common.networks import act_episodes, make_network, make_replay


def filled_replay(name: str, network: DenseRecurrentNetwork, length: int = 13) -> Replay:
    replay = make_replay(name)
    for episode in act_episodes(network, 6, length=length, modulo=None):
        replay.add(episode)
    return replay


def test_several_updates_in_one_program_equal_plain_steps_one_by_one() -> None:
    settings = LearnerSettings(learning_rate=0.01, final_learning_rate=0.001, gradient_clip=0.5)
    networks = [DenseRecurrentNetwork(1, 1, NetworkSettings(4), seed=3) for _ in range(2)]
    replay = filled_replay("stored+2", networks[0])
    rows = replay.sample(np.random.default_rng(0), 4, 8)
    losses = Learner(networks[0], Regression(2), settings, updates=4).update(replay.batch(rows)).losses

    plain = Learner(networks[1], Regression(2), settings, updates=4)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, 4, alpha=0.1), global_clipnorm=0.5)
    for i in range(4):
        with tf.GradientTape() as tape:
            loss = plain.loss(replay.batch(rows[i]))
        variables = networks[1].trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        assert losses[i] == pytest.approx(float(loss), rel=1e-4)
    for a, b in zip(networks[0].trainable_variables, networks[1].trainable_variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-3, atol=1e-5)


def test_reset_forgets_everything() -> None:
    network = DenseRecurrentNetwork(1, 1, NetworkSettings(4), seed=3)
    replay = filled_replay("zero+2", network)
    batch = replay.batch(replay.sample(np.random.default_rng(0), 5, 8))
    learner = Learner(network, Regression(2), LearnerSettings(), updates=10)
    first = learner.update(batch).losses
    network.initialize(3)
    learner.reset()
    np.testing.assert_array_equal(learner.update(batch).losses, first)


def test_padding_enters_no_loss_and_no_gradient() -> None:
    network = make_network("lstm", 1)
    replay = filled_replay("stored", network, length=12)  # the last fragment of an episode has 3 steps of 5
    batch = replay.batch(replay.all_rows())
    assert not batch.mask.all()
    garbage = np.where(batch.mask[..., None], batch.observations, 1e4).astype(np.float32)
    wrong_targets = np.where(batch.mask, batch.labels["target"], -1e4).astype(np.float32)
    learner = Learner(network, Regression(2), LearnerSettings(), updates=1)
    results = []
    for variant in (batch, batch._replace(processed=garbage, labels={"target": wrong_targets})):
        with tf.GradientTape() as tape:
            loss = learner.loss(variant)
        results.append([loss, *tape.gradient(loss, network.trainable_variables)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_the_loss_is_the_mean_over_trained_steps() -> None:
    network = make_network("lstm", 1)
    replay = filled_replay("full", network, length=12)
    rows = replay.all_rows()
    loss = Learner(network, Regression(2), LearnerSettings(), updates=1).loss(replay.batch(rows))
    errors = []
    for episode in act_episodes(network, 6, length=12):
        outputs, _ = reference.unroll(network, episode.observations)
        squared = (outputs[:, 0] - episode.targets) ** 2
        errors += [value for start in (0, 3, 6, 9) for value in squared[start : start + 5]]
    assert float(loss) == pytest.approx(np.mean(errors), rel=1e-4)


def test_delta_q_by_hand() -> None:
    outputs = tf.constant([[3.0, 4.0], [1.0, 1.0], [0.0, 0.0]])
    result = delta_q(outputs, tf.constant([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]), tf.constant([10.0, 2.0, 0.0]))
    assert result.numpy().tolist() == [0.5, 0.0, 0.0]


def test_the_scale_of_delta_q_by_hand() -> None:
    """|max q| over trained steps and actions for Q-values; the largest |output| for what is no Q-value."""
    values = tf.constant([[[-3.0, -2.0], [-5.0, -1.0], [-9.0, 7.0]], [[1.0, 4.0], [-6.0, 2.0], [0.0, 0.0]]])
    mask = tf.constant([[True, True, False], [True, True, True]])
    q_learning, regression = QLearning(2, QLearningSettings()), Regression(2)
    assert q_learning.scale(values, mask).numpy().tolist() == [1.0, 4.0]
    assert regression.scale(values, mask).numpy().tolist() == [5.0, 6.0]
    assert Classification(2).scale(values, mask).numpy().tolist() == [5.0, 6.0]
    # ΔQ of Q-values that are shifted by a constant changes with the scale alone (R2D2, section 3).
    outputs, reference_outputs = values[:, 0], values[:, 1]
    shifted = q_learning.scale(values - 10.0, mask)
    assert shifted.numpy().tolist() == [11.0, 6.0]
    result = delta_q(outputs - 10.0, reference_outputs - 10.0, shifted)
    np.testing.assert_allclose(result, [np.sqrt(5.0) / 11.0, np.sqrt(53.0) / 6.0], rtol=1e-6)


@pytest.mark.parametrize("shift", [0.0, -2.0, 3.0])
def test_discrepancies_of_q_values_are_relative_to_the_largest(shift: float) -> None:
    network = make_network("lstm", 1, outputs=3)
    objective = QLearning(3, QLearningSettings())
    replay = filled_replay("zero", network, length=12)
    rows = replay.all_rows()
    measure = DiscrepancyMeasure(network, lambda outputs: outputs + shift, objective.scale)
    result, outputs = measure(replay.batch(rows), replay.references(rows))
    mask = replay.batch(rows).mask
    row = 0
    for episode in act_episodes(network, 6, length=12):
        exact, _ = reference.unroll(network, episode.observations)
        for start in (0, 3, 6, 9):
            values = outputs[row][mask[row]] + shift
            delta = np.linalg.norm(values[-1] - (exact[start + len(values) - 1] + shift)) / abs(values.max())
            assert result.delta_q_last_exact[row] == pytest.approx(delta, rel=1e-3, abs=1e-5)
            row += 1


def test_discrepancies_equal_the_formula_on_the_reference_network() -> None:
    network = make_network("lstm", 1)
    replay = filled_replay("zero", network, length=12)
    rows = replay.all_rows()
    result, _ = DiscrepancyMeasure(network)(replay.batch(rows), replay.references(rows))
    row = 0
    for episode in act_episodes(network, 6, length=12):
        exact, states = reference.unroll(network, episode.observations)
        for start in (0, 3, 6, 9):
            steps = episode.observations[start : start + 5]
            tried, _ = reference.unroll(network, steps)
            last, scale = len(steps) - 1, np.abs(tried).max()
            first_delta = np.linalg.norm(tried[0] - exact[start]) / scale
            last_delta = np.linalg.norm(tried[last] - exact[start + last]) / scale
            assert result.delta_q_first_exact[row] == pytest.approx(first_delta, rel=1e-3, abs=1e-5)
            assert result.delta_q_last_exact[row] == pytest.approx(last_delta, rel=1e-3, abs=1e-5)
            # The parameters have not changed, so the actor's states are the exact ones.
            assert result.delta_q_first[row] == pytest.approx(first_delta, rel=1e-3, abs=1e-5)
            assert result.delta_q_last[row] == pytest.approx(last_delta, rel=1e-3, abs=1e-5)
            distance = np.sqrt(sum((part**2).sum() for part in states[start][0]))
            assert result.state_error[row] == pytest.approx(distance, rel=1e-3, abs=1e-5)
            row += 1
    assert row == len(rows)
