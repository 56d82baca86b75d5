"""What the comparisons of claims add up to: a test for each, with Holm's correction over the report, and words."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.burnin_compare.comparison import Comparison
from experiments.burnin_compare.verdict import EQUAL_ERRORS, p_text, ratio_text
from experiments.claims.declarations import Claim, Comparand, Side
from experiments.claims.measures import MEASURES, Values
from experiments.common.report import Table
from experiments.common.statistics import Contrast, Pair, compare_pairs
from r2d2_burnin.runtime.formatting import listed, number

AS_CLAIMED, OPPOSITE, NOT_SEEN, EQUAL, UNTESTED, MEASURED = (
    "as claimed",
    "the opposite",
    "no difference seen",
    "equal within the margin",
    "not tested",
    "measured alone",
)
"""What a test says of a claim."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One comparison of a claim, tested."""

    claim: Claim
    comparand: Comparand
    contrast: Contrast
    values: tuple[float | None, float | None]
    """Means over the seeds of both sides."""
    steps: tuple[float | None, float | None]
    """Steps that both sides have processed in training, means over seeds."""
    untaught: bool = False
    """Whether neither side has learned anything, so that nothing is compared."""

    @property
    def verdict(self) -> str:
        """What the test says of the claim, or of the question where it claims nothing."""
        contrast, expected = self.contrast, self.comparand.expected
        if not MEASURES[self.comparand.measure].is_outcome:
            return MEASURED if contrast.seeds else UNTESTED
        if self.untaught or not contrast.is_tested:
            return UNTESTED
        if contrast.direction is None:
            return EQUAL if contrast.within(math.log(EQUAL_ERRORS)) else NOT_SEEN
        direction = "smaller" if contrast.estimate < 0 else "larger"
        if expected is None:
            return direction
        return AS_CLAIMED if direction == expected else OPPOSITE

    @property
    def p(self) -> float | None:
        """The p of its test with Holm's correction; None where nothing is tested."""
        is_outcome = MEASURES[self.comparand.measure].is_outcome
        return self.contrast.p if is_outcome and self.contrast.is_tested else None

    @property
    def ratio(self) -> str:
        """The ratio with its interval."""
        contrast = self.contrast
        if not contrast.seeds:
            return "-"
        interval = f" [{ratio_text(contrast.low)}, {ratio_text(contrast.high)}]" if math.isfinite(contrast.low) else ""
        return ratio_text(contrast.estimate) + interval

    @property
    def sentence(self) -> str:
        """The comparison in words."""
        unit, seeds = MEASURES[self.comparand.measure].unit, self.contrast.seeds
        side, other = self.comparand.side, self.comparand.other
        if self.untaught:
            return f"{side} against {other}: not compared, as neither is shown to have learned anything."
        if not seeds:
            return f"{side} against {other}: no {unit} measured in a common seed."
        what = f"{side} against {other}: {self.ratio} times the {unit}"
        if not self.contrast.is_tested:
            return f"{what} ({seeds} common {'seed' if seeds == 1 else 'seeds'}, no test)."
        if self.verdict == MEASURED:
            return f"{what}, measured alone."
        costs = " and ".join("-" if value is None else f"{value:,.0f}" for value in self.steps)
        return f"{what} (p {p_text(self.contrast.p)}): {self.verdict}. Steps processed in whole trainings: {costs}."


@dataclasses.dataclass(frozen=True)
class ClaimResults:
    """The comparisons of a report, by setting, and the claims that they settle."""

    claims: tuple[Claim, ...]
    comparisons: dict[str, Comparison]

    @functools.cached_property
    def findings(self) -> tuple[Finding, ...]:
        """Every comparison of every claim; those of outcomes are tested, with Holm's correction over all of them.

        A comparison in which neither side has learned anything is tested with the others, and its direction is not
        stated.
        """
        comparands = [(claim, comparand) for claim in self.claims for comparand in claim.comparisons]
        values = [self._values(comparand) for _, comparand in comparands]
        pairs = [
            Pair(str(comparand.side), str(comparand.other), *both, higher_is_better=False, is_ratio=True)
            for (_, comparand), both in zip(comparands, values, strict=True)
        ]
        outcomes = [i for i, (_, comparand) in enumerate(comparands) if MEASURES[comparand.measure].is_outcome]
        contrasts = [compare_pairs([both])[0] for both in pairs]
        tested = compare_pairs([pairs[i] for i in outcomes])
        for i, contrast in zip(outcomes, tested, strict=True):
            contrasts[i] = contrast
        return tuple(
            Finding(
                claim,
                comparand,
                contrast,
                (_mean(both[0]), _mean(both[1])),
                (self._steps(comparand.side), self._steps(comparand.other)),
                self._untaught(comparand),
            )
            for (claim, comparand), contrast, both in zip(comparands, contrasts, values, strict=True)
        )

    def of(self, claim: Claim) -> list[Finding]:
        """The findings of one claim."""
        return [finding for finding in self.findings if finding.claim is claim]

    def conclusion(self, claim: Claim) -> str:
        """What its comparisons say of a claim, in words."""
        findings = self.of(claim)
        counts = {
            verdict: sum(f.verdict == verdict for f in findings) for verdict in dict.fromkeys(_verdicts(findings))
        }
        texts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        return (
            f"Claim {claim.number} ({claim.about}): {_settled(findings)}. Of its {len(findings)} comparisons: {texts}."
        )

    @property
    def answer(self) -> str:
        """What is settled of every claim, without counts."""
        by_answer: dict[str, list[str]] = {}
        for claim in self.claims:
            by_answer.setdefault(_settled(self.of(claim)), []).append(f"{claim.about} (claim {claim.number})")
        return ". ".join(f"{answer.capitalize()}: {listed(claims)}" for answer, claims in by_answer.items())

    def as_json(self) -> dict[str, Any]:
        """Content of `claims.json`, without the state of the job."""
        return {
            claim.number: {
                "name": claim.name,
                "text": claim.text,
                "source": claim.source,
                "conclusion": self.conclusion(claim),
                "limits": claim.limits,
                "comparisons": [_finding_as_json(finding) for finding in self.of(claim)],
            }
            for claim in self.claims
        }

    def _values(self, comparand: Comparand) -> tuple[Values, Values]:
        measure, side, other = MEASURES[comparand.measure], comparand.side, comparand.other
        return (
            measure.values(self.comparisons[side.setting], side.strategy, other.strategy),
            measure.values(self.comparisons[other.setting], other.strategy, side.strategy),
        )

    def _steps(self, side: Side) -> float | None:
        runs = self.comparisons[side.setting].of(side.strategy)
        return _mean({seed: float(run.processed_steps) for seed, run in runs.items()})

    def _untaught(self, comparand: Comparand) -> bool:
        sides = (comparand.side, comparand.other)
        return MEASURES[comparand.measure].is_outcome and all(self._learned_nothing(side) for side in sides)

    def _learned_nothing(self, side: Side) -> bool:
        """Whether no run of a side is shown to be better than the best constant answer, though all were tested."""
        by_seed = self.comparisons[side.setting].learned().get(side.strategy, {})
        return bool(by_seed) and not any(by_seed.values())


def _verdicts(findings: Sequence[Finding]) -> list[str]:
    return [finding.verdict for finding in findings]


def _settled(findings: Sequence[Finding]) -> str:
    """What the comparisons of a claim say together."""
    verdicts = set(_verdicts(findings)) - {UNTESTED, MEASURED}
    if not verdicts:
        return "nothing could be tested"
    judged = [verdict for verdict in _verdicts(findings) if verdict in verdicts]
    if all(finding.comparand.expected is None for finding in findings):
        if verdicts <= {NOT_SEEN, EQUAL}:
            return "no difference seen"
        measures = listed(list(dict.fromkeys(finding.comparand.measure for finding in findings)))
        most, *others = sorted(dict.fromkeys(judged), key=judged.count, reverse=True)
        rest = "".join(f", {verdict} in {judged.count(verdict)}" for verdict in others)
        return f"{measures} {most} in {judged.count(most)} of {len(judged)} comparisons{rest}"
    if AS_CLAIMED in verdicts:
        in_part = f" in part, in {judged.count(AS_CLAIMED)} of {len(judged)} comparisons"
        return "reproduces here" if verdicts == {AS_CLAIMED} else f"reproduces here{in_part}"
    return "does not reproduce here" if verdicts & {OPPOSITE, EQUAL} else "neither shown nor refuted here"


def _mean(values: Values) -> float | None:
    return float(np.mean(list(values.values()))) if values else None


def _finding_as_json(finding: Finding) -> dict[str, Any]:
    comparand, contrast = finding.comparand, finding.contrast

    def ratio(logarithm: float) -> float | None:
        return math.exp(logarithm) if math.isfinite(logarithm) and logarithm < 700 else None

    return {
        "measure": comparand.measure,
        "side": dataclasses.asdict(comparand.side),
        "other": dataclasses.asdict(comparand.other),
        "expected": comparand.expected,
        "ratio": ratio(contrast.estimate),
        "interval": [ratio(contrast.low), ratio(contrast.high)],
        "p": finding.p,
        "seeds": contrast.seeds,
        "means": list(finding.values),
        "processed_steps": list(finding.steps),
        "verdict": finding.verdict,
        "sentence": finding.sentence,
    }


def summary_table(results: ClaimResults) -> Table:
    """The claims, one row each: what is claimed, and what its comparisons say together."""
    rows = [
        [str(claim.number), claim.name, claim.text, _settled(results.of(claim)), str(len(results.of(claim)))]
        for claim in results.claims
    ]
    return Table(["claim", "name", "claim or question", "here", "comparisons"], rows, MEANINGS)


MEANINGS = {
    "name": "For --claims, as the number is.",
    "here": "What the tests of all comparisons of the claim say together.",
    "comparisons": "How many comparisons settle the claim; each is shown below.",
    "a / b": "The two initializations that are compared, and in brackets the training setting.",
    "ratio": "Of a to b, geometric mean over seeds. In brackets: the interval of its test; of what is measured alone,"
    " the 95 % t-interval.",
    "p": "Of a paired t-test of logarithms over seeds, with Holm's correction over all comparisons of the report; '-'"
    " where nothing is tested.",
    "expected": "What the claim says of the ratio: smaller or larger than 1; '-' where it asks.",
    "seeds": "That both sides have.",
    "verdict": "What the test says of the claim, or of the question.",
}
"""What columns show, by header."""


def table(findings: Sequence[Finding]) -> Table:
    """The comparisons of a claim, one row each."""
    rows = []
    for finding in findings:
        means = ["-" if value is None else number(value) for value in finding.values]
        p = "-" if finding.p is None else p_text(finding.p)
        expected = finding.comparand.expected or "-"
        measure = finding.comparand.measure
        rows.append(
            [
                finding.comparand.label,
                measure,
                *means,
                finding.ratio,
                p,
                expected,
                str(finding.contrast.seeds),
                finding.verdict,
            ]
        )
    headers = ["a / b", "measure", "mean of a", "mean of b", "ratio", "p", "expected", "seeds", "verdict"]
    return Table(headers, rows, MEANINGS)
