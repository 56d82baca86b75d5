"""What an audit says: a verdict on each fault, and how stale the stored states are. No network, no picture."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any, Literal

from r2d2_burnin.runtime.formatting import NEGLIGIBLE, number


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether one fault was found."""

    fault: str  # its name, as in `faults`
    title: str  # what it is, in a few words
    status: Literal["found", "ruled out", "undecided"]
    sequences: int  # that are concerned
    tested: int  # that could be concerned
    estimated: bool  # whether `sequences` is extrapolated from a random subset
    examples: tuple[int, ...]  # numbers of the first sequences concerned, from 0
    reason: str  # the evidence, or why there is none
    needs: tuple[str, ...] = ()  # arrays that would decide it

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        text = f"{self.title}: {self.status}"
        if self.status == "found":
            about = "about " if self.estimated else ""
            places = ", ".join(map(str, self.examples))
            more = ", .." if self.sequences > len(self.examples) else ""
            text += f" in {about}{self.sequences} of {self.tested} sequences ({places}{more})"
        text += f". {self.reason}"
        if self.needs:
            text += f" What would decide it: {' and '.join(self.needs)}."
        return text


@dataclasses.dataclass(frozen=True)
class AgeGroup:
    """ΔQ of stored states of about one age."""

    youngest: float | None  # age in updates; None where the ages are unknown
    oldest: float | None
    sequences: int
    first: float  # mean ΔQ at the first step, without burn-in
    first_low: float  # .. 95 % t-interval
    first_high: float
    last: float  # mean ΔQ at the last step
    last_low: float
    last_high: float

    @property
    def ages(self) -> str:
        """The ages in words, in updates."""
        if self.youngest is None or self.oldest is None:
            return "unknown"
        return f"{self.youngest:g}" if self.youngest == self.oldest else f"{self.youngest:g} to {self.oldest:g}"

    @property
    def first_text(self) -> str:
        """ΔQ at the first step, with its interval where it has a width."""
        interval = f" [{number(max(self.first_low, 0.0))}, {number(self.first_high)}]"
        return number(self.first) + (interval if self.first_high - self.first_low >= NEGLIGIBLE else "")


@dataclasses.dataclass(frozen=True)
class BurnInCurve:
    """ΔQ after each burn-in, over the sequences measured."""

    start: Literal["stored", "zero"]
    burn_in: tuple[int, ...]  # steps, k
    mean: tuple[float, ...]  # ΔQ at the first trained step, k
    upper: tuple[float, ...]  # its one-sided 95 % upper bound
    q95: tuple[float, ...]  # 95 % quantile over sequences


@dataclasses.dataclass(frozen=True)
class Staleness:
    """How far stored states are from what they are compared with, and how long a burn-in mends it."""

    reference: Literal["exact", "stored"]  # the state from the episode's first step, or the stored state itself
    sequences: int  # measured
    episodes: int | None  # that these belong to; None where it is unknown
    groups: tuple[AgeGroup, ...]
    curves: tuple[BurnInCurve, ...]
    tolerance: float
    start: Literal["stored", "zero"]  # what the advised burn-in starts from
    advised: int | None  # steps; None where no burn-in that was tried is enough
    longest: int  # longest burn-in that was tried
    given: int | None  # steps of burn-in that the replay has
    length: int  # steps of a sequence
    seconds_per_step: float  # of a forward pass of one sequence, measured in this audit
    bytes_per_step: int  # of an observation

    @property
    def sentence(self) -> str:
        """The measures and the advice in words."""
        return " ".join([*self._measures(), self._advice(), *self._given()])

    def _measures(self) -> list[str]:
        if self.reference == "stored":
            return []
        young, old = self.groups[0], self.groups[-1]
        of = f"over {self.sequences} sequences" + (f" of {self.episodes} episodes" if self.episodes else "")
        text = (
            f"Staleness: ΔQ of stored states against the exact state is {young.first_text} at the first and"
            f" {number(young.last)} at the last step"
        )
        if young.oldest is not None:
            text += f" for ages of {young.ages} updates"
        if old is not young:
            text += f", and {old.first_text} and {number(old.last)} for ages of {old.ages}"
        return [f"{text} ({of})."]

    def _advice(self) -> str:
        what = "the exact state" if self.reference == "exact" else "the stored state"
        if self.advised is None:
            curve = next(curve for curve in self.curves if curve.start == self.start)
            return (
                f"No burn-in of up to {self.longest} steps from the {self.start} state brings ΔQ against {what} within"
                f" {self.tolerance:g}: after {curve.burn_in[-1]} steps its mean is {curve.mean[-1]:.3g}."
            )
        if self.advised == 0:
            return f"No burn-in is needed: from the {self.start} state ΔQ is within {self.tolerance:g} from the start."
        trained = self.length - self.advised
        cost = f"{100 * self.advised / trained:.0f} % more processed steps for each trained one" if trained else ""
        return (
            f"Advised burn-in: {self.advised} steps from the {self.start} state (then the 95 % upper bound of ΔQ's mean"
            f" and its 95 % quantile, against {what}, are within {self.tolerance:g}). It costs {cost} if sequences stay"
            f" {self.length} steps long, {1e3 * self.advised * self.seconds_per_step:.3g} ms of forward passes and"
            f" {self.advised * self.bytes_per_step} bytes of observations a sequence."
        )

    def _given(self) -> list[str]:
        """What the replay's own burn-in leaves."""
        curve = next(curve for curve in self.curves if curve.start == self.start)
        if not self.given or self.given not in curve.burn_in:
            return []
        value = curve.mean[curve.burn_in.index(self.given)]
        return [f"The burn-in of {self.given} steps that this replay has leaves a mean of {value:.3g}."]


@dataclasses.dataclass(frozen=True)
class AuditResult:
    """What was found in a replay."""

    sequences: int  # N
    length: int  # L, steps of each, padding included
    verdicts: tuple[Verdict, ...]
    staleness: Staleness | None
    notes: tuple[str, ...]  # what else was seen
    steps_unrolled: int  # steps that the network was called on
    unjudged: int = 0  # sequences whose stored states the arrays cannot show to be right or wrong

    @property
    def found(self) -> tuple[Verdict, ...]:
        """The faults that were found."""
        return self._with("found")

    @property
    def undecided(self) -> tuple[Verdict, ...]:
        """The faults that these arrays cannot decide."""
        return self._with("undecided")

    @property
    def ruled_out(self) -> tuple[Verdict, ...]:
        """The faults that these arrays rule out."""
        return self._with("ruled out")

    def _with(self, status: str) -> tuple[Verdict, ...]:
        return tuple(verdict for verdict in self.verdicts if verdict.status == status)

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        checked = f"of {len(self.verdicts)} looked for in {self.sequences} sequences of {self.length} steps"
        undecided = f", {len(self.undecided)} undecided" if self.undecided else ""
        if self.unjudged:
            undecided += f" (the stored states of {self.unjudged} sequences cannot be judged)"
        if not self.found:
            return f"No fault found {checked}{undecided}."
        parts = []
        for verdict in self.found:
            about = "about " if verdict.estimated else ""
            parts.append(f"{verdict.title[0].lower()}{verdict.title[1:]} ({about}{verdict.sequences} sequences)")
        return f"{len(self.found)} fault{'s' * (len(parts) > 1)} found {checked}{undecided}: {'; '.join(parts)}."

    @property
    def sentences(self) -> tuple[str, ...]:
        """The whole result in words: faults found, staleness, what is undecided, what is ruled out."""
        lines = [self.sentence, *(verdict.sentence for verdict in self.found)]
        if self.staleness is not None:
            lines.append(self.staleness.sentence)
        lines += [*self.notes, *(verdict.sentence for verdict in self.undecided)]
        if self.ruled_out:
            names = "; ".join(f"{verdict.title[0].lower()}{verdict.title[1:]}" for verdict in self.ruled_out)
            lines.append(f"Ruled out{' beside what was found' if self.found else ''}: {names}.")
        return tuple(lines)

    def to_json(self) -> dict[str, Any]:
        """All numbers and sentences, as JSON has them; null where a number is not finite."""
        content = dataclasses.asdict(self)
        for verdict, own in zip(content["verdicts"], self.verdicts, strict=True):
            verdict["sentence"] = own.sentence
        if self.staleness is not None:
            content["staleness"]["sentence"] = self.staleness.sentence
        whole: dict[str, Any] = _finite({"sentence": self.sentence, **content})
        return whole

    def write_json(self, path: Path) -> None:
        """Write `to_json` to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
