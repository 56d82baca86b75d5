"""Forgetting times: of exponential decays the right one, of everything else none."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2d2_burnin.diagnostics.forgetting import Forgetting, fit_forgetting

STEPS = np.arange(46)


def fit(curve: np.ndarray) -> Forgetting:
    """The fit to 24 episodes with such a curve `[J + 1]`, each of another size."""
    sizes = np.random.default_rng(0).uniform(0.5, 2, (24, 1))
    errors = sizes * np.broadcast_to(curve, (24, curve.shape[-1]))
    return fit_forgetting(errors, np.arange(24))


@given(time=st.floats(0.5, 44.0), scale=st.floats(1e-3, 1e3))
def test_an_exponential_decay_has_its_time(time: float, scale: float) -> None:
    result = fit(scale * np.exp(-STEPS / time))
    assert result.reason is None
    assert result.steps == pytest.approx(time, rel=1e-6)
    assert result.low == pytest.approx(time, rel=1e-6)
    assert result.high == pytest.approx(time, rel=1e-6)
    assert result.r_squared == pytest.approx(1)
    assert not result.kept


def test_the_interval_covers_the_time_of_noisy_decays() -> None:
    """In about 95 of 100 recordings of 64 episodes from a population of 4000."""
    generator = np.random.default_rng(0)
    times = generator.uniform(8, 12, (4000, 1))
    population = np.exp(-STEPS / times + 0.3 * generator.normal(size=(4000, 1)))
    true = fit_forgetting(population, np.arange(4000)).steps
    assert true is not None
    covered = 0
    for _ in range(100):
        result = fit_forgetting(population[generator.integers(4000, size=64)], np.arange(64))
        assert result.low is not None
        assert result.high is not None
        covered += result.low <= true <= result.high
    assert 86 <= covered < 100


@pytest.mark.parametrize(
    ("name", "curve", "reason", "stays"),
    [
        ("constant", np.ones(46), "does not fall in the last", True),
        ("rising", 1 + 0.1 * STEPS, "does not fall in the last", True),
        ("latch", np.where(STEPS == 0, 1.0, 0.5), "does not fall in the last", True),
        ("fast, then constant", 0.5 * np.exp(-STEPS / 3) + 0.5, "does not fall in the last", True),
        ("fast, then slow", np.exp(-STEPS / 3) + 0.3 * np.exp(-STEPS / 60), "less than half as fast", False),
        ("slow oscillation", 1 + 0.5 * np.cos(2 * np.pi * STEPS / 92), "not fall exponentially", False),
        ("oscillation", 1 + 0.5 * np.cos(2 * np.pi * STEPS / 30), "does not fall|not fall exponentially", None),
        ("window", np.sqrt(np.maximum(14 - STEPS, 0)), "exponentially .*; it is below 0.1 % .* after 14 steps", False),
        ("too slow to be seen", np.exp(-STEPS / 100), "falls to 0.64 of its first value in the 45 steps seen", False),
        ("forgotten in a step", np.where(STEPS == 0, 1.0, 0.0), "below 0.1 % of its first value after 1 step$", False),
        ("never wrong", np.zeros(46), "below 0.1 % of its first value at once", False),
    ],
)
def test_other_curves_have_none(name: str, curve: np.ndarray, reason: str, stays: bool | None) -> None:
    result = fit(curve)
    assert (result.steps, result.low, result.high) == (None, None, None)
    assert result.reason is not None
    assert re.search(reason, result.reason), f"{name}: {result.reason}"
    assert stays is None or result.kept is stays


@given(amplitude=st.floats(0.05, 0.9), period=st.floats(20, 400), phase=st.floats(0, 2 * np.pi))
def test_no_oscillation_has_one(amplitude: float, period: float, phase: float) -> None:
    assert fit(1 + amplitude * np.cos(2 * np.pi * STEPS / period + phase)).steps is None


@given(first=st.floats(1, 5), left=st.floats(0.05, 0.9))
def test_no_decay_that_ends_has_one(first: float, left: float) -> None:
    result = fit((1 - left) * np.exp(-STEPS / first) + left)
    assert result.steps is None
    assert result.left == pytest.approx(left, rel=1e-2)


def test_episodes_are_the_units() -> None:
    """Many fragments of two episodes are no more evidence than two episodes are."""
    generator = np.random.default_rng(0)
    errors = np.exp(-STEPS / generator.uniform(8, 12, (16, 1)))
    once = fit_forgetting(errors, np.arange(16))
    often = fit_forgetting(np.repeat(errors, 10, 0), np.repeat(np.arange(16), 10))
    assert once.low is not None
    assert (once.low, once.high, once.steps) == pytest.approx((often.low, often.high, often.steps))
