"""The tables of a comparison, and how to read them."""

from __future__ import annotations

import numpy as np

from experiments.burnin_compare.comparison import Comparison
from experiments.burnin_compare.equal_cost import at_equal_cost
from experiments.common.experiment import Table
from experiments.common.statistics import Estimate, estimate
from r2d2_burnin.initialization import parse
from r2d2_burnin.settings import MOST_CONSTANT_ACTIONS

HOW_TO_READ = (
    "zero: fragments start from the network's initial state. stored: from the state the actor had there, which older"
    " parameters produced. +K: K steps before the trained ones are processed first, without gradient (burn-in). full:"
    " from the episode's first step with today's parameters, the exact state.",
    "The error floor is the smallest expected loss on fragments that any predictor could reach from what the"
    " initialization lets it see. It is computed from the environment, not measured, and it bounds the loss on fresh"
    " fragments. It says nothing about the error over whole episodes, where the network starts at the first step and"
    " carries its state along.",
    "Intervals are 95 % t-intervals of the mean over seeds. An initialization is called better or worse only where a"
    " test says so. 'No difference seen' does not mean equal; equality is claimed only where the whole interval lies"
    " within a margin, which is then stated.",
    "ΔQ (Kapturowski et al., ICLR 2019, section 3) is the norm of the difference between the outputs from the state"
    " tried and from the reference, in relation to the size of the outputs. It is measured on fragments drawn at random"
    " over all positions of all episodes in replay. Staleness: learner updates between storing and replaying a state.",
    "At equal cost: longer burn-ins process more steps in an update, so strategies are also compared where each has"
    " processed as many steps, or has spent as many seconds in updates, as the cheapest one in its whole training. In"
    " brackets: the last update within that budget at which the outcome was measured; '-' where none was."
    " Seconds were measured while other runs, and perhaps other programs, used the same cores: where they disagree with"
    " steps, trust the steps.",
)
"""What holds for every comparison."""


def how_to_read(comparison: Comparison) -> list[str]:
    """What the figures of a comparison are."""
    settings, has_targets = comparison.settings, comparison.objective.reads_targets
    epsilon = 0.0 if has_targets else settings.q_learning.evaluation_epsilon
    exploration = f"with {epsilon:.3g} of the actions at random" if epsilon else "without exploration"
    sentences = [
        *HOW_TO_READ[:2],
        "Training loss: mean over the last tenth of updates. Error and return: whole fresh episodes, acted from their"
        f" first step with carried state and {exploration}, the same for every strategy.",
        *HOW_TO_READ[2:],
    ]
    own = [name for name in comparison.strategies if parse(name).trained_steps is not None]
    if own:
        sentences.append(
            f"{', '.join(own)}: fragments with so many trained steps as stand behind the @. They end where those of the"
            " others end, and train steps before their start too. Losses on fragments, error floors, and ΔQ at the"
            " first trained step are those of other steps than in the other rows; ΔQ at the last trained step, errors"
            " and returns over whole episodes are those of the same."
        )
    if comparison.preset:
        sentences.insert(0, f"Settings that were not given are those of the preset {comparison.preset}.")
    if not has_targets:
        sentences += _reward_scales(comparison)
        sentences.append(
            "Best constant action: what the best of all actions earns that is taken at every step of the same episodes."
            f" Of more than {MOST_CONSTANT_ACTIONS} actions, {MOST_CONSTANT_ACTIONS} at even distances are tried alone,"
            " and another one may earn more."
        )
    asked, measured = settings.measured_fragments, comparison.measured_fragments()
    if measured is not None and measured < asked:
        sentences.append(
            f"ΔQ was measured on fewer distinct fragments than the {asked} asked for (--measured-fragments):"
            f" {measured} in the measurement that had the fewest, some counted more than once. States to compare with"
            " are kept for a part of replay alone, so a larger --replay-capacity gives more of them."
        )
    return [*sentences, f"ΔQ here is relative to {comparison.objective.scale_name}."]


def _reward_scales(comparison: Comparison) -> list[str]:
    """What rewards were divided by, in training."""
    values = [value for name in comparison.strategies for value in comparison.final(name, "reward_scale").values()]
    if not values:
        return []
    scale = f"{values[0]:.4g}" if min(values) == max(values) else f"{min(values):.4g} to {max(values):.4g}"
    again = ""
    if comparison.settings.q_learning.previous_reward:
        again = ", a round that is then acted again, as the network is shown rewards"
    several = "" if min(values) == max(values) else " (it differs between runs)"
    return [
        f"For training, rewards are divided by {scale}{several}, the root mean square of the rewards that are not zero"
        f" in a run's first round of acting that has any{again}; losses are in that unit. Returns are in the"
        " environment's own unit. How large a return can be is not known here, so it is not given as a share of that."
    ]


COST_HEADERS = ("steps an update", "ms an update", "at equal updates", "at equal steps", "at equal seconds")
"""Headers of the table of outcomes at equal cost."""


def cost_table(comparison: Comparison) -> Table:
    """Cost of an update and the outcome at equal updates, processed steps and seconds, one row a strategy."""
    rows = []
    for name in comparison.strategies:
        runs = list(comparison.of(name).values())
        if not runs:
            rows.append([name, *["-"] * len(COST_HEADERS)])
            continue
        updates = comparison.settings.updates
        steps = sum(run.processed_steps for run in runs) / len(runs) / updates
        milliseconds = 1e3 * min(run.update_seconds for run in runs)
        row = [name, f"{steps:.0f}", f"{milliseconds:.3g}", str(comparison.estimate(name, comparison.outcome.metric))]
        costs = at_equal_cost(comparison, name)
        for key in ("processed_steps", "update_seconds"):
            row.append(f"{costs[key].outcome} (update {costs[key].measured_update})" if key in costs else "-")
        rows.append(row)
    return Table(["strategy", *COST_HEADERS], rows)


BEST_CONSTANT = "best constant action"
"""A baseline's name, for want of a metric."""


def result_table(comparison: Comparison) -> Table:
    """What each strategy reached, one row a strategy."""
    has_targets = comparison.objective.reads_targets
    columns = {
        **({f"whole-episode {comparison.outcome.name}": "eval_error"} if has_targets else {}),
        "episode return": "episode_return",
        **({} if has_targets else {"random actions": "random_return", "best constant action": BEST_CONSTANT}),
        "training loss": "train_loss",
        **({"loss on fresh fragments": "fresh_loss", "its floor": None} if has_targets else {}),
        "ΔQ first (stored)": "delta_q_first",
        "ΔQ last (stored)": "delta_q_last",
        "ΔQ first (exact)": "delta_q_first_exact",
        "ΔQ last (exact)": "delta_q_last_exact",
    }
    rows = []
    for name in comparison.strategies:
        row = [name]
        for metric in columns.values():
            value = _value(comparison, name, metric)
            row.append("-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value))
        seconds = [run.seconds for run in comparison.of(name).values()]
        row.append(f"{sum(seconds) / len(seconds):.1f}" if seconds else "-")
        rows.append(row)
    return Table(["strategy", *columns, "seconds a run"], rows)


def _value(comparison: Comparison, strategy: str, metric: str | None) -> Estimate | float | None:
    """What a column of the result table shows: a metric, a baseline, or the error floor (None)."""
    if metric is None:
        return comparison.floors[strategy]
    if metric == BEST_CONSTANT:
        returns = [run.baselines.get(BEST_CONSTANT, []) for run in comparison.of(strategy).values()]
        return estimate([float(np.mean(values)) for values in returns if values])
    return comparison.estimate(strategy, metric)
