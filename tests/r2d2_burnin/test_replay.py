"""Replay: what it keeps, what it forgets, what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.benchmark.replay import idle_episode
from r2d2_burnin.initialization import parse
from r2d2_burnin.learning.objectives import Regression
from r2d2_burnin.replay.buffer import Replay
from r2d2_burnin.replay.references import ReferenceSample
from r2d2_burnin.replay.ring import Ring
from r2d2_burnin.runtime.tensorflow import tf
from r2d2_burnin.settings import ReplaySettings
from tests.common.episodes import naive_fragments, numbered_episode
from tests.common.networks import make_replay


def small_replay(capacity: int, name: str = "stored", **more: Any) -> Replay:
    return make_replay(name, sequence_length=4, period=2, capacity=capacity, **more)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(30, 80))
def test_oldest_episodes_go_first_and_only_when_they_must(lengths: list[int], capacity: int) -> None:
    replay, episodes = small_replay(capacity), []
    for number, length in enumerate(lengths):
        replay.add(numbered_episode(number, length))
        episodes.append((number, length))
        while sum(steps for _, steps in episodes) > capacity:
            episodes.pop(0)
        assert replay.steps == sum(steps for _, steps in episodes)
        batch = replay.batch(replay.all_rows())
        expected = [
            [100 * owner + t + 1 for t in steps] for owner, total in episodes for steps in naive_fragments(total, 4, 2)
        ]
        got = [row[mask].tolist() for row, mask in zip(batch.observations[..., 0], batch.mask, strict=True)]
        assert got == expected


def test_sampling_is_uniform_over_what_is_kept() -> None:
    replay = small_replay(40)
    for number in range(5):  # the first one is forgotten
        replay.add(numbered_episode(number, 10))
    rows = replay.sample(np.random.default_rng(0), 200, 80)
    values, counts = np.unique(rows, return_counts=True)
    assert values.tolist() == replay.all_rows().tolist()
    assert len(values) == len(replay) == 16
    expected = rows.size / len(values)
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 37.7  # 99.9 % point for 15 degrees of freedom
    assert np.unique(replay.episodes_of(values)).size == 4


def test_batches_may_have_any_leading_axes() -> None:
    replay = small_replay(100, "stored+3")
    replay.add(numbered_episode(1, 9))
    rows = replay.sample(np.random.default_rng(0), 2, 5)
    nested, flat = replay.batch(rows), replay.batch(rows.ravel())
    for a, b in zip(tf.nest.flatten(nested), tf.nest.flatten(flat), strict=True):
        assert a.shape[:2] == (2, 5)
        np.testing.assert_array_equal(a.reshape(b.shape), b)


def test_staleness_counts_updates_since_the_state_was_stored() -> None:
    replay = small_replay(100)
    for number in (3, 7):
        replay.add(numbered_episode(number, 4))
    assert replay.staleness(replay.all_rows(), 10).tolist() == [7, 3]


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(ValueError, match="replay_capacity: got 10 steps, but an episode has 11"):
        small_replay(10).add(numbered_episode(0, 11))
    with pytest.raises(ValueError, match="replay: got a request for fragments while empty"):
        small_replay(10).sample(np.random.default_rng(0), 1)
    with pytest.raises(ValueError, match="replay: got a request for fragments while empty"):
        small_replay(10).batch(np.array([0]))


@given(st.lists(st.tuples(st.integers(1, 90), st.integers(0, 90)), max_size=12), st.sampled_from([0, 5, 100]))
def test_ring_keeps_row_numbers_valid_through_growth_and_dropping(steps: list[tuple[int, int]], window: int) -> None:
    ring, values, first = Ring(window), [], 0
    for add, drop in steps:
        new = np.arange(len(values), len(values) + add)
        ring.append({"a": new, "b": np.stack([new, -new], 1).astype(np.float32)})
        values.extend(new)
        drop = min(drop, len(values) - first)
        ring.drop(drop)
        first += drop
        rows = np.arange(first, len(values))
        assert (ring.first, ring.end, len(ring)) == (first, len(values), len(rows))
        np.testing.assert_array_equal(ring.take("a", rows), rows)
        np.testing.assert_array_equal(ring.take("b", rows[:, None])[:, 0], np.stack([rows, -rows], 1))
        windows = ring.windows("b", rows[: max(len(rows) - 4, 0)], 5)
        assert windows.tolist() == [[[row + t, -row - t] for t in range(5)] for row in rows[:-4]]


def test_stored_states_cost_memory_where_they_are_used() -> None:
    sizes = {}
    for name in ("zero", "learned", "stored", "refreshed"):
        replay = small_replay(100, name)
        replay.add(numbered_episode(0, 20))
        sizes[name] = replay.nbytes
    assert sizes["zero"] == sizes["learned"] < sizes["stored"] == sizes["refreshed"]
    assert sizes["stored"] - sizes["zero"] == 9 * 2 * 2 * 4  # 9 fragments, h and c, 2 units, float32


@pytest.mark.parametrize(("name", "inputs", "units"), [("stored", 1, 32), ("zero", 1, 32), ("stored+3", 144, 512)])
def test_a_full_replay_holds_little_more_than_its_steps_and_stored_states(name: str, inputs: int, units: int) -> None:
    settings = ReplaySettings(20, 10, 20_000)
    replay = Replay(settings, parse(name), Regression(2), references=ReferenceSample())
    generator = np.random.default_rng(0)
    for _ in range(300):
        length = int(generator.integers(60, 140))
        state = np.zeros((length, units), np.float32)
        replay.add(idle_episode(np.zeros((length, inputs), np.float32), state))
    a_step = 4 * inputs + 4 + 4 + 4  # observation, action, reward, target
    of_states = len(replay) * 2 * units * 4 if name.startswith("stored") else 0
    assert replay.nbytes - replay.reference_bytes <= 1.1 * (replay.steps * a_step + of_states)


def test_a_ring_of_constant_length_stops_growing() -> None:
    ring = Ring()
    for _ in range(5):
        ring.append({"a": np.zeros(20)})
    for _ in range(5):
        ring.drop(20)
        ring.append({"a": np.zeros(20)})
    used = ring.nbytes
    for _ in range(100):
        ring.drop(20)
        ring.append({"a": np.zeros(20)})
    assert ring.nbytes == used
