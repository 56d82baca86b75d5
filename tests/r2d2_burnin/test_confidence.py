"""Upper bounds: they cover what they say, and few large values raise them as they should."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from r2d2_burnin.diagnostics.burn_in_advice import _summary
from r2d2_burnin.diagnostics.confidence import share_bound, upper_bound


@pytest.mark.parametrize(
    ("draw", "mean"),
    [
        (lambda g: g.normal(1, 1, 64), 1.0),
        (lambda g: g.exponential(1, 64), 1.0),
        (lambda g: g.lognormal(0, 0.75, 64), np.exp(0.75**2 / 2)),
        (lambda g: (g.random(64) < 0.1).astype(float), 0.1),
        (lambda g: (g.random(64) < 0.04).astype(float), 0.04),
        (lambda g: g.exponential(1, 16), 1.0),
    ],
    ids=["normal", "exponential", "lognormal", "10 % wrong", "4 % wrong", "exponential, 16 episodes"],
)
def test_the_bound_covers_the_mean(draw: Callable[[np.random.Generator], np.ndarray], mean: float) -> None:
    """Nominally in 95 of 100 samples; 400 samples have a standard error of 1.1 %, skewed ones lose a few more."""
    generator = np.random.default_rng(0)
    covered = np.mean([upper_bound(draw(generator), resamples=500) >= mean for _ in range(400)])
    assert 0.89 <= covered <= 0.985


def test_episodes_are_the_units_of_the_bound() -> None:
    """Five fragments of an episode that are alike: as independent ones they would give a bound that is too low."""
    generator = np.random.default_rng(0)
    owners = np.repeat(np.arange(30), 5)
    clustered = independent = 0
    for _ in range(200):
        values = np.repeat(generator.exponential(1, 30), 5)
        clustered += _summary(values, owners)[1] >= 1
        independent += upper_bound(values, resamples=500) >= 1
    assert clustered >= 0.89 * 200
    assert independent <= 0.82 * 200


def test_one_wrong_episode_of_64_is_not_within_a_tolerance_of_a_twentieth() -> None:
    bounds = [upper_bound(np.arange(64) < wrong) for wrong in range(12)]
    assert bounds[0] == 0
    assert all(bound > 0.05 for bound in bounds[1:])
    assert bounds == sorted(bounds)
    for wrong, bound in enumerate(bounds[1:], 1):  # beside the exact bound of a share, Clopper and Pearson's
        assert bound == pytest.approx(stats.beta.ppf(0.95, wrong + 1, 64 - wrong), abs=1.2 / 64)
    passes = sum(stats.binom.pmf(wrong, 64, 0.04) for wrong, bound in enumerate(bounds) if bound <= 0.05)
    assert passes == pytest.approx(0.96**64)  # 7 %: where none occurred, nobody can know
    assert 0.9**64 < 0.002


@given(st.integers(1, 300), st.data())
def test_the_bound_of_a_share_is_the_exact_one(episodes: int, data: st.DataObject) -> None:
    failed = data.draw(st.integers(0, episodes))
    bound = share_bound(failed, episodes)
    if failed == episodes:
        assert bound == 1
    else:  # so few failures or fewer have a probability of 5 % there
        assert stats.binom.cdf(failed, episodes, bound) == pytest.approx(0.05, rel=1e-6)


@given(st.lists(st.floats(0, 100, allow_subnormal=False), min_size=1, max_size=30))
def test_a_bound_lies_between_mean_and_largest_value(values: list[float]) -> None:
    array = np.array(values)
    bound = upper_bound(array, resamples=200)
    assert array.mean() - 1e-6 - 0.1 * np.ptp(array) <= bound <= array.max() + 1e-9
    assert bound == upper_bound(array, resamples=200)


def test_what_is_no_number_is_never_within_tolerance() -> None:
    assert upper_bound(np.array([0.0, np.nan, 0.0])) == np.inf
    assert upper_bound(np.array([0.0, np.inf, 0.0])) == np.inf
    assert upper_bound(np.full(64, 0.25)) == 0.25


def test_the_quantile_is_one_of_the_values() -> None:
    values = np.zeros(20)
    values[0] = 1
    assert _summary(values, np.arange(20))[2] == 0  # 19 of 20 are 95 %
    values[1] = 1
    assert _summary(values, np.arange(20))[2] == 1
    assert _summary(values, np.repeat(np.arange(2), 10))[0] == pytest.approx(0.1)
