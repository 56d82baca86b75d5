"""Recurrent states of any dtype: acted with, stored, refreshed, learned, measured and saved like float32 ones."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from r2d2_burnin import testing
from r2d2_burnin.data import Episode
from r2d2_burnin.diagnostics.discrepancy import DiscrepancyMeasure, state_distance
from r2d2_burnin.initialization import Learned
from r2d2_burnin.initialization.start_state import start_state
from r2d2_burnin.learning.learner import Learner
from r2d2_burnin.learning.objectives import QLearning, Regression
from r2d2_burnin.networks.weights import get_weights, set_weights
from r2d2_burnin.runtime import archive
from r2d2_burnin.runtime.tensorflow import tf
from r2d2_burnin.settings import LearnerSettings, QLearningSettings
from r2d2_burnin.testing import check_state_equivalence
from tests.common import user_networks
from tests.common.episodes import LENGTH, act_episode, replay_of

DTYPES = user_networks.STATE_DTYPES
LEARNED = [("float16", "learned+1"), ("int32", "learned")]
SOME = [d if d in ("float16", "int32") else pytest.param(d, marks=pytest.mark.long) for d in DTYPES]


def make_network(dtype: str, outputs: int = 1) -> Any:
    network = user_networks.mixed_states(dtype)(None, user_networks.spaces.Discrete(outputs))  # type: ignore[arg-type]
    network.step(tf.zeros([1, 1]), network.initial_state(1))
    return network


@functools.lru_cache
def _first_episode(dtype: str, outputs: int) -> tuple[Any, list[np.ndarray], Episode]:
    network = make_network(dtype, outputs)
    return network, get_weights(network), act_episode(network, outputs)


def acted(dtype: str, outputs: int = 1) -> tuple[Any, Episode]:
    """A network that all tests share, with the weights that it began with, and an episode that it acted with these."""
    network, weights, episode = _first_episode(dtype, outputs)
    set_weights(network, weights)
    return network, episode


@pytest.mark.parametrize("dtype", SOME)
def test_stored_and_refreshed_states_keep_their_dtypes_and_values(dtype: str) -> None:
    network, by_block = acted(dtype)
    by_step = act_episode(network, block=False)
    for a, b, initial in zip(
        *(tf.nest.flatten(nest) for nest in (by_block.states, by_step.states, network.initial_state(1))), strict=True
    ):
        assert a.dtype == b.dtype == initial.dtype
        np.testing.assert_allclose(a.astype(complex), b.astype(complex), rtol=1e-2)
    assert by_block.states["steps"].tolist() == list(range(LENGTH))
    assert by_block.states["odd"][:, 0].tolist() == [False, True] * 3

    replay = replay_of(by_block, "refreshed")
    rows = replay.all_rows()
    before = replay.batch(rows).start_state
    learner = Learner(network, Regression(1), LearnerSettings(), updates=9, refresh_period=1)
    batches = np.repeat(rows[None], 2, 0)
    updates = learner.update(replay.batch(batches))
    assert np.isfinite(updates.losses).all()
    replay.refresh(batches, updates.states, update=1)
    after = replay.batch(rows).start_state
    for name in ("steps", "odd", "byte"):  # no parameter changes these
        np.testing.assert_array_equal(after[name], before[name])
        assert after[name].dtype == before[name].dtype
    assert after["memory"].dtype == before["memory"].dtype
    if dtype != "int32":
        assert (after["memory"][1:] != before["memory"][1:]).any()


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        pytest.param(dtype, name, marks=() if (dtype, name) in LEARNED else pytest.mark.long)
        for dtype in DTYPES
        for name in ("learned", "learned+1")
    ],
)
def test_floats_are_learned_and_other_leaves_stay_initial(dtype: str, name: str) -> None:
    network, episode = acted(dtype)
    replay = replay_of(episode, name)
    batch = replay.batch(replay.all_rows())
    learner = Learner(network, Regression(1), LearnerSettings(), updates=9, initialization=Learned())
    result = learner.gradients(batch)
    count = len(network.trainable_variables)
    assert len(result.gradients) == count + (dtype != "int32")

    # The gradient of every number of the learned state against a difference of losses.
    names = [name for name in learner.get_state() if name.startswith("learned/")]
    wide, slack = (1 / 16, 3e-2) if dtype in ("float16", "bfloat16") else (1e-2, 2e-3)
    for variable, gradient in zip(names, result.gradients[count:], strict=True):
        for place in np.ndindex(*gradient.shape):
            losses = []
            for change in (-wide, wide):
                moved = learner.get_state()
                moved[variable] = moved[variable].copy()
                moved[variable][place] += change
                before = learner.get_state()
                learner.set_state(moved)
                losses.append(float(learner.loss(batch)))
                learner.set_state(before)
            expected = (losses[1] - losses[0]) / (2 * wide)
            assert float(gradient[place]) == pytest.approx(expected, rel=0.1, abs=slack)

    for _ in range(2):
        assert np.isfinite(learner.update(tf.nest.map_structure(lambda leaf: leaf[None], batch)).losses).all()
    state, initial = learner.learned_state, network.initial_state(1)
    for leaf in ("steps", "odd", "byte"):
        np.testing.assert_array_equal(state[leaf], initial[leaf])
        assert state[leaf].dtype == initial[leaf].dtype
    assert state["memory"].dtype == initial["memory"].dtype
    if dtype != "int32":
        assert (state["memory"] != 0).all()
        assert np.isfinite(state["memory"].astype(complex)).all()


@pytest.mark.parametrize("dtype", SOME)
def test_distances_are_those_of_the_floats(dtype: str) -> None:
    network, episode = acted(dtype)
    replay = replay_of(episode, "zero")
    rows = replay.all_rows()
    result, outputs = DiscrepancyMeasure(network)(replay.batch(rows), replay.references(rows))
    assert outputs.dtype == np.float32
    memory = np.abs(episode.states["memory"][: len(rows)].astype(complex))
    expected = np.zeros(len(rows)) if dtype == "int32" else np.sqrt((memory**2).sum(1))
    np.testing.assert_allclose(result.state_error, expected, rtol=2e-2, atol=1e-6)
    assert (result.delta_q_first_exact[2:] > 0).all()

    large = {"a": tf.constant([[300.0, 400.0]], tf.float16), "b": tf.constant([3]), "c": tf.constant([[True]])}
    none = {"a": tf.zeros([1, 2], tf.float16), "b": tf.constant([900]), "c": tf.constant([[False]])}
    np.testing.assert_allclose(state_distance(large, none), [500.0], rtol=1e-3)
    np.testing.assert_array_equal(state_distance([large["b"]], [none["b"]]), [0.0])


@pytest.mark.parametrize("dtype", SOME)
def test_q_learning_takes_the_same_states(dtype: str) -> None:
    objective = QLearning(2, QLearningSettings(n_step=1))
    (online, episode), target = acted(dtype, 2), make_network(dtype, 2)
    replay = replay_of(episode, "learned+1", objective)
    learner = Learner(online, objective, LearnerSettings(), updates=9, target_network=target, initialization=Learned())
    batch = replay.batch(replay.all_rows())
    for _ in range(2):
        assert np.isfinite(learner.gradients(batch).loss)
    start = start_state(target, batch, Learned(), learner.learned_state)
    assert [leaf.dtype for leaf in tf.nest.flatten(start)] == [
        leaf.dtype for leaf in tf.nest.flatten(batch.start_state)
    ]


SEQUENCES = [np.random.default_rng(0).normal(size=(5, 1)).astype(np.float32)]


@pytest.mark.parametrize("dtype", SOME)
def test_the_check_passes(dtype: str) -> None:
    network, episode = acted(dtype)
    check_state_equivalence(network, [episode.observations, *SEQUENCES])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "complex64"])
def test_the_check_names_faults_of_any_dtype_and_forgives_rounding(dtype: str) -> None:
    network, step = make_network(dtype), user_networks.MixedStates.step

    def faulty(change: Any) -> Any:
        def unroll(observations: Any, state: Any, mask: Any = None) -> Any:
            outputs, last = user_networks.KerasNetwork.unroll(network, observations, state, mask)
            return outputs, change(last)

        return unroll

    quantum = {"float16": 2**-10, "bfloat16": 2**-7, "complex64": 1e-6}[dtype]
    near, far = (
        lambda last, by=by: {**last, "memory": last["memory"] + tf.cast(by, last["memory"].dtype)}
        for by in (quantum, 0.2j if dtype == "complex64" else 0.2)
    )
    counted = lambda last: {**last, "steps": last["steps"] + 1}  # noqa: E731
    assert step is type(network).step
    for change, fault in ((near, False), (far, True), (counted, True)):
        network.unroll = faulty(change)
        result = list(testing._step_against_unroll(network, SEQUENCES))
        assert bool(result) is fault


@pytest.mark.parametrize("dtype", [*DTYPES, "float8_e5m2"])
def test_archives_keep_dtypes_and_plain_readers_get_numbers(dtype: str, tmp_path: Path) -> None:
    values = tf.cast(tf.constant([1.0, -2.0, 0.5]), dtype).numpy()
    archive.write(tmp_path / "a.npz", {"x": values}, {"about": 1})
    arrays, header = archive.read(tmp_path / "a.npz")
    assert arrays["x"].dtype == values.dtype
    np.testing.assert_array_equal(arrays["x"], values)
    assert header["about"] == 1
    with np.load(tmp_path / "a.npz", allow_pickle=False) as plain:
        np.testing.assert_array_equal(plain["x"].astype(complex), values.astype(complex))
