"""State equivalence: however a recurrent state is reached, it is the same state.

The numbers in the tests' names are those of the list in the README.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2d2_burnin.diagnostics.discrepancy import DiscrepancyMeasure
from r2d2_burnin.initialization.start_state import start_state
from r2d2_burnin.learning.learner import Learner
from r2d2_burnin.learning.objectives import Regression
from r2d2_burnin.networks.recurrent_network import DenseRecurrentNetwork
from r2d2_burnin.replay.buffer import Replay
from r2d2_burnin.runtime.tensorflow import keras, tf
from r2d2_burnin.settings import LearnerSettings
from r2d2_burnin.training import checkpoint
from tests.common import reference
from tests.common.episodes import naive_fragments, numbered_episode
from tests.common.networks import (
    KERAS_KINDS,
    KINDS,
    TOLERANCE,
    act_episodes,
    assert_states_close,
    bits,
    make_network,
    make_replay,
    random_state,
)

kinds = st.sampled_from(KINDS)
seeds = st.integers(0, 1000)


@given(kinds, seeds, st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_1_one_unroll_equals_any_chunking_with_carried_states(kind, seed: int, chunks: list[int]) -> None:
    network, steps = make_network(*kind), sum(chunks)
    observations = bits(3, steps, seed)
    whole, last = network.unroll(observations, random_state(network, 3, seed))
    state, parts, begin = random_state(network, 3, seed), [], 0
    for chunk in chunks:
        outputs, state = network.unroll(observations[:, begin : begin + chunk], state)
        parts.append(outputs)
        begin += chunk
    np.testing.assert_allclose(np.concatenate(parts, 1), whole, **TOLERANCE)
    assert_states_close(state, last)


@given(kinds, seeds, st.integers(1, 12))
def test_2_step_by_step_equals_unroll(kind, seed: int, steps: int) -> None:
    network = make_network(*kind)
    observations = bits(2, steps, seed)
    whole, last = network.unroll(observations, random_state(network, 2, seed))
    state = random_state(network, 2, seed)
    for t in range(steps):
        outputs, state = network.step(observations[:, t], state)
        np.testing.assert_allclose(outputs, whole[:, t], **TOLERANCE)
    assert_states_close(state, last)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_3_the_actors_state_at_any_step_is_the_one_recomputed_from_the_episodes_start(kind, mode: str) -> None:
    network = make_network(*kind)
    for episode in act_episodes(network, 7, length=9, modulo=2, autoreset_mode=mode):
        outputs, states = reference.unroll(network, episode.observations)
        np.testing.assert_allclose(episode.outputs, outputs, rtol=1e-4, atol=1e-5)
        for t in range(len(episode)):
            assert_states_close(tf.nest.map_structure(lambda leaf, t=t: leaf[t], episode.states), tuple(states[t]))


def batches_of(network: DenseRecurrentNetwork, name: str, *, length: int = 13) -> tuple[Replay, np.ndarray]:
    replay = make_replay(name)
    for episode in act_episodes(network, 6, length=length, modulo=2):
        replay.add(episode)
    return replay, replay.all_rows()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        # Each initialization with an LSTM and a GRU, each network with two initializations; all pairs are long.
        pytest.param(kind, name, marks=() if (i - j) % 4 < 2 else pytest.mark.long)
        for j, name in enumerate(["stored", "stored+4", "full", "zero+11", "zero+50"])
        for i, kind in enumerate(KINDS)
    ],
)
def test_4_with_unchanged_parameters_stored_and_full_give_the_actors_outputs(kind, name: str) -> None:
    network = make_network(*kind)
    replay, rows = batches_of(network, name)
    batch = replay.batch(rows)
    discrepancies, outputs = DiscrepancyMeasure(network)(batch, replay.references(rows))
    for values in discrepancies:
        assert np.abs(values).max() < 1e-5
    episodes = act_episodes(network, 6, length=13, modulo=2)
    starts = [start for _ in episodes for start in (0, 3, 6, 9)]
    for row, (start, episode) in enumerate(zip(starts, np.repeat(np.arange(6), 4), strict=True)):
        acted = episodes[episode].outputs[start : start + 5]
        np.testing.assert_allclose(outputs[row][: len(acted)], acted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_4_a_zero_state_does_not(kind) -> None:
    network = make_network(*kind)
    replay, rows = batches_of(network, "zero")
    discrepancies, _ = DiscrepancyMeasure(network)(replay.batch(rows), replay.references(rows))
    later = np.tile([False, True, True, True], 6)
    for values in (discrepancies.delta_q_first, discrepancies.delta_q_first_exact, discrepancies.state_error):
        assert values[later].min() > 1e-4
        assert values[~later].max() < 1e-6  # a fragment at an episode's start does start from zeros


@pytest.mark.parametrize("kind", KINDS)
def test_5_zero_with_burn_in_of_at_least_the_prefix_equals_full(kind) -> None:
    network = make_network(*kind)
    _, last = network.unroll(bits(24, 3, 0), network.initial_state(24))  # something to differ from
    states = {}
    for name in ("full", "zero+9", "zero+30", "zero+8"):
        replay, rows = batches_of(network, name)
        states[name] = start_state(network, replay.batch(rows))
    assert_states_close(states["zero+9"], states["full"])
    assert_states_close(states["zero+30"], states["full"])
    with pytest.raises(AssertionError):
        assert_states_close(states["zero+8"], states["full"])
    with pytest.raises(AssertionError):
        assert_states_close(last, states["full"])


@given(kinds, seeds, st.lists(st.booleans(), min_size=1, max_size=12))
def test_6_padded_and_masked_equals_unpadded(kind, seed: int, processed: list[bool]) -> None:
    """Wherever the padding stands and whatever it holds, state and outputs of the other steps do not notice."""
    network, mask = make_network(*kind), np.array(processed)
    padded = bits(2, len(processed), seed)
    padded[:, ~mask] = 1e3
    outputs, last = network.unroll(padded, random_state(network, 2, seed), np.tile(mask, (2, 1)))
    if not mask.any():
        assert_states_close(last, random_state(network, 2, seed))
        return
    expected, expected_last = network.unroll(padded[:, mask], random_state(network, 2, seed))
    np.testing.assert_allclose(outputs.numpy()[:, mask], expected, **TOLERANCE)
    assert_states_close(last, expected_last)


@pytest.mark.parametrize("kind", KINDS)
def test_6_a_masked_step_leaves_the_state_untouched_to_the_bit(kind) -> None:
    network = make_network(*kind)
    state = random_state(network, 3, 0)
    _, last = network.unroll(bits(3, 4, 0), state, np.zeros((3, 4), bool))
    for a, b in zip(tf.nest.flatten(last), tf.nest.flatten(state), strict=True):
        np.testing.assert_array_equal(a, b)


@given(kinds, seeds, st.integers(1, 15))
def test_7_unroll_equals_the_equations(kind, seed: int, steps: int) -> None:
    network = make_network(*kind)
    observations = bits(2, steps, seed)
    outputs, last = network.unroll(observations, network.initial_state(2))
    for example in range(2):
        expected, states = reference.unroll(network, observations[example])
        np.testing.assert_allclose(outputs[example], expected, rtol=1e-4, atol=1e-5)
        assert_states_close(tf.nest.map_structure(lambda leaf, i=example: leaf[i], last), tuple(states[-1]))


def keras_twin(network: DenseRecurrentNetwork, features: int, steps: int) -> keras.Model:
    """The same network out of Keras's own layers, with the same parameters, masked where an observation is -1."""
    layer = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[network.settings.cell]
    units = network.settings.units
    inputs, mask = keras.Input((steps, features)), keras.Input((steps,), dtype="bool")
    hidden = keras.layers.Dense(units, "relu")(inputs)
    states = []
    for _ in range(network.settings.layers):
        hidden, *state = layer(units, return_sequences=True, return_state=True)(hidden, mask=mask)
        states += state
    model = keras.Model([inputs, mask], [keras.layers.Dense(network.outputs)(hidden), *states])
    ours = [variable.numpy() for variable in network.trainable_variables]
    if network.settings.cell == "gru":  # Keras keeps both biases of a layer in one array
        merged, ours = ours, []
        for i, value in enumerate(merged):
            is_recurrent_bias = "recurrent_bias" in network.trainable_variables[i].name
            if is_recurrent_bias:
                ours[-1] = np.stack([ours[-1], value])
            else:
                ours.append(value)
    model.set_weights(ours)
    return model


PADDINGS = ["none", "left", "right", "anywhere"]
SIZES = [(3, 2), (1, 1)]  # the latter have a kernel gradient of their own


@pytest.mark.parametrize(
    ("kind", "padding", "features", "outputs"),
    [
        # Each padding with an LSTM and a GRU, each network and each padding with both sizes; all triples are long.
        pytest.param(kind, padding, *SIZES[size], marks=() if (i - j) % 4 == size else pytest.mark.long)
        for size in range(2)
        for j, padding in enumerate(PADDINGS)
        for i, kind in enumerate(KERAS_KINDS)
    ],
)
def test_7_values_and_gradients_equal_those_of_keras_layers(kind, padding: str, features: int, outputs: int) -> None:
    network, steps = make_network(*kind, features=features, outputs=outputs), 9
    generator = np.random.default_rng(4)
    observations = generator.normal(size=(4, steps, features)).astype(np.float32)
    mask = np.ones((4, steps), bool)
    for example in range(4):
        if padding == "left":
            mask[example, : 2 * example] = False
        elif padding == "right":
            mask[example, steps - 2 * example :] = False
        elif padding == "anywhere":
            mask[example] = generator.random(steps) < 0.6
            mask[example, 0] = True  # Keras's output at a masked first step is another than ours; no loss reads it
    weights = generator.normal(size=(4, steps, outputs)).astype(np.float32) * mask[..., None]
    twin = keras_twin(network, features, steps)

    with tf.GradientTape() as tape:
        result, last = network.unroll(observations, network.initial_state(4), mask)
        # Weights on the last states as well: their gradient has to reach all the way back.
        value = tf.reduce_sum(result * weights) + sum(tf.reduce_sum(tf.sin(leaf)) for leaf in tf.nest.flatten(last))
    ours = tape.gradient(value, network.trainable_variables)
    with tf.GradientTape() as tape:
        expected, *states = twin([observations, mask])
        value = tf.reduce_sum(expected * weights) + sum(tf.reduce_sum(tf.sin(leaf)) for leaf in states)
    theirs = tape.gradient(value, twin.trainable_variables)

    np.testing.assert_allclose(result.numpy()[mask], expected.numpy()[mask], **TOLERANCE)
    assert_states_close(last, states)
    theirs = [part for gradient in theirs for part in (gradient if _is_gru_bias(kind, gradient) else [gradient])]
    for variable, a, b in zip(network.trainable_variables, ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5, err_msg=variable.name)


def _is_gru_bias(kind: tuple, gradient: tf.Tensor) -> bool:
    return kind[0] == "gru" and tuple(gradient.shape) == (2, 15)


@pytest.mark.parametrize("kind", KINDS)
def test_7_the_gradient_of_the_start_state_equals_a_finite_difference(kind) -> None:
    network = make_network(*kind)
    observations, state = bits(1, 6, 1), random_state(network, 1, 2)
    leaves = tf.nest.flatten(state)
    with tf.GradientTape() as tape:
        tape.watch(leaves)
        value = tf.reduce_sum(network.unroll(observations, tf.nest.pack_sequence_as(state, leaves))[0])
    for index, gradient in enumerate(tape.gradient(value, leaves)):
        for unit in (0, 3):
            values = []
            for change in (-1e-2, 1e-2):
                moved = [leaf.numpy().copy() for leaf in leaves]
                moved[index][0, unit] += change
                values.append(tf.reduce_sum(network.unroll(observations, tf.nest.pack_sequence_as(state, moved))[0]))
            assert float(gradient[0, unit]) == pytest.approx(float(values[1] - values[0]) / 2e-2, rel=0.02, abs=2e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_8_gradients_do_not_reach_burn_in_steps(kind) -> None:
    network = make_network(*kind)
    replay, rows = batches_of(network, "stored+4")
    batch = replay.batch(rows)
    watched = tf.constant(batch.burn_in_observations)
    trained = tf.constant(batch.observations)
    learner = Learner(network, Regression(2), LearnerSettings(), updates=1)
    with tf.GradientTape() as tape:
        tape.watch([watched, trained])
        loss = learner.loss(batch._replace(processed=tf.concat([watched, trained], 1)))
    of_burn_in, of_trained = tape.gradient(loss, [watched, trained])
    np.testing.assert_array_equal(of_burn_in, np.zeros_like(watched))
    assert np.abs(of_trained.numpy()[batch.mask]).min() > 0  # where a gradient belongs, there is one

    # And the parameters' gradient is the one of a fragment that simply starts from the burned-in state.
    state = start_state(network, batch)
    nothing = batch._replace(
        start_state=state,
        from_initial_state=np.zeros(len(rows), bool),
        processed=batch.observations,
        burn_in_mask=batch.burn_in_mask[:, :0],
    )
    gradients = []
    for variant in (batch, nothing):
        with tf.GradientTape() as tape:
            loss = learner.loss(variant)
        gradients.append(tape.gradient(loss, network.trainable_variables))
    for a, b in zip(*gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_9_states_survive_a_save_and_load_bit_for_bit(kind, tmp_path: Path) -> None:
    network = make_network(*kind)
    state = act_episodes(network, 1, length=9, modulo=2)[0].states
    checkpoint.save(tmp_path / "deep" / "network.npz", network, state)
    other = DenseRecurrentNetwork(1, 1, network.settings, seed=9)
    loaded = checkpoint.load(tmp_path / "deep" / "network.npz", other)
    for a, b in zip(tf.nest.flatten(loaded), tf.nest.flatten(state), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(other.trainable_variables, network.trainable_variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    with pytest.raises(ValueError, match=r"checkpoint: .* has parameters of shapes"):
        checkpoint.load(tmp_path / "deep" / "network.npz", make_network(*kind, units=6))


@given(st.data(), st.integers(1, 12), st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_10_every_step_is_trained_the_right_number_of_times_and_none_crosses_an_end(
    data: st.DataObject, sequence_length: int, lengths: list[int]
) -> None:
    period = data.draw(st.integers(1, sequence_length))
    burn_in = data.draw(st.sampled_from([0, 1, 4, 100, None]))
    start = data.draw(st.sampled_from(["zero", "stored"]))
    further = data.draw(st.sampled_from([0, 0, 1, 4, 50]))
    trained = sequence_length + further
    name = ("full" if burn_in is None else f"{start}+{burn_in}") + (f"@{trained}" if further else "")
    replay = make_replay(name, sequence_length=sequence_length, period=period, capacity=sum(lengths))
    expected = []
    for number, length in enumerate(lengths):
        replay.add(numbered_episode(number, length))
        for steps in naive_fragments(length, sequence_length, period):
            expected.append((number, [*range(max(steps[0] - further, 0), steps[0]), *steps]))
    rows = replay.all_rows()
    batch = replay.batch(rows)
    assert len(rows) == len(expected)
    for row, (number, steps) in enumerate(expected):
        assert batch.mask[row].tolist() == [i < len(steps) for i in range(trained)]
        assert batch.observations[row, : len(steps), 0].tolist() == [100 * number + t + 1 for t in steps]
        assert batch.labels["target"][row, : len(steps)].tolist() == [1000 * number + t for t in steps]
        prefix = steps[0] if burn_in is None else min(burn_in, steps[0])
        processed = batch.burn_in_observations[row, batch.burn_in_mask[row], 0]
        assert processed.tolist() == [100 * number + t + 1 for t in range(steps[0] - prefix, steps[0])]
        first_processed = steps[0] - prefix
        starts_initially = first_processed == 0 or burn_in is None or name.startswith("zero")
        assert batch.from_initial_state[row] == starts_initially
        stored = 100 * number + first_processed + 1 if name.startswith("stored") else 0
        assert batch.start_state[0][0][row, 0] == stored
        padded = batch.burn_in_mask.shape[1] - prefix
        assert batch.burn_in_mask[row].tolist() == [False] * padded + [True] * prefix  # left-padded
    references = replay.references(rows)
    for row, (number, steps) in enumerate(expected):
        assert references.state_first[0][0][row, 0] == 100 * number + steps[0] + 1
        assert references.state_last[0][0][row, 0] == 100 * number + steps[-1] + 1
