"""Priorities: the sum tree against plain sums, and sampling against its probabilities."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2d2_burnin.replay.sum_tree import LARGEST, SumTree, importance_weights
from tests.common.episodes import numbered_episode
from tests.common.networks import make_replay


@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), max_size=10),
    st.sampled_from([1, 70]),  # one level, and up to three
    st.integers(0, 1000),
)
def test_the_tree_holds_what_was_set_through_growth_and_dropping(
    steps: list[tuple[int, int]], scale: int, seed: int
) -> None:
    tree, expected, first = SumTree(), np.zeros(0), 0
    generator = np.random.default_rng(seed)
    for add, drop in scale * np.array(steps, int).reshape(-1, 2):
        new = generator.random(add)
        tree.append(new)
        expected = np.concatenate([expected, new])
        drop = min(drop, len(expected) - first)
        tree.drop(drop)
        first += drop
        live = np.arange(first, len(expected))
        if len(live):
            changed = generator.choice(live, 5)
            values = generator.random(5)
            tree.set(changed, values)
            expected[changed] = values
            drawn = tree.sample(generator, (3, 20))
            assert drawn.min() >= first
            assert drawn.max() < len(expected)
        np.testing.assert_array_equal(tree.get(live), expected[live])
        assert tree.total == pytest.approx(expected[live].sum(), abs=1e-9)


@pytest.mark.parametrize("before", [70, 70_000])
@pytest.mark.parametrize("apart", [1, 500])
def test_rows_are_drawn_as_often_as_their_share_says(before: int, apart: int) -> None:
    tree = SumTree()
    tree.append(np.zeros(before))
    tree.drop(before)  # row numbers that do not begin at a leaf
    priorities = np.zeros(6 * apart)
    priorities[::apart] = 1.0, 0.0, 2.0, 5.0, 0.0, 2.0
    tree.append(priorities)
    drawn = tree.sample(np.random.default_rng(0), (100, 1000)) - before
    shares = np.bincount(drawn.ravel(), minlength=len(priorities)) / drawn.size
    np.testing.assert_allclose(shares, priorities / 10, atol=0.005)
    assert not shares[priorities == 0].any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1e-9, 1e300])
@pytest.mark.parametrize("place", [0, 3, 6])
def test_priorities_that_nothing_can_be_drawn_by_are_refused_and_change_nothing(bad: float, place: int) -> None:
    tree = SumTree()
    tree.append(np.arange(100.0))
    priorities = np.ones(7)
    priorities[place] = bad
    with pytest.raises(ValueError, match=re.escape(f"priorities: got {bad} for row {place} of 7, expected finite")):
        tree.set(np.arange(7), priorities)
    with pytest.raises(ValueError, match="priorities: got"):
        tree.append(priorities)
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="priorities: got"):
        tree.set(np.arange(7), priorities.astype(np.float32))  # where 1e300 is infinite
    np.testing.assert_array_equal(tree.get(np.arange(100)), np.arange(100.0))
    assert (tree.end, tree.total) == (100, 4950.0)
    replay = make_replay("stored", sequence_length=4, period=4, priority_exponent=0.5)
    rows = replay.add(numbered_episode(0, 28))
    if not bad < 0:  # a small negative number is raised to the smallest priority
        with pytest.raises(ValueError, match="priorities: got"):
            replay.set_priorities(rows, np.where(priorities == 1e300, np.inf, priorities))


def test_the_largest_priorities_have_a_finite_sum() -> None:
    tree = SumTree()
    tree.append(np.full(100_000, LARGEST))
    drawn = tree.sample(np.random.default_rng(0), (10_000,))
    assert np.isfinite(tree.total)
    assert len(np.unique(drawn // 10_000)) == 10


def test_rounding_never_draws_a_row_of_priority_zero() -> None:
    class Last:
        """A generator that always draws the last number before 1."""

        def random(self, count: int) -> np.ndarray:
            return np.full(count, np.nextafter(1.0, 0.0))

    for seed in range(200):
        tree, generator = SumTree(), np.random.default_rng(seed)
        priorities = generator.random(3000) * 10.0 ** generator.integers(-9, 9, 3000)
        priorities[generator.random(3000) < 0.5] = 0
        tree.append(priorities)
        drawn = tree.sample(Last(), (5,))  # type: ignore[arg-type]
        assert (tree.get(drawn) > 0).all()


def test_importance_weights_by_hand() -> None:
    # N = 4, P = 1/2 and 1/8: 1 / (N P) = 1/2 and 2; to the power 1/2, over the largest: 1/2 and 1.
    result = importance_weights(np.array([[4.0, 1.0]]), 8.0, 4, 0.5)
    np.testing.assert_allclose(result, [[0.5, 1.0]], rtol=1e-6)


def test_replay_draws_by_priority_to_its_power_and_weighs_it_back() -> None:
    replay = make_replay("stored", sequence_length=4, period=4, priority_exponent=0.5, importance_exponent=1.0)
    rows = np.concatenate([replay.add(numbered_episode(number, 4)) for number in range(4)])
    replay.set_priorities(rows, np.array([1.0, 4.0, 9.0, 16.0]))
    drawn = replay.sample(np.random.default_rng(0), 100, 1000)
    shares = np.bincount((drawn - rows[0]).ravel(), minlength=4) / drawn.size
    np.testing.assert_allclose(shares, np.array([1, 2, 3, 4]) / 10, atol=0.005)
    np.testing.assert_allclose(replay.batch(rows).weights, [1, 1 / 2, 1 / 3, 1 / 4], rtol=1e-6)


@pytest.mark.parametrize("priority_exponent", [0.0, 0.5])
def test_replay_draws_late_fragments_more_seldom(priority_exponent: float) -> None:
    exponents = {"start_exponent": 2.0, "priority_exponent": priority_exponent}
    replay = make_replay("stored", sequence_length=4, period=2, importance_exponent=1.0, **exponents)
    rows = np.concatenate([replay.add(numbered_episode(number, length)) for number, length in ((0, 4), (1, 10))])
    priorities = np.array([9.0, 1.0, 4.0, 1.0, 1.0])
    replay.set_priorities(rows, priorities)
    starts = np.array([0, 0, 2, 4, 6])
    expected = priorities**priority_exponent / (1 + starts / 4) ** 2
    drawn = replay.sample(np.random.default_rng(0), 100, 1000)
    shares = np.bincount((drawn - rows[0]).ravel(), minlength=5) / drawn.size
    np.testing.assert_allclose(shares, expected / expected.sum(), atol=0.005)
    np.testing.assert_allclose(replay.batch(rows).weights, expected.min() / expected, rtol=1e-6)


def test_a_fragment_without_error_stays_and_forgotten_ones_are_never_drawn() -> None:
    replay = make_replay("stored", sequence_length=4, period=4, capacity=12, priority_exponent=0.9)
    rows = [replay.add(numbered_episode(number, 4)) for number in range(3)]
    replay.set_priorities(np.concatenate(rows), np.zeros(3))
    assert set(replay.sample(np.random.default_rng(0), 500).tolist()) == set(np.concatenate(rows).tolist())
    newest = replay.add(numbered_episode(3, 4))
    drawn = set(replay.sample(np.random.default_rng(0), 50_000).tolist())
    assert newest[0] in drawn
    assert rows[0][0] not in drawn


def test_uniform_replay_has_no_priorities() -> None:
    replay = make_replay("stored")
    rows = replay.add(numbered_episode(0, 20))
    replay.set_priorities(rows, np.zeros(len(rows)))
    assert replay.batch(rows).weights.tolist() == [1.0] * len(rows)
