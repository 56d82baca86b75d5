"""The verdict of a comparison in words; every claim states its interval."""

from __future__ import annotations

from experiments.common.comparison import Comparison, error_floor, leaks
from experiments.common.statistics import Estimate, paired_difference

AT_FLOOR = 0.05
"""A loss within this part of its error floor is said to be at it."""

NEGLIGIBLE = 1e-9
"""A floor below this is rounding: nothing is hidden."""


def finding(comparison: Comparison) -> str:
    """One sentence: the best and the worst strategy."""
    ranked = _ranked(comparison)
    if len(ranked) < 2:
        return f"{_task(comparison)}: too few finished runs to compare"
    (best, best_value), (worst, worst_value) = ranked[0], ranked[-1]
    told = f"{worst_value.mean:.3g} from {worst}, {best_value.mean:.3g} from {best}"
    return f"{_task(comparison)}: {comparison.outcome.name} {told}"


def verdict(comparison: Comparison) -> list[str]:
    """Sentences: leaks first, then the ranking, floors, and what each strategy costs against the reference."""
    ranked = _ranked(comparison)
    sentences = leaks(comparison)
    if not ranked:
        return [*sentences, "No run has finished, so there is nothing to say."]
    order = "; ".join(f"{name} {value}" for name, value in ranked)
    sentences.append(
        f"Whole-episode {comparison.outcome.name}, best first (mean over seeds, 95 % bootstrap interval): {order}."
    )
    sentences += _against_random(comparison, [name for name, _ in ranked])
    sentences += [sentence for name, _ in ranked if (sentence := _against_floor(comparison, name))]
    reference = "full" if any(name == "full" for name, _ in ranked) else ranked[0][0]
    sentences += [_against(comparison, name, reference) for name, _ in ranked if name != reference]
    names = [name for name, _ in ranked]
    burned_in = [name for name in names if name.startswith("zero+")]
    if burned_in and "stored" in names:
        sentences.append(_against(comparison, burned_in[-1], "stored"))
    if len(comparison.seeds) == 1:
        sentences.append("One seed gives no interval: read every difference as one observation.")
    elif len(comparison.seeds) < 5:
        sentences.append(
            f"Intervals from {len(comparison.seeds)} seeds are too narrow: give --seeds 5 before you rely on one."
        )
    return sentences


def _ranked(comparison: Comparison) -> list[tuple[str, Estimate]]:
    outcome = comparison.outcome
    found = [(name, comparison.estimate(name, outcome.metric)) for name in comparison.strategies]
    known = [(name, value) for name, value in found if value is not None]
    return sorted(known, key=lambda pair: pair[1].mean, reverse=outcome.higher_is_better)


def _against_random(comparison: Comparison, names: list[str]) -> list[str]:
    """Which strategies learned anything: their return against that of random actions in the same episodes."""
    differences = {
        name: paired_difference(comparison.final(name, "episode_return"), comparison.final(name, "random_return"))
        for name in names
    }
    found = {name: difference for name, difference in differences.items() if difference is not None}
    if not found:
        return []
    told = "; ".join(f"{name} {'+' if d.mean >= 0 else ''}{d}" for name, d in found.items())
    return [f"Return above random actions in the same episodes: {told}."]


def _against_floor(comparison: Comparison, name: str) -> str | None:
    floor, loss = error_floor(comparison.settings, name), comparison.estimate(name, "fresh_loss")
    if not floor or floor < NEGLIGIBLE or loss is None:
        return None
    if abs(loss.mean - floor) <= AT_FLOOR * floor:
        return (
            f"{name} sits at its error floor: loss {loss} on fresh fragments, floor {floor:.4g}. What it cannot see, no"
            " training makes up for."
        )
    if loss.mean < floor:
        return f"{name} is below its error floor: loss {loss} on fresh fragments, floor {floor:.4g}."
    return f"{name} stays above its error floor: loss {loss} on fresh fragments, floor {floor:.4g}."


def _against(comparison: Comparison, name: str, reference: str) -> str:
    outcome = comparison.outcome
    mine, others = comparison.final(name, outcome.metric), comparison.final(reference, outcome.metric)
    more, less = paired_difference(mine, others), paired_difference(others, mine)
    a, b = comparison.estimate(name, outcome.metric), comparison.estimate(reference, outcome.metric)
    if more is None or less is None or a is None or b is None:
        return f"{name} and {reference} have no seed in common, so they are not compared."
    times = f", {a.mean / b.mean:.3g} times as much" if b.mean > 0 and not outcome.higher_is_better else ""
    if more.low is None or more.high is None:
        return f"{name} against {reference}, paired by seed: {more} (one seed, no interval){times}."
    if more.low <= 0 <= more.high:
        return f"{name} against {reference}, paired by seed: no difference seen ({more})."
    word, difference = ("more", more) if more.mean > 0 else ("less", less)
    return f"{name} against {reference}, paired by seed: {word} {outcome.unit}, by {difference}{times}."


def _task(comparison: Comparison) -> str:
    environment = comparison.settings.environment
    kwargs = ", ".join(f"{key}={value}" for key, value in environment.env_kwargs.items())
    return environment.env + (f" ({kwargs})" if kwargs else "")
