"""The loss on fresh fragments and its standard error, by hand and by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from r2d2_burnin.diagnostics.evaluator import ratio_estimate


def test_the_standard_error_is_over_episodes() -> None:
    """Means of 2, 4 and 3 over 5, 5 and 10 steps: deviations of -5, 5 and 0 from 3 a step, in units of 20/3 steps."""
    mean, error = ratio_estimate(np.array([10.0, 20.0, 30.0]), np.array([5, 5, 10]))
    assert mean == 3.0
    assert error == pytest.approx(np.sqrt(2 * 0.75**2 / 2) / np.sqrt(3))
    assert ratio_estimate(np.array([10.0]), np.array([5])) == (2.0, None)


def test_the_standard_error_is_that_of_repeated_evaluations() -> None:
    generator = np.random.default_rng(0)
    counts = generator.integers(60, 100, (4000, 12))
    sums = counts * generator.gamma(4.0, 0.5, counts.shape)
    means, errors = zip(*map(ratio_estimate, sums, counts), strict=True)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(means), rel=0.05)
