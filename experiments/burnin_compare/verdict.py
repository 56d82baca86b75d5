"""The verdict of a comparison in words; every claim is a test, and states its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from experiments.burnin_compare.comparison import Comparison
from experiments.common.statistics import FEWEST_EPISODES, LEVEL, Contrast, Estimate, is_below
from r2d2_burnin.runtime.formatting import listed, number
from r2d2_burnin.settings import environment_steps

ALARMS = ("LEAK", "NOTHING LEARNED", "NOT LEARNED")
"""How sentences begin that a reader must not miss."""

AT_FLOOR = 0.05
"""A loss is at its error floor where its whole interval lies within this part of it, above it where the whole interval
lies above that."""

NEGLIGIBLE = 1e-9
"""A floor below this is rounding: nothing is hidden."""

EQUAL_ERRORS = 1.25
"""Errors are called equal where the whole interval of their ratio lies within this factor."""

EQUAL_RETURNS = 0.05
"""Returns are called equal where the whole interval of their difference lies within this part of what the reference
earns above its baseline."""


def finding(comparison: Comparison) -> str:
    """The answer in one sentence: what is worse and what is better than the reference, as far as tests say so."""
    task, reference = task_name(comparison), comparison.reference
    if not comparison.runs:
        return f"{task}: no run has finished"
    if comparison.nothing_learned:
        return f"{task}: no run is shown to be better than {_baselines_in_words(comparison)}, so nothing is compared"
    if reference not in comparison.outcomes():
        return f"{task}: {reference}, the reference, has no finished run"
    contrasts = comparison.contrasts()
    tested = [contrast for contrast in contrasts if contrast.is_tested]
    if not tested:
        values = "; ".join(f"{name} {number(value.mean)}" for name, value in _estimates(comparison))
        return f"{task}: {comparison.outcome.name}, not tested for lack of seeds: {values}"
    clauses = [_clause(comparison, word, [c for c in tested if c.direction == word]) for word in ("worse", "better")]
    same = [c.strategy for c in tested if c.direction is None]
    untested = [c.strategy for c in contrasts if not c.is_tested]
    neither = [c.strategy for c in comparison.uncompared()]
    clauses += [
        f"no difference from {reference} is seen for {listed(same)}" if same else "",
        f"not tested for lack of seeds: {listed(untested)}" if untested else "",
        f"not compared with {reference}, as neither learned: {listed(neither)}" if neither else "",
    ]
    return f"{task}: {'; '.join(filter(None, clauses))}"


def _clause(comparison: Comparison, word: str, contrasts: Sequence[Contrast]) -> str:
    """The initializations that are better or worse than the reference, and by how much."""
    if not contrasts:
        return ""
    unit = comparison.outcome.unit
    amounts = [_size(contrast) for contrast in contrasts]
    amounts[0] = f"{amounts[0]} the error" if contrasts[0].is_ratio else f"{unit} {amounts[0]}"
    names = [f"{contrast.strategy} ({amount})" for contrast, amount in zip(contrasts, amounts, strict=True)]
    return f"{listed(names)} {'is' if len(names) == 1 else 'are'} {word} than {comparison.reference}"


def verdict(comparison: Comparison) -> list[str]:
    """Sentences: leaks, what has learned nothing, what limits the comparison, estimates, contrasts, and floors."""
    leaking = leaks(comparison)
    sentences = list(leaking.values())
    estimates = _estimates(comparison)
    if not estimates:
        return [*sentences, "No run has finished, so there is nothing to say."]
    sentences += _learned(comparison)
    sentences += _limits(comparison)
    values = "; ".join(f"{name} {value}" for name, value in estimates)
    interval = "mean over seeds, 95 % t-interval" if len(comparison.seeds) > 1 else "one seed"
    evaluations = min(comparison.outcome.evaluations, comparison.evaluations)
    mean = f", mean over the last {evaluations} evaluations" if evaluations > 1 else ""
    sentences.append(f"{comparison.outcome.name.capitalize()} over whole fresh episodes ({interval}{mean}): {values}.")
    if comparison.baselines():
        sentences.append(f"In the same episodes: {_baselines_in_words(comparison)}.")
    if not comparison.nothing_learned:
        sentences += _contrasts(comparison)
    learned = comparison.learned()
    floors = [
        _against_floor(comparison, name)
        for name, _ in estimates
        if name not in leaking and (not learned[name] or any(learned[name].values()))
    ]
    return sentences + [sentence for sentence in floors if sentence]


def leaks(comparison: Comparison) -> dict[str, str]:
    """Strategies whose loss is below their error floor by more than sampling error, a leak in our code, in words.

    The loss is the one on fresh fragments, never trained on, for which the floor holds; `is_below` tests it.
    """
    sentences = {}
    for name in comparison.strategies:
        if _leaks(comparison, name):
            losses = list(comparison.final(name, "fresh_loss").values())
            errors = list(comparison.final(name, "fresh_loss_standard_error").values())
            error = float(np.sqrt(np.sum(np.square(errors)))) / len(errors)
            sentences[name] = (
                f"LEAK: {name} reached a loss of {number(float(np.mean(losses)))} on fresh fragments, below its error"
                f" floor of {number(comparison.floors[name] or 0.0, digits=4)} by more than sampling error (standard"
                f" error {number(error)}). No predictor can do that: our code shows it what it must not see. Please"
                " report this."
            )
    return sentences


def _leaks(comparison: Comparison, name: str) -> bool | None:
    """Whether a loss is below its floor by more than sampling error; None where too few episodes cannot tell."""
    floor, losses = comparison.floors[name], comparison.final(name, "fresh_loss")
    if not floor or floor < NEGLIGIBLE or not losses:
        return False
    errors = comparison.final(name, "fresh_loss_standard_error")
    episodes = [len(comparison.runs[name, seed].outcomes) for seed in losses]
    return is_below(list(losses.values()), list(errors.values()), episodes, floor)


def task_name(comparison: Comparison) -> str:
    """The environment and its settings."""
    environment = comparison.settings.environment
    kwargs = ", ".join(f"{key}={value}" for key, value in environment.env_kwargs.items())
    return environment.env + (f" ({kwargs})" if kwargs else "")


def _estimates(comparison: Comparison) -> list[tuple[str, Estimate]]:
    estimates = [(name, comparison.estimate(name, comparison.outcome.metric)) for name in comparison.strategies]
    return [(name, value) for name, value in estimates if value is not None]


def _baselines_in_words(comparison: Comparison) -> str:
    """What can be had without having learned anything."""
    texts = [f"{name} {number(value)}" for name, value in comparison.baselines().items()]
    return f"{' and '.join(texts)} ({comparison.outcome.name})"


def _learned(comparison: Comparison) -> list[str]:
    """Runs that are not shown to have learned anything."""
    learned = comparison.learned()
    baselines = _baselines_in_words(comparison)
    if comparison.nothing_learned:
        alarm = f"NOTHING LEARNED: no run is shown to be better than {baselines}."
        if comparison.rewards_are_zero:
            steps = environment_steps(comparison.settings, comparison.settings.updates)
            return [
                f"{alarm} All rewards were zero in the {steps:,} environment steps of a run, so there was nothing to"
                " learn."
            ]
        return [
            alarm,
            "So nothing is compared: differences between agents that have not learned the task say nothing about"
            " initializations. More --updates, another --learning-rate or, in control, another --preset may help.",
            *_reach_of_gradients(comparison),
        ]
    failed = {
        name: [seed for seed, learned_here in by_seed.items() if not learned_here] for name, by_seed in learned.items()
    }
    texts = [f"{name} in {len(seeds)} of {len(learned[name])} seeds" for name, seeds in failed.items() if seeds]
    sentences = [f"NOT LEARNED: {', '.join(texts)}, not shown to be better than {baselines}."] if texts else []
    untestable = comparison.untestable()
    untested = {name for name, _ in untestable}
    if untestable:
        names = [name for name in learned if name in untested]
        sentences.append(
            f"Whether {', '.join(names)} learned anything cannot be tested with {_episodes(max(untestable.values()))}:"
            f" {comparison.episodes_needed} at least are needed for a report of {len(comparison.runs)} runs"
            " (--evaluation-episodes)."
        )
    unknown = [name for name, by_seed in learned.items() if not by_seed and name not in untested]
    if unknown:
        sentences.append(f"Whether {', '.join(unknown)} learned anything is not known: no baseline was measured.")
    return sentences


def _reach_of_gradients(comparison: Comparison) -> list[str]:
    """Why steps that belong together may not be learned: no fragment has both of them."""
    steps = comparison.settings.replay.sequence_length
    if max((run.longest_start or 0 for run in comparison.runs.values()), default=0) == 0:
        return []
    return [
        f"Episodes are longer than a fragment, and gradients reach back no further than its {steps} trained steps: what"
        " counts only more steps later than that is hard to learn. A longer --sequence-length may help."
    ]


def _limits(comparison: Comparison) -> list[str]:
    """What the comparison cannot show, whatever its figures."""
    sentences = []
    same = comparison.cannot_differ()
    if same:
        longest = max(run.longest_start or 0 for run in comparison.runs.values())
        why = (
            "every episode fits in one fragment"
            if longest == 0
            else f"burn-in reaches the first step of every episode (the last fragment starts at step {longest})"
        )
        sentences.append(f"By construction {', '.join(same)} cannot differ from full but by rounding: {why}.")
    if comparison.streams_differ():
        sentences.append(
            "The initializations saw different streams, as observations depend on actions here: differences include"
            " those of experience, not of the start state alone."
        )
    untested = [name for name in comparison.strategies if _leaks(comparison, name) is None]
    if untested:
        episodes = min(len(run.outcomes) for (name, _), run in comparison.runs.items() if name in untested)
        sentences.append(
            f"Whether the loss of {', '.join(untested)} is below its error floor, which would be a leak in our code,"
            f" cannot be tested with {_episodes(episodes)}: {FEWEST_EPISODES} at least are needed"
            " (--evaluation-episodes)."
        )
    if len(comparison.seeds) == 1:
        sentences.append("One seed gives no interval and no test of initializations: differences are observations.")
    return sentences


def _episodes(count: int) -> str:
    return "1 evaluation episode" if count == 1 else f"{count} evaluation episodes"


def _contrasts(comparison: Comparison) -> list[str]:
    if comparison.reference not in comparison.outcomes():
        return [f"{comparison.reference} has no finished run, so nothing is compared with it."]
    contrasts = comparison.contrasts()
    sentences = [contrast_sentence(comparison, contrast) for contrast in contrasts]
    neither = comparison.uncompared()
    sentences += [
        f"{contrast.strategy} and {contrast.reference} are not compared: neither is shown to have learned anything."
        for contrast in neither
    ]
    if any(contrast.is_tested for contrast in contrasts):
        tested, total = sum(contrast.is_tested for contrast in (*contrasts, *neither)), comparison.tests_of_the_report()
        number = f"{tested} in all" if tested == total else f"{tested} of the {total} of this report"
        what = "logarithms of ratios (so ratios are geometric means)" if contrasts[0].is_ratio else "differences"
        sentences.append(
            f"Tests: paired t-tests over seeds of {what} against {comparison.reference}, {number}, with Holm's"
            " correction, by which intervals are widened too. If all initializations were the same, at most 1 report"
            " in 20 would say better or worse (outcomes over seeds not far from normal). With 3 seeds it is up to 14 %"
            " with 10 to 30 initializations where a fifth of the runs fail, and up to 21 % where half of them do"
            " (python -m experiments.benchmark calibration)."
        )
    return sentences


def contrast_sentence(comparison: Comparison, contrast: Contrast, *, margin: bool = True) -> str:
    """One initialization against the reference, in words; `margin`: whether it may be called equal within one."""
    name, reference = contrast.strategy, contrast.reference
    if contrast.seeds == 0:
        return f"{name} and {reference} have no seed in common, so they are not compared."
    amount = _amount(comparison, contrast)
    if not contrast.is_tested:
        seeds = "one common seed" if contrast.seeds == 1 else f"{contrast.seeds} common seeds"
        return f"{name} against {reference}: {amount} ({seeds}, no test)."
    seen = "no difference seen" if contrast.direction is None else contrast.direction
    equal = _equality(comparison, contrast) if margin else ""
    return f"{name} against {reference}: {seen}, {amount} (p {p_text(contrast.p)}){equal}."


def _equality(comparison: Comparison, contrast: Contrast) -> str:
    """Whether the whole interval lies within a margin, and what that leaves open."""
    margin, text = _margin(comparison, contrast)
    if margin is None or not contrast.within(margin):
        return ""
    missed = 1 - LEVEL ** (1 / contrast.seeds)
    what = "equal within" if contrast.direction is None else "but by less than"
    return f"; {what} {text} (failures in up to {missed:.0%} of seeds are not ruled out)"


def _amount(comparison: Comparison, contrast: Contrast) -> str:
    known = math.isfinite(contrast.low)
    if contrast.is_ratio:
        interval = f" [{ratio_text(contrast.low)}, {ratio_text(contrast.high)}]" if known else ""
        zeros = ", with an error of zero counted as half of the smallest above it" if contrast.has_zeros else ""
        return f"{ratio_text(contrast.estimate)} times the error{interval}{zeros}"
    low, high = (number(end, signed=True) for end in (contrast.low, contrast.high))
    interval = f" [{low}, {high}]" if known else ""
    return f"{comparison.outcome.unit} {_size(contrast)}{interval}"


def _margin(comparison: Comparison, contrast: Contrast) -> tuple[float | None, str]:
    """The margin of equality, in the unit of the contrast, and in words."""
    if contrast.is_ratio:
        return math.log(EQUAL_ERRORS), f"a factor of {EQUAL_ERRORS:g}"
    reference = comparison.estimate(contrast.reference, comparison.outcome.metric)
    baselines = list(comparison.baseline(contrast.reference).values())
    if reference is None or not baselines:
        return None, ""
    margin = EQUAL_RETURNS * (reference.mean - sum(baselines) / len(baselines))
    return (
        margin if margin > 0 else None,
        f"{number(margin)}, {EQUAL_RETURNS:.0%} of what {contrast.reference} earns above the baseline",
    )


def _size(contrast: Contrast) -> str:
    return f"{ratio_text(contrast.estimate)} times" if contrast.is_ratio else number(contrast.estimate, signed=True)


def contrast_cell(contrast: Contrast) -> str:
    """One initialization against the reference, for a table: direction, size, and the interval on a second line."""
    if contrast.seeds == 0:
        return "-"
    if not contrast.is_tested:
        return f"not tested, {_size(contrast)}"
    ends = (ratio_text(end) if contrast.is_ratio else number(end, signed=True) for end in (contrast.low, contrast.high))
    interval = f"\n[{' to '.join(ends)}]" if math.isfinite(contrast.low) else ""
    return f"{contrast.direction or 'no difference seen'}, {_size(contrast)}{interval}"


def ratio_text(logarithm: float) -> str:
    """A ratio, from its logarithm."""
    return number(math.exp(min(logarithm, 700.0)))


def p_text(p: float) -> str:
    """A p-value."""
    return "below 0.001" if p < 0.001 else f"{p:.2g}"


def _against_floor(comparison: Comparison, name: str) -> str | None:
    floor, loss = comparison.floors[name], comparison.estimate(name, "fresh_loss")
    if not floor or floor < NEGLIGIBLE or loss is None:
        return None
    measured = f"loss {loss} on fresh fragments, floor {number(floor, digits=4)}"
    if loss.low is None or loss.high is None:
        return f"{name}: {measured}; one seed has no interval to compare with the floor."
    margin = AT_FLOOR * floor
    if loss.low > floor + margin:
        return f"{name} stays above its error floor by more than {AT_FLOOR:.0%}: {measured}."
    if floor - margin <= loss.low and loss.high <= floor + margin:
        return (
            f"{name} is at its error floor, within {AT_FLOOR:.0%}: {measured}. No training can make up for what it does"
            " not see."
        )
    if loss.high < floor - margin:
        return f"{name} is below its error floor, but by less than a test for leaks needs: {measured}."
    return f"{name} is not shown to differ from its error floor by more than {AT_FLOOR:.0%}: {measured}."
