"""From comparisons to verdicts: exact agreement sequence by sequence, then tests over sequences with stale states.

**Exact.** A hypothesis holds for a sequence whose stored state disagrees by more than rounding, where it agrees within
rounding, ten times as well at least.

**Stale.** Where states are older than the parameters, nothing agrees within rounding. Let r0 be how far a sequence is
off as stored, r1 under the hypothesis, and a how far the two predictions are from each other. If the states are right
as stored, r1^2 = r0^2 + a^2 plus a product of what the parameters have changed and the two predictions' difference,
which has no preferred sign over sequences; if the hypothesis holds, r0^2 = r1^2 + a^2. So u = (r1^2 - r0^2) / a^2 is 1
on average in one case and -1 in the other. A t-test over sequences of its mean, with Holm's correction over hypotheses
(Holm, 1979), decides; as all sequences share their parameters, its p-values are too small, and the mean has to be
beyond 0.3 besides. A hypothesis has to make typical sequences clearly better, too.

Where it holds for some sequences only, it makes these much better: right states come so near to a wrong hypothesis by
chance only if what the parameters have changed is nearly the opposite of the two predictions' difference, in all
numbers that are compared. It may then as well be the difference itself: sequences that come as near to the hypothesis'
mirror image, on the other side of the states as stored, count the chance. What is left of those nearer to the
hypothesis after subtracting those nearer to its mirror image is the number of sequences concerned. Over 1691 tests of
correct replays, 0 had a share of 3 % (and 4) that the hypothesis made four times better, others being still right.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy import special

from r2d2_burnin.diagnostics.audit.evidence import Evidence, Trial
from r2d2_burnin.diagnostics.audit.hypotheses import AS_STORED, Hypothesis
from r2d2_burnin.diagnostics.audit.unrolling import Leaves, Unroller

SUBSET = 96
"""Sequences on which every hypothesis is tried, at most."""

MOST_LEFT = 15
"""Per cent of stale sequences that may have a fault although it is said to be ruled out."""

FEWEST = 12
"""Sequences with stale states without which nothing is tested."""

LEVEL = 0.001
"""Level of the tests, all hypotheses together."""

LEAST_MEAN = 0.3
"""Least size of the mean of u."""

MUCH_BETTER = 0.25
"""A hypothesis that brings single sequences below this part of their error as stored may hold for these alone."""

FEWEST_SINGLE, LEAST_SHARE = 4, 0.03
"""How many such sequences there have to be, and which share of those tried that tell."""

MOST_MIRRORED = 0.25
"""Sequences that come as near to the mirror image of a hypothesis, as a part of those that come near to itself."""

INFORMATIVE = 0.5
"""Sequences count whose predictions are apart by this part of the smaller error, or more."""


HIDDEN = "Another fault hides it: mend that, and audit again."


STILL_RIGHT = ((0.1, 0.35), (1.0, 0.7))
"""The others' median error as stored, as a part of the predictions' distance, at most; up to each share."""


@dataclasses.dataclass(frozen=True, eq=False)  # arrays are not compared: an outcome is equal to itself alone
class Outcome:
    """What one kind of evidence says of one hypothesis."""

    hypothesis: Hypothesis
    status: Literal["found", "ruled out", "undecided"]
    rows: np.ndarray  # sequences concerned
    tested: int  # sequences that the evidence covers
    reason: str


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What one kind of evidence says of all hypotheses."""

    evidence: Evidence
    outcomes: tuple[Outcome, ...]
    reproduced: np.ndarray  # sequences whose stored state agrees to rounding
    unexplained: np.ndarray  # sequences that neither agree nor are explained by a hypothesis


def subset(rows: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A random subset of sequences, in order."""
    return rows if len(rows) <= size else np.sort(rng.choice(rows, size, replace=False))


def judge(
    evidence: Evidence, hypotheses: Sequence[Hypothesis], rows: np.ndarray, rng: np.random.Generator
) -> Judgement:
    """Judge all hypotheses on the sequences `rows` that the evidence covers."""
    rows = rows[np.isin(rows, evidence.rows)]
    own = evidence.trial(AS_STORED, rows).own
    rows, own = rows[np.isfinite(own)], own[np.isfinite(own)]
    agrees = own <= evidence.rounding
    reproduced, left = rows[agrees], rows[~agrees]
    exact = _exact_rows(evidence, hypotheses, left, rng)
    explained = np.concatenate([np.empty(0, np.int64), *exact.values()])
    unexplained = left[~np.isin(left, explained)]
    stale = _stale(evidence, hypotheses, unexplained, rng)
    taken = next((i for i, outcome in stale.items() if outcome.status == "found"), None)
    sample = subset(reproduced, SUBSET // 2, rng)
    outcomes = []
    for i, hypothesis in enumerate(hypotheses):
        if len(exact[i]):
            reason = f"If {hypothesis.detail}, this reproduces {evidence.name} to rounding; as stored they do not."
            more = stale[i].rows if i in stale else exact[i][:0]
            outcomes.append(Outcome(hypothesis, "found", np.union1d(exact[i], more), len(rows), reason))
        elif i in stale and (len(unexplained) > len(reproduced) or stale[i].status == "found"):
            outcome = stale[i]
            if taken not in (None, i) and outcome.status == "undecided":
                outcome = dataclasses.replace(outcome, reason=HIDDEN)
            outcomes.append(dataclasses.replace(outcome, tested=len(rows)))
        else:
            outcome = _seen(evidence, hypothesis, sample, rows)
            if outcome.status == "undecided" and not len(sample) and len(explained):
                outcome = dataclasses.replace(outcome, reason=HIDDEN)
            outcomes.append(outcome)
    if taken is not None:
        unexplained = unexplained[~np.isin(unexplained, stale[taken].rows)]
    return Judgement(evidence, tuple(outcomes), reproduced, unexplained)


def _exact_rows(
    evidence: Evidence, hypotheses: Sequence[Hypothesis], left: np.ndarray, rng: np.random.Generator
) -> dict[int, np.ndarray]:
    """Sequences that each hypothesis reproduces to rounding; of several hypotheses, the one that does best."""
    sample = subset(left, SUBSET, rng)
    best = np.full(len(left), np.inf)
    owner = np.full(len(left), -1)
    for i, hypothesis in enumerate(hypotheses):
        if len(sample) and _agrees(evidence, evidence.trial(hypothesis, sample)).any():
            trial = evidence.trial(hypothesis, left)
            better = _agrees(evidence, trial) & (trial.tried < 0.01 * best)  # of equals, the first
            best[better], owner[better] = trial.tried[better], i
    return {i: left[owner == i] for i in range(len(hypotheses))}


def _agrees(evidence: Evidence, trial: Trial) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.asarray((trial.tried <= evidence.rounding) & (trial.tried <= 0.1 * trial.own))


def _seen(evidence: Evidence, hypothesis: Hypothesis, sample: np.ndarray, rows: np.ndarray) -> Outcome:
    """Ruled out where stored states agree to rounding and the hypothesis would have been seen."""
    none = np.empty(0, np.int64)
    if not len(sample):
        reason = f"There is nothing to compare with {evidence.name}."
        if len(rows):
            reason = f"Too few sequences ({len(rows)}) with stale states to tell."
        return Outcome(hypothesis, "undecided", none, len(rows), reason)
    trial = evidence.trial(hypothesis, sample)
    apart = trial.apart[np.isfinite(trial.apart)]
    if not len(apart):
        return Outcome(hypothesis, "undecided", none, len(rows), "No sequence has what it takes to compare.")
    if np.mean(apart > 3 * evidence.rounding) < 0.5:
        reason = f"It would hardly change {evidence.name}: no verdict."
        return Outcome(hypothesis, "undecided", none, len(rows), reason)
    return Outcome(hypothesis, "ruled out", none, len(rows), f"Stored states agree with {evidence.name} to rounding.")


def _stale(
    evidence: Evidence, hypotheses: Sequence[Hypothesis], rows: np.ndarray, rng: np.random.Generator
) -> dict[int, Outcome]:
    """Tests over sequences whose stored states agree with nothing to rounding; at most one hypothesis is found."""
    if len(rows) < FEWEST_SINGLE:
        return {}
    sample = subset(rows, SUBSET, rng)
    trials = {i: _controlled(evidence, hypothesis, sample, rng) for i, hypothesis in enumerate(hypotheses)}
    tests = {i: mean_test(leaning(trial)) for i, trial in trials.items()}
    p_values = holm({i: p for i, (_, p, _) in tests.items()})
    none = np.empty(0, np.int64)
    outcomes, found = {}, []
    for i, hypothesis in enumerate(hypotheses):
        mean, _, count = tests[i]
        certain, ratio = p_values[i] <= LEVEL, _typical_ratio(trials[i])
        share = 0.0
        if _much_better(trials[i]).any():  # rare ones are counted among all
            share = _share_much_better(
                trials[i] if len(sample) == len(rows) else _controlled(evidence, hypothesis, rows, rng)
            )
        if certain and mean <= -LEAST_MEAN and ratio <= evidence.clearly:
            found.append((-1.0, ratio, i))
        elif share:
            found.append((-share, ratio, i))
        numbers = f"(mean of u {mean:.2g} over {count} sequences, p {p_values[i]:.1g} after Holm's correction)"
        if certain and mean >= LEAST_MEAN:
            most = max(math.ceil(50 * (1 - lowest_mean(leaning(trials[i])))), 1)
            reason = f"Stored states fit {evidence.name} better as they are, all but {most} % at most {numbers}."
            status: Literal["ruled out", "undecided"] = "ruled out" if most <= MOST_LEFT else "undecided"
            outcomes[i] = Outcome(hypothesis, status, none, len(rows), reason)
        else:
            reason = f"The stored states are too stale, or too few, to tell by {evidence.name} {numbers}."
            outcomes[i] = Outcome(hypothesis, "undecided", none, len(rows), reason)
    if found:
        share, ratio, i = min(found)
        outcomes[i] = _found_stale(evidence, hypotheses[i], rows, share, ratio, f"p {p_values[i]:.1g}")
    return outcomes


def _controlled(evidence: Evidence, hypothesis: Hypothesis, sample: np.ndarray, rng: np.random.Generator) -> Trial:
    """A trial whose error as stored is, where the hypothesis takes a step more, at most that of a wrong state then.

    A network that forgets comes nearer to the right state with every step, from whatever state it starts.
    """
    trial = evidence.trial(hypothesis, sample)
    if hypothesis.shift >= 0:
        return trial
    others = dict(zip(sample.tolist(), np.roll(rng.permutation(sample), 1).tolist(), strict=True))

    def states(unroller: Unroller, rows: np.ndarray) -> Leaves:
        return hypothesis.states(unroller, np.array([others.get(row, row) for row in rows.tolist()], np.int64))

    wrong = evidence.trial(dataclasses.replace(hypothesis, states=states), sample)
    return trial._replace(own=np.fmin(trial.own, wrong.tried))


def _found_stale(
    evidence: Evidence, hypothesis: Hypothesis, rows: np.ndarray, share: float, ratio: float, p: str
) -> Outcome:
    trial = evidence.trial(hypothesis, rows)
    if share > -1:
        concerned = rows[_nearer(trial)]
        reason = (
            f"If {hypothesis.detail}, these come nearer to {evidence.name}, {int(_much_better(trial).sum())} of them"
            f" {1 / MUCH_BETTER:g} times or more; staleness may hide some, or add some."
        )
    else:
        concerned = rows[np.nan_to_num(trial.tried, nan=np.inf) < np.nan_to_num(trial.own, nan=0.0)]
        reason = (
            f"If {hypothesis.detail}, the distance to {evidence.name} is {ratio:.2g} of what it is as stored, in the"
            f" median sequence ({p} after Holm's correction)."
        )
    return Outcome(hypothesis, "found", concerned, len(rows), reason)


def _much_better(trial: Trial) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.asarray(trial.tried < MUCH_BETTER * trial.own)


def _mirrored(trial: Trial) -> Trial:
    """A trial of the hypothesis' mirror image: the prediction as far on the other side of the one as stored."""
    squares = 2 * np.square(trial.own) + 2 * np.square(trial.apart) - np.square(trial.tried)
    return trial._replace(tried=np.sqrt(np.maximum(squares, 0)))


def _nearer(trial: Trial) -> np.ndarray:
    """The sequences that a hypothesis brings nearer, without as many as its mirror image does; the clearest ones."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.nan_to_num(trial.tried / trial.own, nan=np.inf)
        by_chance = int(np.sum(_mirrored(trial).tried < trial.own))
    count = max(int(np.sum(ratio < 1)) - by_chance, int(np.sum(ratio < MUCH_BETTER)))
    return np.sort(np.argsort(ratio, kind="stable")[:count])


def _share_much_better(trial: Trial) -> float:
    """Share of the sequences that tell in which a hypothesis is much better; 0 where it is too small to count.

    It counts only if the others are nearer to their states as stored than the two predictions are to each other: where
    the parameters have changed all states beyond recognition, some come near to anything.
    """
    tells = int(_telling(trial).sum())
    better = _much_better(trial)
    count, mirrored = int(better.sum()), int(_much_better(_mirrored(trial)).sum())
    if count < max(FEWEST_SINGLE, LEAST_SHARE * tells) or mirrored > MOST_MIRRORED * count:
        return 0.0
    share = min(count / tells, 1.0)
    limit = next(limit for most, limit in STILL_RIGHT if share <= most)
    others = ~better & np.isfinite(trial.tried)
    if others.any() and np.median(trial.own[others]) > limit * np.median(trial.apart[others]):
        return 0.0
    return share


def _telling(trial: Trial) -> np.ndarray:
    """Sequences whose two predictions are far enough apart."""
    with np.errstate(invalid="ignore"):
        return np.asarray(trial.apart > INFORMATIVE * np.minimum(trial.own, trial.tried))


def leaning(trial: Trial) -> np.ndarray:
    """u `[m]` of the sequences that tell: 1 for the states as stored, -1 for the hypothesis."""
    return mean_leaning([trial])


def mean_leaning(trials: Sequence[Trial]) -> np.ndarray:
    """The mean of u over trials of the same sequences, `[m]` of those that tell in any."""
    with np.errstate(invalid="ignore", divide="ignore"):
        values = [np.where(_telling(t), np.clip((t.tried**2 - t.own**2) / t.apart**2, -3, 3), np.nan) for t in trials]
    telling = np.isfinite(values).any(0)
    return np.asarray(np.nanmean(np.array(values)[:, telling], 0))


def lowest_mean(values: np.ndarray) -> float:
    """One-sided 95 % lower bound of the mean of u `[m]`, by the t-distribution, from -1 to 1."""
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    lowest = float(values.mean()) - float(special.stdtrit(len(values) - 1, 0.95)) * error
    return min(max(lowest, -1.0), 1.0)


def _typical_ratio(trial: Trial) -> float:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = trial.tried / trial.own
    ratios = ratios[np.isfinite(ratios)]
    return float(np.median(ratios)) if len(ratios) else math.inf


def mean_test(values: np.ndarray, against: float = 0.0) -> tuple[float, float, int]:
    """Mean, two-sided p of a t-test that it is `against`, and how many values there are."""
    count = len(values)
    if count < FEWEST:
        return (float(np.mean(values)) if count else math.nan), 1.0, count
    mean, deviation = float(values.mean()), float(values.std(ddof=1))
    if deviation == 0:
        return mean, 0.0 if mean != against else 1.0, count
    t = (mean - against) / (deviation / math.sqrt(count))
    return mean, float(2 * special.stdtr(count - 1, -abs(t))), count


def holm(p_values: dict[int, float]) -> dict[int, float]:
    """p-values adjusted by Holm's step-down procedure (Holm, 1979)."""
    ordered = sorted(p_values, key=lambda key: p_values[key])
    adjusted, largest = {}, 0.0
    for place, key in enumerate(ordered):
        largest = max(largest, min(p_values[key] * (len(ordered) - place), 1.0))
        adjusted[key] = largest
    return adjusted


def independence(a: np.ndarray, b: np.ndarray, rng: np.random.Generator, *, permutations: int = 199) -> float:
    """p of a permutation test that rows of `a` `[n, D]` go with those of `b` `[n, E]`; large where they do not.

    The statistic is HSIC with Gaussian kernels as wide as the median distance (Gretton et al., 2008). No network is in
    it: states and outputs of any one network go together, whatever its parameters.
    """
    kernels = [_kernel(values) for values in (a, b)]
    observed = float(np.sum(kernels[0] * kernels[1]))
    larger = 0
    for _ in range(permutations):
        order = rng.permutation(len(a))
        larger += float(np.sum(kernels[0] * kernels[1][np.ix_(order, order)])) >= observed
    return (1 + larger) / (1 + permutations)


def _kernel(values: np.ndarray) -> np.ndarray:
    """Centred Gaussian kernel `[n, n]` of standardized rows `[n, D]`."""
    deviation = values.std(0)
    values = (values - values.mean(0)) / np.where(deviation > 0, deviation, 1.0)
    squares = np.square(values).sum(1)
    distance = np.maximum(squares[:, None] + squares[None] - 2 * values @ values.T, 0)
    positive = distance[distance > 0]
    kernel = np.exp(-distance / np.median(positive)) if len(positive) else np.ones_like(distance)
    kernel -= kernel.mean(0)
    return np.asarray(kernel - kernel.mean(1)[:, None])
