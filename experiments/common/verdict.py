"""The verdict of a comparison in words; every claim states its interval."""

from __future__ import annotations

from experiments.common.comparison import ERROR_NAMES, Comparison, error_floor, leaks
from experiments.common.statistics import Estimate, paired_difference

AT_FLOOR = 0.05
"""A loss within this part of its error floor is said to be at it."""

NEGLIGIBLE = 1e-9
"""A floor below this is rounding: nothing is hidden."""


def finding(comparison: Comparison) -> str:
    """One sentence: the best and the worst strategy."""
    ranked = _ranked(comparison)
    if len(ranked) < 2:
        return f"{comparison.settings.env}: too few finished runs to compare"
    (best, best_error), (worst, worst_error) = ranked[0], ranked[-1]
    error = ERROR_NAMES[comparison.settings.objective]
    return f"{_task(comparison)}: {error} {worst_error.mean:.3g} from {worst}, {best_error.mean:.3g} from {best}"


def verdict(comparison: Comparison) -> list[str]:
    """Sentences: leaks first, then the ranking, floors, and what each strategy costs against the reference."""
    ranked = _ranked(comparison)
    sentences = leaks(comparison)
    if not ranked:
        return [*sentences, "No run has finished, so there is nothing to say."]
    error = ERROR_NAMES[comparison.settings.objective]
    order = "; ".join(f"{name} {value}" for name, value in ranked)
    sentences.append(f"Whole-episode {error}, best first (mean over seeds, 95 % bootstrap interval): {order}.")
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
    found = [(name, comparison.estimate(name, "eval_error")) for name in comparison.strategies]
    return sorted(((name, value) for name, value in found if value is not None), key=lambda pair: pair[1].mean)


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
    difference = paired_difference(comparison.final(name, "eval_error"), comparison.final(reference, "eval_error"))
    a, b = comparison.estimate(name, "eval_error"), comparison.estimate(reference, "eval_error")
    if difference is None or a is None or b is None:
        return f"{name} and {reference} have no seed in common, so they are not compared."
    times = f", {a.mean / b.mean:.3g} times as much" if b.mean > 0 else ""
    if difference.low is None or difference.high is None:
        return f"{name} against {reference}, paired by seed: {difference} (one seed, no interval){times}."
    if difference.low <= 0 <= difference.high:
        return f"{name} against {reference}, paired by seed: no difference seen ({difference})."
    word = "more" if difference.mean > 0 else "less"
    return f"{name} against {reference}, paired by seed: {word} error, by {difference}{times}."


def _task(comparison: Comparison) -> str:
    kwargs = ", ".join(f"{key}={value}" for key, value in comparison.settings.env_kwargs.items())
    return comparison.settings.env + (f" ({kwargs})" if kwargs else "")
