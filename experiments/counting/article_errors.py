"""Errors of the counting article's own code, and how those of our seeds compare with them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.common.statistics import LEVEL, holm
from experiments.counting.records import TrainedStudy
from experiments.counting.studies import StudySettings


@dataclasses.dataclass(frozen=True)
class SeedRange:
    """The lowest and the highest error among some seeds."""

    low: float
    high: float
    seeds: int

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g} ({self.seeds} seeds)"


KNOWN_ERRORS: dict[str, dict[int, SeedRange]] = {
    "last-step": {7: SeedRange(65, 103, 3), 20: SeedRange(0.006, 0.008, 3), 40: SeedRange(104, 193, 3)},
    "every-step": {20: SeedRange(0.0023, 0.0047, 5), 30: SeedRange(0.35, 0.49, 5), 40: SeedRange(4.3, 5.1, 5)},
}
"""`error_at_length` of the article's own code, by study and sequence length."""


@dataclasses.dataclass(frozen=True)
class AgainstArticle:
    """Errors of our seeds beside the range of the article's, for one study and sequence length."""

    study: str
    length: int
    article: SeedRange
    errors: tuple[float, ...]  # ours, one a seed

    @property
    def below(self) -> int:
        """Seeds of ours with an error below the article's range."""
        return sum(error < self.article.low for error in self.errors)

    @property
    def above(self) -> int:
        """Seeds of ours with an error above the article's range."""
        return sum(error > self.article.high for error in self.errors)

    @property
    def within(self) -> int:
        """Seeds of ours with an error within the article's range."""
        return len(self.errors) - self.below - self.above

    @property
    def side(self) -> str:
        """On which side of the article's range more seeds of ours are."""
        return "higher" if self.above > self.below else "lower"

    @property
    def p_value(self) -> float:
        """Two-sided p-value of the exceedance test: how likely so many seeds of ours are outside on one side."""
        counts = (self.below, self.above)
        return min(1.0, 2 * min(exceedance_probability(n, len(self.errors), self.article.seeds) for n in counts))

    @property
    def smallest_p_value(self) -> float:
        """The p-value that all seeds of ours outside on one side would have: no smaller one is possible."""
        return min(1.0, 2 * exceedance_probability(len(self.errors), len(self.errors), self.article.seeds))

    def as_json(self) -> dict[str, Any]:
        """The form that `summary.json` has."""
        return {"below": self.below, "within": self.within, "above": self.above, "p_value": self.p_value}


def exceedance_probability(outside: int, ours: int, theirs: int) -> float:
    """Probability that at least `outside` of `ours` draws exceed all of `theirs`, if all have one distribution.

    Then every order of the draws is equally likely, whatever the distribution (Gumbel and von Schelling, "The
    Distribution of the Number of Exceedances", 1950).
    """
    return math.comb(ours + theirs - outside, theirs) / math.comb(ours + theirs, theirs)


def known_errors(study: str, settings: StudySettings) -> dict[int, SeedRange]:
    """The article's errors by sequence length; none for settings other than its own."""
    the_articles = dataclasses.replace(StudySettings(), validation=settings.validation)
    return KNOWN_ERRORS[study] if settings == the_articles else {}


def compare(trained: Mapping[str, Sequence[TrainedStudy]], settings: StudySettings) -> list[AgainstArticle]:
    """Every known error of the article beside `error_at_length` of our seeds."""
    return [
        AgainstArticle(study, length, article, tuple(seed.error_at_length[length - 1] for seed in trained[study]))
        for study in KNOWN_ERRORS
        if study in trained
        for length, article in known_errors(study, settings).items()
    ]


def agreement(comparisons: Sequence[AgainstArticle]) -> list[str]:
    """What the comparisons show, in words: how many seeds are in the article's range, and which differences."""
    if not comparisons:
        return []
    sentences = []
    for study in dict.fromkeys(comparison.study for comparison in comparisons):
        ours = [comparison for comparison in comparisons if comparison.study == study]
        texts = "; ".join(
            f"{comparison.within} at length {comparison.length} ({_range_and_outside(comparison)})"
            for comparison in ours
        )
        theirs = ours[0].article.seeds
        sentences.append(
            f"{study}, of {len(ours[0].errors)} seeds those within the range of {theirs} seeds of the article's code:"
            f" {texts}. A seed of the same distribution is within with probability {(theirs - 1) / (theirs + 1):.2g}."
        )
    adjusted, _ = holm({place: comparison.p_value for place, comparison in enumerate(comparisons)})
    differing = [
        f"{comparison.study} at length {comparison.length} is {comparison.side} (p {p:.2g})"
        for place, comparison in enumerate(comparisons)
        if (p := adjusted[place]) <= LEVEL
    ]
    test = f"exceedance test, Holm's correction over {len(comparisons)} comparisons, level {LEVEL:g}"
    if differing:
        sentences.append(f"Against the article's seeds, {'; '.join(differing)} ({test}).")
    elif min(comparison.smallest_p_value for comparison in comparisons) * len(comparisons) > LEVEL:
        sentences.append(f"So few seeds cannot show a difference from the article's ({test}): give more --seeds.")
    else:
        sentences.append(
            f"No higher or lower errors than the article's are seen ({test}); that does not make them equal."
        )
    return sentences


def _range_and_outside(comparison: AgainstArticle) -> str:
    counts = ((comparison.below, "below"), (comparison.above, "above"))
    outside = ", ".join(f"{count} {side}" for count, side in counts if count)
    return f"{comparison.article.low:g} to {comparison.article.high:g}" + (f"; {outside}" if outside else "")
