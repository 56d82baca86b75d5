"""The two initializations beyond R2D2: states that the learner writes back, and a start state that is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from r2d2_burnin.initialization import Learned, parse
from r2d2_burnin.initialization.start_state import first_state, start_state
from r2d2_burnin.learning.learner import Learner
from r2d2_burnin.learning.objectives import Regression
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork
from r2d2_burnin.networks.unrolling import unroll_step_by_step
from r2d2_burnin.replay.buffer import Replay
from r2d2_burnin.runtime.tensorflow import tf
from r2d2_burnin.settings import LearnerSettings, NetworkSettings
from tests.common.networks import KINDS, TOLERANCE, act_episodes, make_network, make_replay

FROZEN = LearnerSettings(learning_rate=1e-12, final_learning_rate=1e-12)
"""So small that float32 parameters stay what they are."""


def replay_of(network: DenseRecurrentNetwork, name: str, lengths: tuple[int, ...] = (22, 9)) -> Replay:
    replay = make_replay(name, sequence_length=7, period=3)
    for length in lengths:
        replay.add(act_episodes(network, 1, length=length, modulo=None)[0])
    return replay


def stored(replay: Replay, rows: np.ndarray) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in tf.nest.flatten(replay.batch(rows).start_state)]


FAST = [(KINDS[0], 2), (KINDS[1], 0), (KINDS[2], 5)]
"""A program is compiled for each of nine; the others are marked as long."""


def run_to(network: DenseRecurrentNetwork, inputs: np.ndarray, state: Any) -> list[np.ndarray]:
    """The state after all of `[T, F]`, step by step."""
    for x in inputs:
        _, state = network.step(x[None], state)
    return [np.asarray(leaf[0]) for leaf in tf.nest.flatten(state)]


@pytest.mark.parametrize(
    ("kind", "burn_in"),
    [
        pytest.param(kind, burn_in, marks=() if (kind, burn_in) in FAST else pytest.mark.long)
        for kind in KINDS[:3]
        for burn_in in (0, 2, 5)
    ],
)
def test_replaying_a_fragment_recomputes_the_states_at_all_later_starts_that_it_covers(kind, burn_in: int) -> None:
    old, new = make_network(*kind), DenseRecurrentNetwork(1, 1, NetworkSettings(5, *kind), seed=8)
    episode = act_episodes(old, 1, length=22, modulo=None)[0]
    replay = replay_of(old, f"refreshed+{burn_in}")
    rows = replay.all_rows()
    before = stored(replay, rows)
    learner = Learner(new, Regression(2), FROZEN, updates=9, refresh_period=3)
    replayed = 2  # starts at step 6
    chosen = np.array([[replayed]])
    replay.refresh(chosen, learner.update(replay.batch(chosen)).states, update=5)
    after = stored(replay, rows)

    first = max(6 - burn_in, 0)  # what the replayed fragment processes: up to 13
    state = tf.nest.map_structure(lambda leaf: leaf[first : first + 1], episode.states)
    if first == 0:
        state = new.initial_state(1)
    for row in rows:
        processed = max(3 * row - burn_in, 0) if row <= 5 else None  # the first episode's six fragments
        covered = row > replayed and processed is not None and processed <= 13
        if covered:
            expected = run_to(new, episode.observations[first:processed], state)
            for a, b in zip(after, expected, strict=True):
                np.testing.assert_allclose(a[row], b, rtol=1e-4, atol=1e-5)
        else:
            for a, b in zip(after, before, strict=True):
                np.testing.assert_array_equal(a[row], b[row])
        assert replay.staleness(np.array([row]), 5)[0] == (0 if covered else 5)
    assert covered is False  # the other episode's fragments follow, and are left alone


@pytest.mark.parametrize(
    ("further", "later"), [(0, (0, 0, 0)), (6, (2, 1, 0)), pytest.param(5, (None, None, 0), marks=pytest.mark.long)]
)
def test_with_more_trained_steps_a_refresh_writes_the_states_that_belong_there(
    further: int, later: tuple[int | None, ...]
) -> None:
    """The first fragments of an episode lack further steps; their states belong to `later` fragments, or to none."""
    old, new = make_network("lstm", 1), DenseRecurrentNetwork(1, 1, NetworkSettings(5, "lstm", 1), seed=8)
    episode = act_episodes(old, 1, length=22, modulo=None)[0]
    learner = Learner(new, Regression(2), FROZEN, updates=9, refresh_period=3)
    for replayed, shift in enumerate(later):
        replay = replay_of(old, f"refreshed+2@{7 + further}")
        rows, chosen = replay.all_rows(), np.array([[replayed]])
        before = stored(replay, rows)
        replay.refresh(chosen, learner.update(replay.batch(chosen)).states, update=5)
        after = stored(replay, rows)
        # A batch has 2 + 7 + further steps, of which every third has a state: of this fragment's, and of later ones.
        count = (9 + further) // 3
        covered = [] if shift is None else list(range(1 + replayed + shift, 6))[:count]
        first = max(3 * replayed - further - 2, 0)
        for row in rows:
            processed = max(3 * row - further - 2, 0)
            if row in covered:
                state = tf.nest.map_structure(lambda leaf, at=first: leaf[at : at + 1], episode.states)
                start = new.initial_state(1) if first == 0 else state
                expected = run_to(new, episode.observations[first:processed], start)
            else:
                expected = [leaf[row] for leaf in before]
            for a, b in zip(after, expected, strict=True):
                np.testing.assert_allclose(a[row], b, rtol=1e-4, atol=1e-5)
            assert replay.staleness(np.array([row]), 5)[0] == (0 if row in covered else 5)


def test_with_unchanged_parameters_a_refresh_changes_nothing() -> None:
    network = make_network("lstm", 2)
    replay = replay_of(network, "refreshed+2")
    rows = replay.all_rows()
    before = stored(replay, rows)
    learner = Learner(network, Regression(2), FROZEN, updates=9, refresh_period=3)
    batches = rows[None].repeat(2, 0)
    replay.refresh(batches, learner.update(replay.batch(batches)).states, update=0)
    beyond_padding = ~replay.batch(rows).from_initial_state
    for a, b in zip(stored(replay, rows), before, strict=True):
        np.testing.assert_allclose(a[beyond_padding], b[beyond_padding], **TOLERANCE)


def test_returning_states_changes_neither_losses_nor_gradients() -> None:
    network = make_network("lstm", 1)
    batch = replay_of(network, "stored+5").batch(np.arange(6))
    plain, refreshing = (
        Learner(network, Regression(2), FROZEN, updates=9, refresh_period=period) for period in (None, 3)
    )
    a, b = plain.gradients(batch), refreshing.gradients(batch)
    assert float(a.loss) == pytest.approx(float(b.loss), rel=1e-5)
    for x, y in zip(a.gradients, b.gradients, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        # Each network, with a burn-in and without; all pairs are long.
        pytest.param(kind, name, marks=() if (i + j) % 2 == 0 else pytest.mark.long)
        for i, kind in enumerate(KINDS[:3])
        for j, name in enumerate(["learned+4", "learned"])
    ],
)
def test_the_learned_states_gradient_goes_through_burn_in_and_the_parameters_does_not(kind, name: str) -> None:
    network = make_network(*kind)
    replay = replay_of(network, name)
    batch = replay.batch(replay.all_rows())
    assert batch.from_initial_state.any()
    assert not batch.from_initial_state.all()
    learner = Learner(network, Regression(2), FROZEN, updates=9, initialization=Learned())
    result = learner.gradients(batch)
    count = len(network.trainable_variables)
    of_learned = result.gradients[count:]
    for leaf, gradient in enumerate(of_learned):
        for unit in (0, 4):
            losses = []
            for change in (-1e-2, 1e-2):
                moved = [np.array(value) for value in tf.nest.flatten(learner.learned_state)]
                moved[leaf][0, unit] += change
                state = start_state(network, batch, Learned(), tf.nest.pack_sequence_as(learner.learned_state, moved))
                losses.append(float(loss_from(learner, batch, state)))
            expected = (losses[1] - losses[0]) / 2e-2
            assert float(gradient[0, unit]) == pytest.approx(expected, rel=0.05, abs=2e-3)

    with tf.GradientTape() as tape:
        loss = loss_from(learner, batch, start_state(network, batch, Learned(), learner.learned_state))
    for a, b in zip(result.gradients[:count], tape.gradient(loss, network.trainable_variables), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (KINDS[0], "stored+4"),
        (KINDS[1], "refreshed+4"),
        (KINDS[2], "learned+4"),
        pytest.param(KINDS[2], "full@9", marks=pytest.mark.long),
        pytest.param(KINDS[4], "refreshed+4", marks=pytest.mark.long),
        (KINDS[5], "learned+4"),
    ],
)
def test_gradients_through_burn_in_equal_those_of_plain_steps_without_a_stop(kind, name: str) -> None:
    """The reference has neither the hand-written backward pass nor two parts that a gradient could stop between."""
    network, initialization = make_network(*kind), parse(name)
    replay = replay_of(network, name)
    batch = replay.batch(replay.all_rows())
    period = 3 if initialization.refreshes else None
    stopped, through = (
        Learner(
            network,
            Regression(2),
            LearnerSettings(burn_in_gradient=flag),
            updates=9,
            refresh_period=period,
            initialization=initialization,
        )
        for flag in (False, True)
    )
    result = through.gradients(batch)
    variables = [*network.trainable_variables, *through._variables[len(network.trainable_variables) :]]
    with tf.GradientTape() as tape:
        learned = through._learned() if initialization.learns_state else ()
        first = first_state(network, batch, initialization, learned)
        mask = np.concatenate([batch.burn_in_mask, np.ones_like(batch.mask)], 1)
        outputs, _ = unroll_step_by_step(network, batch.processed, first, mask)
        errors = tf.square(outputs[:, batch.burn_in_mask.shape[1] :, 0] - batch.labels["target"])
        loss = tf.reduce_mean(tf.boolean_mask(errors, batch.mask))
    assert float(result.loss) == pytest.approx(float(loss), rel=1e-5)
    for a, b in zip(result.gradients, tape.gradient(loss, variables), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    differences = [
        np.abs(a - b).max() for a, b in zip(result.gradients, stopped.gradients(batch).gradients, strict=True)
    ]
    assert max(differences) > 1e-3  # what comes through burn-in is no rounding
    assert float(through.loss(batch)) == float(stopped.loss(batch))


def loss_from(learner: Learner, batch: Any, state: Any) -> Any:
    outputs, _ = learner.network.unroll(batch.observations, state)
    losses = tf.square(outputs[..., 0] - batch.labels["target"])
    return tf.reduce_sum(tf.where(batch.mask, losses, 0.0)) / tf.reduce_sum(tf.cast(batch.mask, tf.float32))


def test_an_update_moves_the_learned_state_and_a_reset_takes_it_back() -> None:
    network = DenseRecurrentNetwork(1, 1, NetworkSettings(4), seed=0)
    replay = replay_of(network, "learned+2")
    learner = Learner(network, Regression(2), LearnerSettings(), updates=9, initialization=Learned())
    assert all((leaf == 0).all() for leaf in tf.nest.flatten(learner.learned_state))
    learner.update(replay.batch(replay.all_rows()[None]))
    assert all((leaf != 0).all() for leaf in tf.nest.flatten(learner.learned_state))
    learner.reset()
    assert all((leaf == 0).all() for leaf in tf.nest.flatten(learner.learned_state))
    assert Learner(network, Regression(2), LearnerSettings(), updates=9).learned_state == ()
