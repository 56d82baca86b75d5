"""Advice on networks whose memory is known because it was built by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2d2_burnin.data import Episode
from r2d2_burnin.diagnostics.burn_in_advice import Advice, BurnInMeasures, advise, steps_left_out
from r2d2_burnin.learning.objectives import Classification, Regression
from r2d2_burnin.runtime.tensorflow import tf
from tests.common.known_networks import Known, record


def advise_on(network: Known, episodes: list[Episode] | None = None, **settings: Any) -> Advice:
    episodes = record(network) if episodes is None else episodes
    return advise(network, episodes, objective=Regression(99), sequence_length=10, period=5, **settings)


def from_zero(advice: Advice) -> dict[int, BurnInMeasures]:
    return {m.burn_in: m for m in advice.measures if m.start == "zero"}


@pytest.mark.parametrize("width", [1, 2, 6, 14, 40])
def test_a_window_is_advised_to_the_step(width: int) -> None:
    advice = advise_on(Known("window", width), tolerance=0.02)
    assert advice.burn_in == width - 1  # the first trained step brings the last observation
    expected = "burn-in suffices" if width > 1 else "zero state is enough"
    assert advice.verdict == expected
    by_k = from_zero(advice)
    assert by_k[width - 1].worst == 0
    assert by_k[width - 1].changed_actions == 0
    assert by_k[width - 1].failed_episodes == 0
    if width > 2:
        assert by_k[0].delta_q_first > by_k[2].delta_q_first > 0
        assert by_k[width - 2].worst > 0.02
    for m in advice.measures:
        if m.start == "stored":
            assert (m.worst, m.delta_q_first, m.delta_q_last, m.state_error, m.changed_actions) == (0, 0, 0, 0, 0)


def test_a_count_needs_stored_states() -> None:
    advice = advise_on(Known("count"))
    assert (advice.verdict, advice.burn_in) == ("none up to 44 steps", None)  # fragments start at 50 at the latest
    assert (advice.longest, advice.possible, advice.judged_from) == (44, 44, 50)
    assert "none up to 44 steps" in advice.sentence
    assert "These episodes cannot judge a longer one." in advice.sentence
    assert "Store states: from stored ones ΔQ is 0 at the first" in advice.sentence
    assert advice.forgetting.steps is None
    assert "does not fall" in str(advice.forgetting.reason)
    exact = next(m for m in advice.measures if m.start == "stored" and m.burn_in == 0)
    assert exact.loss == pytest.approx(0.0, abs=1e-6)
    zero = from_zero(advice)[0]
    assert zero.loss > 50
    assert zero.loss_exact == pytest.approx(0.0, abs=1e-6)
    assert zero.changed_actions > 0.9


@pytest.mark.parametrize(
    ("length", "sequence_length", "period", "tolerance"),
    [
        # Each length with a tolerance of its own; all pairs are long.
        pytest.param(*lengths, tolerance, marks=() if i == j else pytest.mark.long)
        for i, lengths in enumerate([(30, 20, 10), (80, 20, 10), (200, 60, 30)])
        for j, tolerance in enumerate([0.02, 0.05, 0.1])
    ],
)
def test_a_count_never_passes_because_a_burn_in_covers_nearly_all_of_its_past(
    length: int, sequence_length: int, period: int, tolerance: float
) -> None:
    network = Known("count")
    advice = advise(
        network,
        record(network, length=length),
        objective=Regression(999),
        sequence_length=sequence_length,
        period=period,
        tolerance=tolerance,
    )
    assert advice.verdict == f"none up to {advice.longest} steps"
    assert advice.longest >= advice.judged_from / 2


@given(
    start=st.integers(0, 5000), sequence_length=st.integers(1, 300), tolerance=st.floats(1e-3, 2.0, exclude_min=True)
)
def test_what_the_longest_burn_in_leaves_out_would_show_in_a_count(
    start: int, sequence_length: int, tolerance: float
) -> None:
    out = steps_left_out(start, sequence_length, tolerance)
    assert out >= 1
    assert out >= 2 * tolerance * (start - out + sequence_length) * (1 - 1e-9)
    if out > 1:  # and no step more than that
        assert out - 1 < 2 * tolerance * (start - out + 1 + sequence_length) * (1 + 1e-9)
    assert 0 <= steps_left_out(start + 1, sequence_length, tolerance) - out <= 1


def test_without_memory_the_zero_state_is_enough() -> None:
    advice = advise_on(Known("none"))
    assert (advice.verdict, advice.burn_in) == ("zero state is enough", 0)
    assert "failures in more than 12 % of episodes are excluded" in advice.sentence  # 24 episodes: 1 - 0.05^(1/24)


def test_a_leaky_integrator_is_judged_beyond_half_of_its_past_and_no_further_than_was_tried() -> None:
    network = Known("leaky")
    whole, part = advise_on(network), advise_on(network, longest=8)
    result = whole.burn_in
    assert result is not None
    assert 25 < result <= whole.longest
    errors = {k: m.worst for k, m in from_zero(whole).items()}
    assert errors[result] <= 0.05 < errors[result - 1]
    assert (part.verdict, part.burn_in, part.longest) == ("none up to 8 steps", None, 8)
    assert part.possible == whole.longest
    assert f"up to {whole.longest} steps, were not tried" in part.sentence
    assert "forgetting time of 9.49 steps" in part.sentence
    assert "Store" not in part.sentence
    assert part.judged_from < whole.judged_from  # a shorter burn-in can be judged on more fragments


def test_all_burn_ins_are_measured_on_the_same_fragments() -> None:
    advice = advise_on(Known("leaky"), longest=20)
    assert {(m.fragments, m.episodes) for m in advice.measures} == {(24 * 6, 24)}  # starts at 25, 30, .. 50
    assert advice.judged_from == 23  # leaves out 3 steps, as 3 / (20 + 10) >= 2 * 0.05
    errors = [m.state_error for m in from_zero(advice).values()]
    for (k, m), (k_next, m_next) in zip(
        list(from_zero(advice).items())[:-1], list(from_zero(advice).items())[1:], strict=True
    ):
        # Of the same fragments each error shrinks alike, but for the part of the past that is left out less.
        assert m_next.state_error == pytest.approx(m.state_error * 0.9 ** (k_next - k), rel=0.25)
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("flagged", [1, 3, 4, 13, *(pytest.param(n, marks=pytest.mark.long) for n in (2, 6))])
def test_a_network_wholly_wrong_in_a_few_episodes_does_not_pass(flagged: int) -> None:
    """2 or 3 of 64 episodes are 4 %, 6 are 10 %; ΔQ there is 1."""
    network = Known("flagged")
    advice = advise_on(network, record(network, 64, flagged=range(0, 4 * flagged, 4)))
    zero = from_zero(advice)[0]
    assert zero.delta_q_first == pytest.approx(flagged / 64)
    assert (zero.failed_episodes, zero.episodes) == (flagged, 64)
    assert advice.verdict.startswith("none up to")
    assert (zero.delta_q_first_q95 == 1) == (flagged > 3)
    assert zero.delta_q_first_upper > 0.05  # also where the mean and the quantile are within tolerance


def test_failures_that_did_not_occur_are_not_excluded() -> None:
    network = Known("flagged")
    advice = advise_on(network, record(network, 64))
    assert advice.verdict == "zero state is enough"
    assert from_zero(advice)[0].failed_share_upper == pytest.approx(1 - 0.05 ** (1 / 64))
    assert "In 0 of 64 episodes it is above the tolerance: failures in more than 4.6 % of episodes" in advice.sentence


def test_early_fragments_count_too() -> None:
    """Where burn-ins are judged, late in the episodes, this network needs no memory; at steps 5, 10 and 15 it does."""
    network = Known("early")
    advice = advise_on(network, record(network, flagged=range(12), late=20))
    zero = from_zero(advice)[0]
    assert max(zero.delta_q_first_upper, zero.delta_q_first_q95, zero.delta_q_last_upper, zero.delta_q_last_q95) == 0
    assert zero.delta_q_all_q95 == 1
    assert zero.worst == 1
    assert advice.burn_in != 0
    assert "none up to 4 steps" in advise_on(network, record(network, flagged=range(12), late=20), longest=4).sentence


def test_the_forgetting_time_of_a_leaky_integrator() -> None:
    forgetting = advise_on(Known("leaky")).forgetting
    time = -1 / np.log(0.9)
    assert forgetting.steps == pytest.approx(time, rel=1e-3)
    assert forgetting.low == pytest.approx(time, rel=1e-3)
    assert forgetting.high == pytest.approx(time, rel=1e-3)
    assert forgetting.errors[5] == pytest.approx(forgetting.errors[0] * 0.9**5, rel=1e-3)


def test_a_latch_on_the_first_bit_has_no_forgetting_time() -> None:
    advice = advise_on(Known("latch"))
    assert advice.burn_in is None
    assert advice.forgetting.steps is None
    assert "does not fall in the last" in str(advice.forgetting.reason)
    assert advice.forgetting.kept
    assert "Store states" in advice.sentence


def test_states_are_to_be_stored_where_burn_in_does_not_lower_delta_q() -> None:
    """Also where a part of the state, which outputs do not depend on, is forgotten."""
    advice = advise_on(Known("parity", 2))
    assert advice.verdict == "none up to 44 steps"
    assert not advice.forgetting.kept
    left = from_zero(advice)[44].delta_q_first / from_zero(advice)[0].delta_q_first
    assert left > 0.5
    assert f"{100 * left:.0f} % of ΔQ is left after this burn-in. Store states: from" in advice.sentence
    short = advise_on(Known("parity", 2), longest=2)
    assert "Store" not in short.sentence  # two steps do not tell


def test_stale_states_show_in_the_stored_rows_alone() -> None:
    network = Known("leaky")
    fresh, stale = advise_on(network), advise_on(network, record(network, state_error=0.5))
    for a, b in zip(fresh.measures, stale.measures, strict=True):
        assert (a.start, a.burn_in) == (b.start, b.burn_in)
        if a.start == "zero":
            assert a == b
        else:
            assert b.state_error == pytest.approx(0.5 * 0.9**b.burn_in, rel=1e-3)
            assert b.delta_q_first > a.delta_q_first


def test_the_longest_burn_in_may_be_given() -> None:
    advice = advise_on(Known("count"), longest=3)
    assert [m.burn_in for m in advice.measures if m.start == "stored"] == [0, 1, 2, 3]
    advice = advise_on(Known("count"), longest=0)
    assert (advice.verdict, [m.burn_in for m in advice.measures]) == ("none up to 0 steps", [0, 0])


@pytest.mark.parametrize(
    ("count", "length", "message"),
    [
        (24, 8, "episodes: got 0 fragments that do not begin an episode, expected at least 16"),
        (3, 60, "episodes: got 3 with a fragment that does not begin them, expected at least 16"),
    ],
)
def test_too_few_and_too_short_episodes_are_refused(count: int, length: int, message: str) -> None:
    network = Known("count")
    with pytest.raises(ValueError, match=message):
        advise_on(network, record(network, count, length))


def test_delta_q_of_a_classifier_compares_probabilities() -> None:
    logits = tf.constant([[1.0, 3.0]])
    np.testing.assert_allclose(Classification(2).values(logits), Classification(2).values(logits + 50.0), rtol=1e-5)
