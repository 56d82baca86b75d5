"""Advice on networks whose memory is known because it was built by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from r2d2_burnin.burn_in_advice import advise
from r2d2_burnin.episodes import Episode
from r2d2_burnin.objectives import Classification, Regression
from r2d2_burnin.quiet_tensorflow import tf


class Known:
    """One number a step, from a state that is one array `[B, width]`."""

    trainable_variables: tuple[Any, ...] = ()

    def __init__(self, kind: str, width: int = 1) -> None:
        self.kind, self.width = kind, width

    def initial_state(self, batch_size: Any) -> Any:
        return (tf.zeros([batch_size, self.width]),)

    def step(self, observations: Any, state: Any) -> Any:
        (memory,) = state
        if self.kind == "window":  # the last `width` observations
            memory = tf.concat([memory[:, 1:], observations], 1)
        elif self.kind == "leaky":
            memory = 0.9 * memory + observations
        elif self.kind == "count":
            memory = memory + observations
        else:
            memory = observations + 0.0 * memory
        return tf.reduce_sum(memory, 1, keepdims=True), (memory,)

    def unroll(self, observations: Any, state: Any, mask: Any = None) -> Any:
        outputs = []
        for t in range(observations.shape[1]):
            output, new = self.step(observations[:, t], state)
            if mask is not None:
                new = tuple(tf.where(mask[:, t, None], a, b) for a, b in zip(new, state, strict=True))
            state = new
            outputs.append(output)
        return tf.stack(outputs, 1), state


def record(network: Known, count: int = 24, length: int = 60, *, state_error: float = 0.0) -> list[Episode]:
    """Episodes of random bits, with the states of the network, or with ones that are off by `state_error`."""
    bits = np.random.default_rng(0).integers(0, 2, (count, length, 1)).astype(np.float32)
    state, states, outputs = network.initial_state(count), [], []
    for t in range(length):
        states.append(state[0].numpy())
        output, state = network.step(bits[:, t], state)
        outputs.append(output.numpy())
    by_episode = np.stack(states, 1)
    return [
        Episode(
            observations=bits[i],
            actions=np.zeros(length, np.int64),
            rewards=np.zeros(length, np.float32),
            targets=np.cumsum(bits[i, :, 0]),
            outputs=np.stack(outputs, 1)[i],
            states=(by_episode[i] + state_error,),
            updates=np.zeros(length, np.int64),
            terminated=True,
            final_observation=np.zeros(1, np.float32),
            environment=i,
        )
        for i in range(count)
    ]


@pytest.mark.parametrize("width", [1, 2, 4, 6, 9, 14])
def test_a_window_is_advised_to_the_step(width: int) -> None:
    network = Known("window", width)
    advice = advise(network, record(network), objective=Regression(99), sequence_length=10, period=5, tolerance=0.02)
    assert advice.burn_in == width - 1  # the first trained step brings the last observation
    expected = "burn-in suffices" if width > 1 else "zero state is enough"
    assert advice.verdict == expected
    by_k = {m.burn_in: m for m in advice.measures if m.start == "zero"}
    assert by_k[width - 1].delta_q_first == 0
    assert by_k[width - 1].changed_actions == 0
    if width > 2:
        assert by_k[0].delta_q_first > by_k[2].delta_q_first > 0
    for m in advice.measures:
        assert m.fragments >= 16
        if m.start == "stored":
            assert (m.delta_q_first, m.delta_q_last, m.state_error, m.changed_actions) == (0, 0, 0, 0)


def test_a_count_needs_stored_states() -> None:
    network = Known("count")
    advice = advise(network, record(network), objective=Regression(99), sequence_length=10, period=5)
    assert (advice.verdict, advice.burn_in) == ("no burn-in suffices: store states", None)
    assert "No burn-in suffices: store states. From the zero state ΔQ is" in advice.sentence
    assert advice.forgetting.steps is None
    exact = next(m for m in advice.measures if m.start == "stored" and m.burn_in == 0)
    assert exact.loss == pytest.approx(0.0, abs=1e-6)
    zero = next(m for m in advice.measures if m.start == "zero" and m.burn_in == 0)
    assert zero.loss > 50
    assert zero.loss_exact == pytest.approx(0.0, abs=1e-6)
    assert zero.changed_actions > 0.9


def test_without_memory_the_zero_state_is_enough() -> None:
    network = Known("none")
    advice = advise(network, record(network), objective=Regression(2), sequence_length=10, period=5)
    assert (advice.verdict, advice.burn_in) == ("zero state is enough", 0)


def test_the_forgetting_time_of_a_leaky_integrator() -> None:
    network = Known("leaky")
    forgetting = advise(network, record(network), objective=Regression(9), sequence_length=10, period=5).forgetting
    time = -1 / np.log(0.9)
    assert forgetting.steps == pytest.approx(time, rel=1e-3)
    assert forgetting.low == pytest.approx(time, rel=1e-3)
    assert forgetting.high == pytest.approx(time, rel=1e-3)
    assert forgetting.errors[5] == pytest.approx(forgetting.errors[0] * 0.9**5, rel=1e-3)


def test_stale_states_show_in_the_stored_rows_alone() -> None:
    network = Known("leaky")
    fresh = advise(network, record(network), objective=Regression(9), sequence_length=10, period=5)
    stale = advise(network, record(network, state_error=0.5), objective=Regression(9), sequence_length=10, period=5)
    for a, b in zip(fresh.measures, stale.measures, strict=True):
        assert (a.start, a.burn_in) == (b.start, b.burn_in)
        if a.start == "zero":
            assert a == b
        else:
            assert b.state_error == pytest.approx(0.5 * 0.9**b.burn_in, rel=1e-3)
            assert b.delta_q_first > a.delta_q_first


def test_the_longest_burn_in_may_be_given_and_too_short_episodes_are_refused() -> None:
    network = Known("count")
    advice = advise(network, record(network), objective=Regression(9), sequence_length=10, period=5, longest=3)
    assert [m.burn_in for m in advice.measures if m.start == "stored"] == [0, 1, 2, 3]
    with pytest.raises(
        ValueError, match="episodes: got 0 fragments that do not begin an episode, expected at least 16"
    ):
        advise(network, record(network, length=8), objective=Regression(9), sequence_length=10, period=5)


def test_delta_q_of_a_classifier_compares_probabilities() -> None:
    logits = tf.constant([[1.0, 3.0]])
    np.testing.assert_allclose(Classification(2).values(logits), Classification(2).values(logits + 50.0), rtol=1e-5)
