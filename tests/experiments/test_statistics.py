"""Statistics: intervals and tests against SciPy, by hand, and by simulation."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.benchmark.simulation import DISTRIBUTIONS, FAILING_RETURNS, coverage, false_directions, seen
from experiments.common.statistics import (
    LEVEL,
    compare_all,
    episodes_needed,
    estimate,
    holm,
    is_below,
    is_better,
    t_interval,
)


def test_estimates() -> None:
    assert estimate([]) is None
    single = estimate([2.0])
    assert single is not None
    assert (single.mean, single.low, single.high) == (2.0, None, None)
    assert single.as_json() == {"mean": 2.0, "ci95": [None, None], "per_seed": [2.0]}
    values = [1.0, 2.0, 4.0]
    result = estimate(values)
    assert result is not None
    expected = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert (result.low, result.high) == pytest.approx(expected)
    assert str(result) == f"2.3 ± {expected[1] - np.mean(values):.2g}"


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=2, max_size=12))
def test_t_intervals_are_those_of_scipy(rows: list[list[float]]) -> None:
    values = np.array(rows)
    low, high = t_interval(values)
    for i in range(3):
        spread = stats.sem(values[:, i])
        expected = (
            stats.t.interval(0.95, len(rows) - 1, values[:, i].mean(), spread) if spread > 0 else [rows[0][i]] * 2
        )
        np.testing.assert_allclose([low[i], high[i]], expected, rtol=1e-6, atol=1e-6)
    alone = t_interval(values[:1])
    np.testing.assert_array_equal(alone, [values[0], values[0]])


def by_seed(*values: float) -> dict[int, float]:
    return dict(enumerate(values))


def test_errors_are_compared_by_ratios_paired_over_common_seeds() -> None:
    errors = {"full": {0: 1.0, 1: 2.0, 2: 4.0, 9: 100.0}, "zero": {0: 10.0, 1: 24.0, 2: 36.0, 7: 1e-9}}
    (result,) = compare_all(errors, "full", higher_is_better=False)
    ratios = np.log([10.0, 12.0, 9.0])
    test = stats.ttest_1samp(ratios, 0)
    interval = test.confidence_interval(0.95)
    assert (result.strategy, result.reference, result.seeds, result.is_ratio) == ("zero", "full", 3, True)
    assert result.estimate == pytest.approx(ratios.mean())
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))
    assert result.p == pytest.approx(test.pvalue)
    assert result.direction == "worse"
    (back,) = compare_all(errors, "zero", higher_is_better=False)
    assert (back.direction, back.p) == ("better", pytest.approx(result.p))
    assert back.low == pytest.approx(-result.high)


def test_returns_are_compared_by_differences() -> None:
    returns = {"full": by_seed(5.0, 6.0, 7.0), "zero": by_seed(-1.0, 0.5, 0.0)}
    (result,) = compare_all(returns, "full", higher_is_better=True)
    test = stats.ttest_rel([-1.0, 0.5, 0.0], [5.0, 6.0, 7.0])
    assert not result.is_ratio
    assert result.estimate == pytest.approx(-6.0 - 1 / 6)
    assert result.p == pytest.approx(test.pvalue)
    assert result.direction == "worse"


def test_fewer_than_three_common_seeds_give_no_direction() -> None:
    outcomes = {"full": by_seed(1.0, 1.0, 1.0), "two": {1: 1e9, 2: 1.1e9}, "one": {1: 1e9}, "none": {5: 1.0}}
    for result, seeds in zip(compare_all(outcomes, "full", higher_is_better=False), (2, 1, 0), strict=True):
        assert (result.seeds, result.direction, result.p) == (seeds, None, 1.0)
        assert (result.low, result.high) == (-math.inf, math.inf)
        assert not result.within(10.0)
        json.dumps(result.as_json(), allow_nan=False)


def test_an_error_of_zero_is_half_of_the_smallest_above_it_in_the_pair() -> None:
    errors = {"full": by_seed(0.0, 0.0, 0.0), "zero": by_seed(0.2, 0.3, 0.25), "other": by_seed(1e-9, 0.0, 0.0)}
    zero, other = compare_all(errors, "full", higher_is_better=False)
    assert zero.estimate == pytest.approx(np.mean(np.log([0.2, 0.3, 0.25])) - np.log(0.1))  # whatever `other` is
    assert (zero.direction, zero.has_zeros) == ("worse", True)
    assert other.estimate == pytest.approx(np.log(2) / 3)
    assert other.direction is None
    three = by_seed(0.0, 0.0, 0.0)
    (nothing,) = compare_all({"a": three, "b": three}, "a", higher_is_better=False)
    assert (nothing.estimate, nothing.p, nothing.direction) == (0.0, 1.0, None)
    assert nothing.within(0.1)
    (tiny,) = compare_all({"a": three, "b": by_seed(5e-324, 1.0, 1.0)}, "a", higher_is_better=False)
    assert math.isfinite(tiny.estimate)


def test_differences_that_are_all_the_same_are_judged_by_their_signs() -> None:
    for count, direction in ((3, None), (5, None), (6, "worse"), (10, "worse")):
        returns = {"full": by_seed(*[1.0] * count), "zero": by_seed(*[0.5] * count)}
        (result,) = compare_all(returns, "full", higher_is_better=True)
        assert result.direction == direction
        assert result.p == pytest.approx(2 / 2**count)


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_what_is_exactly_equal_is_equal_as_what_nearly_is(seeds: int) -> None:
    full = by_seed(*[80.0] * seeds)
    outcomes = {"full": full, "same": full, "nearly": by_seed(80.001, *[80.0] * (seeds - 1))}
    same, nearly = compare_all(outcomes, "full", higher_is_better=True)
    assert (same.low, same.high, same.p, same.direction) == (0.0, 0.0, 1.0, None)
    assert same.within(4.0)
    assert nearly.within(4.0)
    # What differs by the same number in every seed says nothing of how far others would.
    (shifted,) = compare_all({"full": full, "shifted": by_seed(*[79.0] * seeds)}, "full", higher_is_better=True)
    assert shifted.within(4.0) == (seeds == 10)


def test_numbers_of_numpy_become_those_of_json() -> None:
    errors = {name: dict(enumerate(np.float32([value, 2.0, 3.0]))) for name, value in (("a", 1.0), ("b", 1.5))}
    for higher in (True, False):
        (result,) = compare_all(errors, "a", higher_is_better=higher)
        assert json.loads(json.dumps(result.as_json()))["is_ratio"] is not higher
        assert {type(value) for value in result.as_json().values()} <= {str, int, float, bool, type(None)}


def test_values_below_zero_have_no_ratio_and_what_is_no_number_is_refused() -> None:
    (result,) = compare_all({"a": by_seed(1.0, -1.0), "b": by_seed(2.0, 0.5)}, "a", higher_is_better=False)
    assert not result.is_ratio
    assert result.estimate == pytest.approx(1.25)  # two seeds: an estimate, no test
    with pytest.raises(ValueError, match="reference: got 'c', expected one of a"):
        compare_all({"a": by_seed(1.0)}, "c", higher_is_better=False)
    with pytest.raises(ValueError, match="outcomes: got nan of b, seed 1, expected a finite number"):
        compare_all({"a": by_seed(1.0), "b": by_seed(1.0, math.nan)}, "a", higher_is_better=False)


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_by_its_definition(p_values: list[float]) -> None:
    named = {str(i): p for i, p in enumerate(p_values)}
    adjusted, levels = holm(named)
    remaining = dict(named)
    rejected = set()
    while remaining:  # the textbook's steps
        name = min(remaining, key=remaining.__getitem__)
        if remaining[name] > LEVEL / len(remaining):
            break
        rejected.add(name)
        assert levels[name] == pytest.approx(LEVEL / len(remaining))
        del remaining[name]
    assert rejected == {name for name, p in adjusted.items() if p <= LEVEL} or any(
        math.isclose(p, LEVEL) for p in adjusted.values()
    )
    for name in remaining:
        assert levels[name] == pytest.approx(LEVEL / len(remaining))
    assert all(adjusted[name] >= p for name, p in named.items())


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_test_with_bonferroni(p_values: list[float]) -> None:
    indices = range(len(p_values))
    subsets = [set(subset) for size in indices for subset in itertools.combinations(indices, size + 1)]
    expected = [
        max(min(1.0, len(subset) * min(p_values[j] for j in subset)) for subset in subsets if i in subset)
        for i in indices
    ]
    adjusted, _ = holm(dict(enumerate(p_values)))
    np.testing.assert_allclose([adjusted[i] for i in indices], expected)


@given(st.integers(0, 10_000), st.integers(2, 6), st.booleans())
def test_intervals_and_directions_agree(seed: int, strategies: int, higher: bool) -> None:
    generator = np.random.default_rng(seed)
    outcomes = {
        str(i): by_seed(*np.exp(generator.normal(generator.choice([0, 1, 3]), 0.3, 5)).tolist())
        for i in range(strategies)
    }
    for result in compare_all(outcomes, "0", higher_is_better=higher):
        excludes = result.low > 0 or result.high < 0
        assert excludes == (result.direction is not None)
        if result.direction is not None:
            assert (result.direction == "better") == ((result.low > 0) == higher)
        assert result.within(1e9)


def test_being_better_than_a_baseline_in_the_same_episodes() -> None:
    baseline, good = [1.0, 1.1, 0.9, 1.0], [2.0, 2.2, 1.9, 2.1]
    one_sided = stats.ttest_rel(good, baseline, alternative="greater").pvalue
    assert is_better(good, baseline, higher_is_better=True) == pytest.approx(one_sided)
    assert is_better(good, baseline, higher_is_better=False) == pytest.approx(1 - one_sided)
    # A task that is solved in every episode is learned, though nothing varies.
    signs = stats.binomtest(3, 3, alternative="greater").pvalue
    assert is_better([1.0] * 3, [0.0] * 3, higher_is_better=True) == pytest.approx(signs)
    assert is_better([1.0] * 3, [1.0] * 3, higher_is_better=True) == 1.0
    assert is_better([0.1] * 3, [0.4] * 3, higher_is_better=False) == pytest.approx(signs)
    assert is_better([9.0], [0.0], higher_is_better=True) == 1.0  # one episode proves nothing


def losses_of_counting(burn_in: int, episodes: int) -> tuple[np.ndarray, float]:
    """Losses `[E]` of episodes of 80 fair bits under the best predictor with zero states, and its error floor.

    With T 20 and period 10. It misses the bits before a fragment's burn-in, and answers with their mean number.
    """
    bits = np.random.default_rng(burn_in).integers(0, 2, (episodes, 80))
    missed = np.array([start - burn_in for start in range(burn_in, 61, 10)])
    counts = np.stack([bits[:, :end].sum(1) for end in missed], 1)
    # A fragment whose burn-in reaches the episode's start misses nothing, and knows that by its padding.
    exact = len(range(0, burn_in, 10))
    floor = (0.25 * missed.sum() + 0.25 * np.square(missed - missed.mean()).sum()) / (len(missed) + exact)
    return np.square(counts - 0.5 * missed.mean()).sum(1) / (len(missed) + exact), float(floor)


@pytest.mark.parametrize("burn_in", [0, 20, 50])
def test_a_loss_at_its_floor_is_rarely_below_it_and_one_at_half_of_it_is(burn_in: int) -> None:
    losses, floor = losses_of_counting(burn_in, 200_000)
    assert floor == pytest.approx({0: 107.5, 20: 39.29, 50: 2.143}[burn_in], abs=0.005)
    assert losses.mean() == pytest.approx(floor, rel=0.01)
    generator = np.random.default_rng(burn_in)

    def share(episodes: int, seeds: int, factor: float, reports: int) -> float:
        drawn = factor * generator.choice(losses, (reports, seeds, episodes))
        means, errors = drawn.mean(2), drawn.std(2, ddof=1) / math.sqrt(episodes)
        return float(np.mean([is_below(*pair, [episodes] * seeds, floor) for pair in zip(means, errors, strict=True)]))

    for episodes, seeds in ((8, 1), (8, 5), (16, 1), (32, 1), (32, 5), (256, 1)):
        reports = 3000
        assert share(episodes, seeds, 1.0, reports) * reports <= stats.binom.ppf(0.999, reports, 0.001)
    for seeds in (1, 5):
        assert share(256, seeds, 0.5, 200) == 1.0


def test_a_loss_below_its_floor_by_hand() -> None:
    """Two runs of 16 episodes with a standard error of 1 each: 0.7071 of their mean, with 30 degrees of freedom."""
    bound = 50.0 * math.exp(-stats.t.ppf(stats.norm.sf(4), 30) * math.sqrt(0.5) / 50.0)
    means, errors, episodes = [49.0, 51.0], [1.0, 1.0], [16, 16]
    assert is_below(means, errors, episodes, bound * 1.001) is True
    assert is_below(means, errors, episodes, bound * 0.999) is False
    assert is_below(means, errors, [16, 7], bound * 2) is None
    assert is_below(means, [1.0], episodes, bound * 2) is None  # a run of one episode has no standard error
    assert is_below([0.0], [0.0], [8], 1.0) is True  # what nothing can know is known
    assert is_below([1.0], [0.0], [8], 1.0 + 1e-7) is False  # by rounding


@pytest.mark.parametrize("runs", [1, 15, 75])
def test_a_test_of_runs_needs_episodes_enough_for_its_level(runs: int) -> None:
    episodes = episodes_needed(runs)
    assert {1: 5, 15: 9, 75: 11}[runs] == episodes
    for count, reaches in ((episodes, True), (episodes - 1, False)):
        p = stats.binomtest(count, count, alternative="greater").pvalue
        adjusted, _ = holm(dict.fromkeys(range(runs), p))
        assert all((value <= LEVEL) == reaches for value in adjusted.values())


def test_many_initializations_of_which_runs_fail_take_five_seeds() -> None:
    """What the page and the calibration say: 3 seeds give more than 5 % false directions there, 5 do not."""
    for distribution in (DISTRIBUTIONS["a fifth failing"], FAILING_RETURNS):
        assert false_directions(distribution, 5, reports=300, strategies=20) <= 0.05
        assert 0.03 < false_directions(distribution, 3, reports=300, strategies=20) < 0.15


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_reports_of_identical_strategies_contain_a_direction_in_five_percent(name: str, seeds: int) -> None:
    reports = 1500
    share = false_directions(DISTRIBUTIONS[name], seeds, reports=reports)
    assert share <= 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / reports)  # 99.5 % of what 5 % would give


@pytest.mark.parametrize(("factor", "seeds"), [(100, 3), (5, 5), (2, 10)])
def test_large_differences_are_seen(factor: float, seeds: int) -> None:
    assert seen(factor, seeds, reports=300) >= 0.8


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_intervals_cover_the_mean_of_normal_seeds(seeds: int) -> None:
    normal: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray] = DISTRIBUTIONS["normal"].draw
    assert normal(np.random.default_rng(0), (4, 3)).shape == (4, 3)
    assert coverage(DISTRIBUTIONS["normal"], seeds, reports=4000) == pytest.approx(0.95, abs=0.012)
