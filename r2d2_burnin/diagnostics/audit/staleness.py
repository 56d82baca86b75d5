"""What no fault explains: how far stored states are from those that today's parameters give, by their age.

The reference is the exact state, from the episode's first step with today's parameters, where episode numbers and first
steps show sequences that cover their episode up to there. ΔQ (R2D2, section 3) is measured along each sequence: k steps
after its start, it is the ΔQ at the first trained step after a burn-in of k steps. Elsewhere the reference is the
stored state itself, R2D2's own: it shows how long a burn-in from zeros has to be, and nothing of the states' age.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from scipy import special

from r2d2_burnin.diagnostics.audit.facts import Facts
from r2d2_burnin.diagnostics.audit.layout import first_episodes
from r2d2_burnin.diagnostics.audit.result import AgeGroup, BurnInCurve, Staleness
from r2d2_burnin.diagnostics.audit.unrolling import Leaves, take
from r2d2_burnin.diagnostics.burn_in_measures import smallest_sufficient
from r2d2_burnin.diagnostics.callable_discrepancy import delta_q
from r2d2_burnin.diagnostics.confidence import upper_bound
from r2d2_burnin.learning.objectives import largest_magnitude

MOST = 128
"""Sequences that are measured, at most."""

FEWEST = 16
"""Sequences without which nothing is said."""

GROUPS = 5
"""Groups of ages, at most."""


@dataclasses.dataclass(frozen=True)
class Curves:
    """ΔQ along n sequences, `[n, T]` each, NaN after a sequence's end."""

    stored: np.ndarray | None  # from the stored state; None where it is the reference
    zero: np.ndarray  # from the initial state


def measure_staleness(facts: Facts, tolerance: float) -> Staleness | None:
    """Measure stored states that could be judged, and that no fault explains; None where these are too few.

    Args:
        facts: of the sequences, whose faults have been looked for.
        tolerance: largest ΔQ that is good enough.
    """
    rows = np.setdiff1d(facts.going_on, np.union1d(facts.spoilt, facts.unjudged))
    chosen = facts.sample(rows[np.isin(rows, facts.exact.rows)], MOST)
    exact: Leaves | None = facts.exact.states(chosen)
    if len(chosen) < FEWEST:
        chosen, exact = facts.sample(rows, MOST), None
    if len(chosen) < FEWEST:
        return None
    curves = _curves(facts, chosen, exact)
    sequences = facts.sequences
    owners = np.arange(len(chosen))
    if sequences.episode is not None:
        owners = np.unique(first_episodes(sequences, facts.layout)[chosen], return_inverse=True)[1].reshape(-1)
    grid = _grid(curves.zero, sequences.burn_in)
    kept = [
        _curve(start, values, owners, grid)
        for start, values in (("stored", curves.stored), ("zero", curves.zero))
        if values is not None
    ]
    measured = curves.zero if curves.stored is None else curves.stored
    ages = None if sequences.age is None else np.asarray(sequences.age)[chosen].astype(float)
    unroller = facts.unroller
    row = int(np.prod(np.shape(sequences.observations)[2:])) * np.dtype(sequences.observations.dtype).itemsize
    return Staleness(
        reference="stored" if curves.stored is None else "exact",
        sequences=len(chosen),
        episodes=None if sequences.episode is None else len(np.unique(owners)),
        groups=() if curves.stored is None else _by_age(curves.stored, ages),
        curves=tuple(kept),
        tolerance=tolerance,
        start=kept[0].start,
        advised=_advised(kept[0], tolerance, lambda k: _curve(kept[0].start, measured, owners, [k])),
        longest=grid[-1],
        given=sequences.burn_in,
        length=sequences.length,
        seconds_per_step=unroller.seconds / max(unroller.steps, 1),
        bytes_per_step=row,
    )


def _curves(facts: Facts, rows: np.ndarray, exact: Leaves | None) -> Curves:
    unroller, until = facts.unroller, facts.layout.until[rows]
    parts = []
    for begin in range(0, len(rows), unroller.batch_size):
        piece = slice(begin, begin + unroller.batch_size)
        chosen, x = rows[piece], unroller.observations(rows[piece], 0, int(until[piece].max()))
        stored = unroller.outputs(x, unroller.stored(chosen))
        reference = stored if exact is None else unroller.outputs(x, take(exact, np.arange(len(rows))[piece]))
        zero = unroller.outputs(x, unroller.initial(len(chosen)))
        counts = np.arange(x.shape[1]) < until[piece][:, None]
        values = np.full((2, len(chosen), facts.sequences.length), np.nan)
        for i, outputs in enumerate((stored, zero)):
            values[i, :, : x.shape[1]] = _delta_q(outputs, reference, counts)
        parts.append(values)
    whole = np.concatenate(parts, 1)
    return Curves(None if exact is None else whole[0], whole[1])


def _delta_q(outputs: np.ndarray, reference: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """ΔQ `[n, T]` along sequences, NaN where nothing counts; the scale is the largest output of the counted steps."""
    scale = np.broadcast_to(largest_magnitude(outputs, counts)[:, None], counts.shape)
    return np.where(counts, delta_q(outputs, reference, scale), np.nan)


def _grid(values: np.ndarray, given: int | None) -> list[int]:
    """Burn-ins to try: 0, 1, 2, 4, .., up to the longest that most sequences can judge, and the replay's own."""
    judged = np.flatnonzero(np.isfinite(values).sum(0) >= max(FEWEST, len(values) // 2))
    longest = int(judged[-1]) if len(judged) else 0
    steps = {0, longest, *(2**i for i in range(longest.bit_length()) if 2**i <= longest)}
    if given is not None and given <= longest:
        steps.add(given)
    return sorted(steps)


def _curve(start: str, values: np.ndarray, owners: np.ndarray, grid: list[int]) -> BurnInCurve:
    means, uppers, quantiles = [], [], []
    for k in grid:
        at = values[:, k]
        finite = np.isfinite(at)
        _, places = np.unique(owners[finite], return_inverse=True)
        by_episode = np.bincount(places, at[finite]) / np.bincount(places)
        means.append(float(by_episode.mean()))
        uppers.append(upper_bound(by_episode))
        quantiles.append(float(np.quantile(at[finite], 0.95, method="inverted_cdf")))
    return BurnInCurve(start, tuple(grid), tuple(means), tuple(uppers), tuple(quantiles))  # type: ignore[arg-type]


def _advised(curve: BurnInCurve, tolerance: float, measure: Callable[[int], BurnInCurve]) -> int | None:
    """The smallest burn-in from which on all that were tried are within tolerance, halving what lies before it."""

    def suffices(k: int) -> bool:
        tried, place = (curve, curve.burn_in.index(k)) if k in curve.burn_in else (measure(k), 0)
        return max(tried.upper[place], tried.q95[place]) <= tolerance

    return smallest_sufficient(curve.burn_in, suffices)


def _by_age(values: np.ndarray, ages: np.ndarray | None) -> tuple[AgeGroup, ...]:
    if ages is None:
        return (_group(values, None),)
    edges = np.unique(np.quantile(ages, np.linspace(0, 1, min(GROUPS, max(len(ages) // FEWEST, 1)) + 1)))
    places = np.clip(np.searchsorted(edges, ages, "right") - 1, 0, max(len(edges) - 2, 0))
    return tuple(_group(values[places == place], ages[places == place]) for place in np.unique(places))


def _group(values: np.ndarray, ages: np.ndarray | None) -> AgeGroup:
    first = values[:, 0]
    last = np.array([row[np.isfinite(row)][-1] for row in values])
    youngest, oldest = (None, None) if ages is None else (float(ages.min()), float(ages.max()))
    return AgeGroup(youngest, oldest, len(values), *_interval(first), *_interval(last))


def _interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean and its 95 % t-interval (Student, 1908)."""
    mean, count = float(values.mean()), len(values)
    if count < 2:
        return mean, math.nan, math.nan
    half = float(special.stdtrit(count - 1, 0.975)) * float(values.std(ddof=1)) / math.sqrt(count)
    return mean, mean - half, mean + half
