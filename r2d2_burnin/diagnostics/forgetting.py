"""How fast a wrong start state is forgotten: an exponential fit to the state error, where the decay is one."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

NEGLIGIBLE = 1e-3
"""Part of the first state error below which the decay is rounding, and no longer fitted."""
BEST_FIT = 0.99
"""R² that the fit of the log errors has to reach. Half a slow oscillation reaches 0.98."""
SMALL_FALL = 0.01
"""A smaller fall of the log error in the last half of the steps is none."""
KEPT = 0.9
"""A state is kept, not forgotten, where its error keeps this part or more over the last half of the steps."""


@dataclasses.dataclass(frozen=True)
class Forgetting:
    """How fast a wrong start state is forgotten: the state error after j steps is about e0 exp(-j / steps)."""

    steps: float | None  # forgetting time; None where `reason` says why there is none
    low: float | None  # 95 % interval over episodes; None: no forgetting time
    high: float | None
    errors: list[float]  # mean state error after 0, 1, .. steps of burn-in from the zero state
    r_squared: float | None = None  # of the line through the log errors; None: fewer than three to fit
    reason: str | None = None  # why there is no forgetting time
    tail_fall: float = 1.0  # part of the error that is lost over the last half of the fitted steps, by a fit to these
    kept: bool = False  # that part is at most a tenth, and the error has not vanished before the last step

    @property
    def left(self) -> float:
        """The part of the first state error that is left after the last step; 0 where there was none."""
        return self.errors[-1] / self.errors[0] if self.errors[0] > 0 else 0.0


def fit_forgetting(errors: np.ndarray, owners: np.ndarray, *, resamples: int = 500) -> Forgetting:
    """Fit the decay of the mean state error, if it is an exponential one.

    There is a forgetting time where all of these hold; otherwise `reason` names the first that does not:

    1. At least three mean errors are above 0.1 % of the first one; only the steps before that are fitted.
    2. The tail falls: the 95 % lower bound (bootstrap over episodes) of the slope in the last half of the fitted steps
       is above zero, and not below half of the slope over all of them.
    3. The fit is good: R² of the log errors is at least 0.99.
    4. The time is seen, not extrapolated: the fitted error falls to 1/e within the fitted steps.

    Args:
        errors: state errors `[B, J + 1]` after 0, 1, .. J steps of burn-in.
        owners: a number `[B]` that those of the same episode share; episodes are what the bootstrap resamples.
        resamples: of the bootstrap.
    """
    mean = errors.mean(0)
    significant = mean > NEGLIGIBLE * mean[0]
    end = len(mean) if significant.all() else int(significant.argmin())
    if end < 3:
        after = "at once" if mean[0] == 0 else f"after {end} step{'s' * (end != 1)}"
        return Forgetting(
            None, None, None, mean.tolist(), reason=f"the state error is below 0.1 % of its first value {after}"
        )
    half = end // 2
    logs = np.log(mean[:end])
    rate, tail = float(_rates(logs)), float(_rates(logs[half:]))
    r_squared = _r_squared(logs)
    rates, tails = _resampled(errors[:, :end], owners, half, resamples)
    tail_fall = 1 - math.exp(-tail * (end - 1 - half))
    reason = _reason_against(rate, float(np.percentile(tails, 5)), r_squared, end - 1, half)
    if reason and end < len(mean):
        reason += f"; it is below 0.1 % of its first value after {end} steps"
    low, high = (1 / float(value) if value > 0 else None for value in np.percentile(rates, [97.5, 2.5]))
    return Forgetting(
        steps=None if reason else 1 / rate,
        low=None if reason else low,
        high=None if reason else high,
        errors=mean.tolist(),
        r_squared=r_squared,
        reason=reason,
        tail_fall=tail_fall,
        kept=end == len(mean) and 1 - tail_fall >= KEPT,
    )


def _reason_against(rate: float, tail_low: float, r_squared: float, steps: int, half: int) -> str | None:
    """Why a decay of `rate` a step over `steps` steps is no exponential one; None where it is."""
    tail = f"the last {steps - half} of {steps} steps"
    if tail_low * (steps - half) <= SMALL_FALL or rate <= 0:
        return f"the state error does not fall in {tail}"
    if tail_low < rate / 2:
        return f"the state error falls less than half as fast in {tail} as over all of them"
    if r_squared < BEST_FIT:
        return f"the state error does not fall exponentially (R² of its logarithm {r_squared:.2f}, below {BEST_FIT:g})"
    if rate * steps < 1:
        left = math.exp(-rate * steps)
        return f"the state error falls to {left:.2g} of its first value in the {steps} steps seen, not to 1/e"
    return None


def _resampled(errors: np.ndarray, owners: np.ndarray, half: int, resamples: int) -> tuple[np.ndarray, np.ndarray]:
    """Rates `[R]` over all steps and over those from `half` on, with episodes drawn anew R times."""
    numbers, places = np.unique(owners, return_inverse=True)
    sums = np.stack([np.bincount(places, column) for column in errors.T], 1)  # [E, n]
    counts = np.bincount(places)
    generator = np.random.default_rng(0)
    drawn = generator.multinomial(len(numbers), np.full(len(numbers), 1 / len(numbers)), size=resamples)  # [R, E]
    means = drawn @ sums / (drawn @ counts)[:, None]
    logs = np.log(np.maximum(means, np.finfo(np.float64).tiny))
    return _rates(logs), _rates(logs[:, half:])


def _rates(logs: np.ndarray) -> np.ndarray:
    """Least-squares slopes `[...]` of -log error by step, from log errors `[..., n]`."""
    steps = np.arange(logs.shape[-1]) - (logs.shape[-1] - 1) / 2
    return np.asarray(-(logs @ steps) / (steps @ steps))


def _r_squared(logs: np.ndarray) -> float:
    """Share of the variance of log errors `[n]` that a line explains; 1 where there is none."""
    steps = np.arange(len(logs)) - (len(logs) - 1) / 2
    residuals = logs - logs.mean() + _rates(logs) * steps
    total = float(((logs - logs.mean()) ** 2).sum())
    return 1 - float((residuals**2).sum()) / total if total > 0 else 1.0
