"""Targets against definitions written as plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.targets import Count, Parity, Recall, WindowCount, make_target

streams = st.lists(st.integers(0, 1), min_size=1, max_size=40)


@given(streams, st.integers(2, 7))
def test_count(bits: list[int], modulo: int) -> None:
    running = [sum(bits[: t + 1]) for t in range(len(bits))]
    assert Count().values(np.array(bits)).tolist() == running
    assert Count(modulo).values(np.array(bits)).tolist() == [count % modulo for count in running]


@given(streams, st.integers(1, 50))
def test_window_count(bits: list[int], window: int) -> None:
    expected = [sum(bits[max(0, t - window + 1) : t + 1]) for t in range(len(bits))]
    assert WindowCount(window).values(np.array(bits)).tolist() == expected


@given(streams)
def test_parity(bits: list[int]) -> None:
    parity, expected = 0, []
    for bit in bits:
        parity ^= bit
        expected.append(parity)
    assert Parity().values(np.array(bits)).tolist() == expected


@given(streams, st.integers(0, 50))
def test_recall(bits: list[int], delay: int) -> None:
    expected = [bits[t - delay] if t >= delay else 0 for t in range(len(bits))]
    assert Recall(delay).values(np.array(bits)).tolist() == expected


@given(st.sampled_from([Count(), Count(5), WindowCount(4), Parity(), Recall(3)]), streams)
def test_targets_of_a_batch_are_those_of_each_stream_and_fit_the_size(target, bits: list[int]) -> None:
    batch = np.array([bits, bits[::-1]])
    values = target.values(batch)
    assert values.shape == batch.shape
    assert values[1].tolist() == target.values(batch[1]).tolist()
    assert values.min() >= 0
    assert values.max() < target.size(len(bits))


@pytest.mark.parametrize(
    ("task", "settings", "named"),
    [
        ("Count", {"modulo": 1}, "modulo: got 1"),
        ("Count", {"window": 3}, "window: Count has no such setting"),
        ("WindowCount", {"window": 0}, "window: got 0"),
        ("WindowCount", {"windw": 4}, "did you mean 'window'"),
        ("Recall", {"delay": -1}, "delay: got -1"),
        ("Recall", {"delay": 1.5}, "delay: got 1.5"),
        ("Sum", {}, "task: got 'Sum'"),
    ],
)
def test_wrong_settings_are_named(task: str, settings: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named.replace("(", r"\(")):
        make_target(task, settings)
