"""The verdict of a comparison in words; every claim is a test, and states its interval."""

from __future__ import annotations

import math

import numpy as np

from experiments.burnin_compare.comparison import Comparison
from experiments.common.statistics import LEVEL, Contrast, Estimate

ALARMS = ("LEAK", "NOTHING LEARNED", "NOT LEARNED")
"""How sentences begin that a reader must not miss."""

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
    if not comparison.runs:
        return f"{task}: no run has finished"
    if nothing_learned(comparison):
        return f"{task}: no run is shown to be better than {_baselines_in_words(comparison)}, so nothing is compared"
    if reference not in comparison.outcomes():
        return f"{task}: {reference}, the reference, has no finished run"
    contrasts = comparison.contrasts()
    tested = [contrast for contrast in contrasts if contrast.is_tested]
    if not tested:
        values = "; ".join(f"{name} {value.mean:.3g}" for name, value in _estimates(comparison))
        return f"{task}: {comparison.outcome.name}, not tested for lack of seeds: {values}"
    groups = {
        f"worse than {reference}": [_short(c) for c in tested if c.direction == "worse"],
        f"better than {reference}": [_short(c) for c in tested if c.direction == "better"],
        f"no difference from {reference} seen": [c.strategy for c in tested if c.direction is None],
        "not tested for lack of seeds": [c.strategy for c in contrasts if not c.is_tested],
    }
    return f"{task}: " + "; ".join(f"{what}: {', '.join(names)}" for what, names in groups.items() if names)


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
    mean = f", mean over the last {comparison.outcome.evaluations} evaluations"
    mean = mean if comparison.outcome.evaluations > 1 else ""
    sentences.append(f"{comparison.outcome.name.capitalize()} over whole fresh episodes ({interval}{mean}): {values}.")
    if comparison.baselines():
        sentences.append(f"In the same episodes: {_baselines_in_words(comparison)}.")
    if not nothing_learned(comparison):
        sentences += _contrasts(comparison)
    floors = [_against_floor(comparison, name) for name, _ in estimates if name not in leaking]
    return sentences + [sentence for sentence in floors if sentence]


def leaks(comparison: Comparison) -> dict[str, str]:
    """Strategies whose loss is below their error floor by more than sampling error, a leak in our code, in words.

    The loss is the one on fresh fragments, never trained on, for which the floor holds; four standard errors of it
    (over episodes and seeds) make a leak.
    """
    sentences = {}
    for name in comparison.strategies:
        floor = comparison.floors[name]
        losses = list(comparison.final(name, "fresh_loss").values())
        errors = list(comparison.final(name, "fresh_loss_standard_error").values())
        if not floor or not losses or not errors:
            continue
        loss, error = float(np.mean(losses)), float(np.sqrt(np.sum(np.square(errors)))) / len(errors)
        if loss < floor - 4 * error:
            sentences[name] = (
                f"LEAK: {name} reached a loss of {loss:.4g} on fresh fragments, below its error floor of {floor:.4g} by"
                f" more than sampling error ({error:.2g}). No predictor can do that: our code shows it what it must not"
                " see. Please report this."
            )
    return sentences


def nothing_learned(comparison: Comparison) -> bool:
    """Whether no run is shown to be better than its baseline, though there is one."""
    runs = [learned for by_seed in comparison.learned().values() for learned in by_seed.values()]
    return bool(runs) and not any(runs)


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
    texts = [f"{name} {value:.3g}" for name, value in comparison.baselines().items()]
    return f"{' and '.join(texts)} ({comparison.outcome.name})"


def _learned(comparison: Comparison) -> list[str]:
    """Runs that are not shown to have learned anything."""
    learned = comparison.learned()
    baselines = _baselines_in_words(comparison)
    if nothing_learned(comparison):
        return [
            f"NOTHING LEARNED: no run is shown to be better than {baselines}.",
            "So nothing is compared: differences between agents that have not learned the task say nothing about"
            " initializations. More --updates, another --learning-rate or, in control, another --preset may help.",
        ]
    failed = {
        name: [seed for seed, learned_here in by_seed.items() if not learned_here] for name, by_seed in learned.items()
    }
    texts = [f"{name} in {len(seeds)} of {len(learned[name])} seeds" for name, seeds in failed.items() if seeds]
    sentences = [f"NOT LEARNED: {', '.join(texts)}, not shown to be better than {baselines}."] if texts else []
    unknown = [name for name, by_seed in learned.items() if not by_seed]
    if unknown:
        sentences.append(f"Whether {', '.join(unknown)} learned anything is not known: no baseline was measured.")
    return sentences


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
        sentences.append("One seed gives no interval and no test of initializations: differences are observations.")
    return sentences


def _contrasts(comparison: Comparison) -> list[str]:
    if comparison.reference not in comparison.outcomes():
        return [f"{comparison.reference} has no finished run, so nothing is compared with it."]
    contrasts = comparison.contrasts()
    sentences = [contrast_sentence(comparison, contrast) for contrast in contrasts]
    tested = sum(contrast.is_tested for contrast in contrasts)
    if tested:
        what = "logarithms of ratios (so ratios are geometric means)" if contrasts[0].is_ratio else "differences"
        sentences.append(
            f"Tests: paired t-tests over seeds of {what} against {comparison.reference}, {tested} in all, with Holm's"
            " correction; each interval is at the level of its test. Where outcomes over seeds are not far from normal,"
            " at most 5 % of reports on identical initializations contain a direction; where runs either succeed or"
            " fail, few seeds give more."
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
    return f"{name} against {reference}: {seen}, {amount} (p {_p(contrast.p)}){equal}."


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
        interval = f" [{_exp(contrast.low)}, {_exp(contrast.high)}]" if known else ""
        zeros = ", with an error of zero counted as half of the smallest above it" if contrast.has_zeros else ""
        return f"{_exp(contrast.estimate)} times the error{interval}{zeros}"
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
    value = float(f"{math.exp(min(logarithm, 700.0)):.3g}")
    return f"{value:,.0f}" if 1e3 <= value < 1e6 else f"{value:.3g}"


def _p(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"{p:.2g}"


def _against_floor(comparison: Comparison, name: str) -> str | None:
    floor, loss = comparison.floors[name], comparison.estimate(name, "fresh_loss")
    if not floor or floor < NEGLIGIBLE or loss is None:
        return None
    measured = f"loss {loss} on fresh fragments, floor {floor:.4g}"
    if abs(loss.mean - floor) <= AT_FLOOR * floor:
        return f"{name} is at its error floor: {measured}. No training can make up for what it does not see."
    if loss.mean < floor:
        return f"{name} is below its error floor by less than sampling error: {measured}."
    if loss.low is not None and loss.low > floor:
        return f"{name} stays above its error floor: {measured}."
    return f"{name} is not shown to differ from its error floor: {measured}."
