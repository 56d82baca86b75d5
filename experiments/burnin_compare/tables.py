"""The tables of a comparison, what its words mean, and how its figures were measured."""

from __future__ import annotations

import math

import numpy as np

from experiments.burnin_compare.comparison import Comparison
from experiments.burnin_compare.equal_cost import at_equal_cost
from experiments.burnin_compare.verdict import contrast_cell
from experiments.common.report import Table
from experiments.common.statistics import Estimate, estimate
from r2d2_burnin.initialization import parse
from r2d2_burnin.runtime.formatting import number
from r2d2_burnin.settings import MOST_CONSTANT_ACTIONS

WORDS = {
    "zero, stored, full": "Where a fragment starts from: the network's initial state; the state the actor had there,"
    " which older parameters produced; the exact state, from the episode's first step with today's parameters.",
    "refreshed, learned": "A stored state that is overwritten whenever a replayed fragment passes over it; one trained"
    " state for all fragments that do not begin an episode.",
    "+K, @M": "K steps before the trained ones are processed first (burn-in), without gradient unless"
    " --burn-in-gradient was given. M trained steps in a fragment, instead of --sequence-length.",
    "better, worse": "A paired test over seeds says so. 'No difference seen' does not mean equal; equality is claimed"
    " only where the whole interval lies within a margin, which is then stated. Of errors ratios are tested: they are"
    " geometric means over seeds, and not the ratios of the means beside them.",
    "±, [low to high]": "95 % t-intervals over seeds.",
    "error floor": "The smallest expected loss on fragments that any predictor could reach from what the initialization"
    " lets it see: computed from the environment, not measured. It bounds the loss on fresh fragments. It says nothing"
    " about the error over whole episodes, where the network starts at the first step and carries its state along.",
    "ΔQ": "The norm of the difference between the outputs from the state tried and from a reference state, in relation"
    " to the size of the outputs (Kapturowski et al., ICLR 2019, section 3), at a fragment's first or last trained"
    " step. Measured on fragments drawn at random over all positions of all episodes in replay.",
    "update, seconds": "One step of the optimizer on a batch of fragments. The time of an update is the median, without"
    " compiling and acting; a run's seconds contain everything.",
    "staleness": "Learner updates between storing and replaying a state.",
}
"""What the words of every comparison mean."""

AT_EQUAL_COST = (
    "Longer burn-ins process more steps in an update, so strategies are also compared where each has processed as many"
    " steps, or has spent as many seconds in updates, as the cheapest one in its whole training. In brackets: the last"
    " update within that budget at which the outcome was measured; '-' where none was. Seconds were measured while"
    " other runs, and perhaps other programs, used the same cores: where they disagree with steps, trust the steps."
)
"""What the table of costs shows."""


def how_to_read(comparison: Comparison) -> list[str]:
    """How the figures of a comparison were measured."""
    settings, has_targets = comparison.settings, comparison.objective.reads_targets
    epsilon = 0.0 if has_targets else settings.q_learning.evaluation_epsilon
    exploration = f"with {epsilon:.3g} of the actions at random" if epsilon else "without exploration"
    fewest = comparison.outcome.evaluations
    evaluated = f"evaluations in it, the last {fewest} at least" if fewest > 1 else "evaluations in it"
    sentences = [
        f"Training loss: mean over the last tenth of updates. {comparison.outcome.name.capitalize()}: mean over the"
        f" {evaluated}, each of whole fresh episodes, acted from their first step with carried state and"
        f" {exploration}, the same for every strategy.",
    ]
    own = [name for name in comparison.strategies if parse(name).trained_steps is not None]
    if own:
        sentences.append(
            f"{', '.join(own)}: fragments with M trained steps, M being the number after the @. They end where those"
            " of the others end, and train steps before their start too. Losses on fragments, error floors, and ΔQ at"
            " the first trained step are those of other steps than in the other rows; ΔQ at the last trained step, and"
            " errors and returns over whole episodes are those of the same."
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
    scale = number(values[0]) if min(values) == max(values) else f"{number(min(values))} to {number(max(values))}"
    again = ""
    if comparison.settings.q_learning.previous_reward:
        again = ", which is then acted again if it is the run's first, as the network is shown rewards"
    several = "" if min(values) == max(values) else " (it differs between runs)"
    return [
        f"For training, rewards are divided by {scale}{several}, the root mean square of the rewards that are not zero"
        f" in a run's first round of acting that has any{again}; losses are in that unit. Returns are in the"
        " environment's own unit. How large a return can be is not known here, so it is not given as a share of that."
    ]


COST_HEADERS = ("steps an update", "ms an update", "at equal updates", "at equal steps", "at equal seconds")
"""Headers of the table of outcomes at equal cost."""

COST_MEANINGS = {
    "steps an update": "Processed in an update, of burn-in and trained ones together.",
    "ms an update": "Median time, without compiling and acting.",
    "at equal updates": "The outcome at the end of training.",
    "at equal steps": "The outcome when as many steps were processed as by the cheapest in its whole training.",
    "at equal seconds": "The outcome when as much time was spent in updates as by the cheapest in its whole training.",
}
"""What these columns show."""


def cost_table(comparison: Comparison) -> Table:
    """Cost of an update and the outcome at equal updates, processed steps and seconds, one row a strategy."""
    rows = []
    for name in comparison.strategies:
        runs = list(comparison.of(name).values())
        if not runs:
            rows.append([name, *["-"] * len(COST_HEADERS)])
            continue
        steps = sum(run.processed_steps for run in runs) / len(runs) / comparison.settings.updates
        outcome = _text(comparison.estimate(name, comparison.outcome.metric))
        row = [name, number(steps), _milliseconds(comparison, name), outcome]
        costs = at_equal_cost(comparison, name)
        for key in ("processed_steps", "update_seconds"):
            row.append(f"{costs[key].outcome} (update {costs[key].measured_update})" if key in costs else "-")
        rows.append(row)
    return Table(["initialization", *COST_HEADERS], rows, COST_MEANINGS)


BEST_CONSTANT = "best constant action"
"""A baseline's name, for want of a metric."""


def main_table(comparison: Comparison) -> Table:
    """What decides: outcome, test, floor, ΔQ and time, one row a strategy; what learns nothing in rows of its own."""
    outcome, against = comparison.outcome, f"against {comparison.reference}"
    columns = {
        f"{outcome.name}, whole episodes": (outcome.metric, "Over whole fresh episodes, at the end of training."),
        **({"loss on fresh fragments": ("fresh_loss", "On fragments that were never trained on, from this start.")}
           if comparison.objective.reads_targets else {}),
        "ΔQ first, exact": ("delta_q_first_exact", "At a fragment's first trained step, against the exact state."),
    }  # fmt: skip
    shown, floors, learned = comparison.contrasts(), comparison.floors, comparison.learned()
    contrasts = {contrast.strategy: contrast_cell(contrast) for contrast in shown}
    has_floors = any(floor is not None for floor in floors.values())
    rows = []
    for name in comparison.strategies:
        values = [_text(comparison.estimate(name, metric)) for metric, _ in columns.values()]
        values.insert(1, contrasts.get(name, "-"))
        if has_floors:
            floor = floors[name]
            values.insert(3, "-" if floor is None else number(floor, digits=4))
        of_seeds = learned.get(name)
        values.append(f"{sum(of_seeds.values())} of {len(of_seeds)}" if of_seeds else "-")
        seconds = [run.seconds for run in comparison.of(name).values()]
        values += [_milliseconds(comparison, name), number(float(np.mean(seconds))) if seconds else "-"]
        rows.append([name, *values])
    headers = list(columns)
    headers.insert(1, against)
    if has_floors:
        headers.insert(3, "its floor")
    headers = ["initialization", *headers, "seeds that learned", "ms an update", "seconds a run"]
    for name, mean in comparison.baselines().items():
        rows.append([name, number(mean), *["-"] * (len(headers) - 2)])
    meanings = {name: meaning for name, (_, meaning) in columns.items()} | MEANINGS | {against: AGAINST}
    return Table(headers, rows, meanings)


AGAINST = "Ratio of errors, or difference of returns, with the interval of the test; '-' where nothing is compared."

MEANINGS = {
    "its floor": "The smallest expected loss on fragments that any predictor could reach from this start.",
    "seeds that learned": "Runs that are shown to be better than random actions and constant answers.",
    "ms an update": "Milliseconds: the fastest seed's median, without compiling and acting.",
    "seconds a run": "Everything: acting, compiling, updates, measurements. Mean over seeds.",
}
"""What columns show."""


def measure_table(comparison: Comparison) -> Table:
    """All other measures, one row a strategy."""
    has_targets = comparison.objective.reads_targets
    columns = {
        "training loss": "train_loss",
        **({"episode return": "episode_return"} if has_targets else {}),
        **({} if has_targets else {"random actions": "random_return", "best constant action": BEST_CONSTANT}),
        "ΔQ last, exact": "delta_q_last_exact",
        "ΔQ first, actor's": "delta_q_first",
        "ΔQ last, actor's": "delta_q_last",
        "staleness (updates)": "staleness",
    }
    rows = [[name, *(_text(_value(comparison, name, metric)) for metric in columns.values())]
            for name in comparison.strategies]  # fmt: skip
    meanings = {
        "training loss": "On replayed fragments, mean over the last tenth of updates.",
        "ΔQ last, exact": "At a fragment's last trained step, against the exact state.",
        "ΔQ first, actor's": "At the first trained step, against the state that the actor had (R2D2's measure).",
        "ΔQ last, actor's": "At the last trained step, against the state that the actor had (R2D2's measure).",
        "staleness (updates)": "Learner updates between storing and replaying a state.",
    }
    return Table(["initialization", *columns], rows, meanings)


def _value(comparison: Comparison, strategy: str, metric: str) -> Estimate | None:
    """What a column of measures shows: a metric, or a baseline."""
    if metric == BEST_CONSTANT:
        returns = [run.baselines.get(BEST_CONSTANT, []) for run in comparison.of(strategy).values()]
        return estimate([float(np.mean(values)) for values in returns if values])
    if metric == "staleness" and not parse(strategy).stores_states:
        return None
    return comparison.estimate(strategy, metric)


def _milliseconds(comparison: Comparison, strategy: str) -> str:
    """Of an update, in the seed where it took least: other work slows a shared machine down."""
    return number(min((1e3 * run.update_seconds for run in comparison.of(strategy).values()), default=math.nan))


def _text(value: Estimate | None) -> str:
    return "-" if value is None else str(value)
