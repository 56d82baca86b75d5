"""The verdict of a comparison in words; every claim is a test, and states its interval."""

from __future__ import annotations

import math

from experiments.common.comparison import Comparison, leaks
from experiments.common.statistics import Contrast, Estimate

AT_FLOOR = 0.05
"""A loss within this part of its error floor is said to be at it."""

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
    contrasts = comparison.contrasts()
    if not contrasts:
        return f"{task}: too few finished runs to compare"
    if nothing_learned(comparison):
        return f"{task}: no initialization has learned the task, so there is nothing to compare"
    if max(contrast.seeds for contrast in contrasts) < 2:
        values = "; ".join(f"{name} {value.mean:.3g}" for name, value in _estimates(comparison))
        return f"{task}: {comparison.outcome.name} of one seed, {values}"
    groups = {
        f"worse than {reference}": [_short(c) for c in contrasts if c.direction == "worse"],
        f"better than {reference}": [_short(c) for c in contrasts if c.direction == "better"],
        f"no difference from {reference} seen": [c.strategy for c in contrasts if c.direction is None],
    }
    return f"{task}: " + "; ".join(f"{what}: {', '.join(names)}" for what, names in groups.items() if names)


def verdict(comparison: Comparison) -> list[str]:
    """Sentences: leaks, what has learned nothing, what limits the comparison, estimates, contrasts, and floors."""
    sentences = leaks(comparison)
    estimates = _estimates(comparison)
    if not estimates:
        return [*sentences, "No run has finished, so there is nothing to say."]
    sentences += _learned(comparison)
    sentences += _limits(comparison)
    values = "; ".join(f"{name} {value}" for name, value in estimates)
    interval = "mean over seeds, 95 % t-interval" if len(comparison.seeds) > 1 else "one seed"
    mean = f", mean over the last {comparison.outcome.evaluations} evaluations"
    mean = mean if comparison.outcome.evaluations > 1 else ""
    sentences.append(f"{comparison.outcome.name.capitalize()} over whole fresh episodes ({interval}{mean}): {values}.")
    sentences += _baselines(comparison)
    if not nothing_learned(comparison):
        sentences += _contrasts(comparison)
    return sentences + [sentence for name, _ in estimates if (sentence := _against_floor(comparison, name))]


def nothing_learned(comparison: Comparison) -> bool:
    """Whether no initialization is better than the baseline."""
    learned = comparison.learned()
    return bool(learned) and all(one is False for one in learned.values())


def task_name(comparison: Comparison) -> str:
    """The environment and its settings."""
    environment = comparison.settings.environment
    kwargs = ", ".join(f"{key}={value}" for key, value in environment.env_kwargs.items())
    return environment.env + (f" ({kwargs})" if kwargs else "")


def _estimates(comparison: Comparison) -> list[tuple[str, Estimate]]:
    found = [(name, comparison.estimate(name, comparison.outcome.metric)) for name in comparison.strategies]
    return [(name, value) for name, value in found if value is not None]


def _learned(comparison: Comparison) -> list[str]:
    """What has not been shown to have learned anything."""
    outcome = comparison.outcome
    learned = comparison.learned()
    failed = [name for name, one in learned.items() if one is False]
    sentences = []
    if failed:
        baselines = [value for name in failed for value in comparison.baseline(name).values()]
        beside = f"{outcome.baseline} ({outcome.name} {sum(baselines) / len(baselines):.3g})"
        subject = "No initialization" if nothing_learned(comparison) else f"Of the initializations, {', '.join(failed)}"
        verb = "is" if nothing_learned(comparison) or len(failed) == 1 else "are"
        negation = "" if nothing_learned(comparison) else " not"
        sentences.append(f"NOTHING LEARNED: {subject} {verb}{negation} shown to be better than {beside}.")
        if nothing_learned(comparison):
            sentences.append(
                "So nothing is compared: differences between agents that have not learned the task say nothing about"
                " initializations. More --updates, another --learning-rate or, in control, another --preset may help."
            )
    unknown = [name for name, one in learned.items() if one is None]
    if unknown:
        sentences.append(f"Whether {', '.join(unknown)} learned anything is not known: no baseline was measured.")
    return sentences


def _baselines(comparison: Comparison) -> list[str]:
    """What can be had without having learned anything."""
    runs = list(comparison.runs.values())
    found = {
        "random actions": [value for name in comparison.strategies for value in _random(comparison, name)],
        "the best constant action": [run.constant_return for run in runs if run.constant_return is not None],
        "the best constant answer": [run.constant_error for run in runs if run.constant_error is not None],
    }
    told = [f"{what} {sum(values) / len(values):.3g}" for what, values in found.items() if values]
    return [f"In the same episodes, {comparison.outcome.name} of {' and of '.join(told)}."] if told else []


def _random(comparison: Comparison, name: str) -> list[float]:
    return list(comparison.final(name, "random_return").values())


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
    if len(comparison.seeds) == 1:
        sentences.append("One seed gives no interval and no test: every difference is a single observation.")
    return sentences


def _contrasts(comparison: Comparison) -> list[str]:
    if comparison.reference not in comparison.outcomes():
        return [f"{comparison.reference} has no finished run, so nothing is compared with it."]
    contrasts = comparison.contrasts()
    sentences = [contrast_sentence(comparison, contrast) for contrast in contrasts]
    tested = sum(contrast.seeds > 1 for contrast in contrasts)
    if tested:
        what = "logarithms of ratios" if contrasts[0].is_ratio else "differences"
        sentences.append(
            f"Tests: paired t-tests over seeds of {what} against {comparison.reference}, {tested} in all, with Holm's"
            " correction: of reports on identical initializations 5 % contain a direction. Few seeds cannot rule out"
            " what happens in few of them."
        )
    return sentences


def contrast_sentence(comparison: Comparison, contrast: Contrast) -> str:
    """One initialization against the reference, in words."""
    name, reference = contrast.strategy, contrast.reference
    if contrast.seeds == 0:
        return f"{name} and {reference} have no seed in common, so they are not compared."
    amount = _amount(comparison, contrast)
    if contrast.seeds == 1:
        return f"{name} against {reference}: {amount} (one common seed, no test)."
    margin, within = _margin(comparison, contrast)
    equal = f"; equal within {within}" if margin is not None and contrast.within(margin) else ""
    if contrast.direction is None:
        return f"{name} against {reference}: no difference seen, {amount} (p {_p(contrast.p)}){equal}."
    return f"{name} against {reference}: {contrast.direction}, {amount} (p {_p(contrast.p)}){equal}."


def _amount(comparison: Comparison, contrast: Contrast) -> str:
    known = contrast.seeds > 1 and math.isfinite(contrast.low)
    if contrast.is_ratio:
        interval = f" [{_exp(contrast.low)}, {_exp(contrast.high)}]" if known else ""
        return f"{_exp(contrast.estimate)} times the error{interval}"
    interval = f" [{contrast.low:+.3g}, {contrast.high:+.3g}]" if known else ""
    return f"{comparison.outcome.unit} {contrast.estimate:+.3g}{interval}"


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
        f"{margin:.3g}, {EQUAL_RETURNS:.0%} of what {contrast.reference} earns above the baseline",
    )


def _short(contrast: Contrast) -> str:
    amount = f"{_exp(contrast.estimate)}x" if contrast.is_ratio else f"{contrast.estimate:+.3g}"
    return f"{contrast.strategy} ({amount})"


def _exp(logarithm: float) -> str:
    return f"{math.exp(min(logarithm, 700.0)):.3g}"


def _p(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"{p:.2g}"


def _against_floor(comparison: Comparison, name: str) -> str | None:
    floor, loss = comparison.floors[name], comparison.estimate(name, "fresh_loss")
    if not floor or floor < NEGLIGIBLE or loss is None:
        return None
    measured = f"loss {loss} on fresh fragments, floor {floor:.4g}"
    if abs(loss.mean - floor) <= AT_FLOOR * floor:
        return f"{name} is at its error floor: {measured}. No training can make up for what it does not see."
    side = "below" if loss.mean < floor else "above"
    return f"{name} stays {side} its error floor: {measured}."
