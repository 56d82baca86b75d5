"""The report of an advice: the curve and the rows that decide, and the evidence behind them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from experiments.burnin_advisor import plots
from experiments.burnin_advisor.results import AdviceResults, SeedAdvice, burn_ins_of_all
from experiments.burnin_advisor.settings import Settings
from experiments.common.report import NextStep, Report, Section, Table
from experiments.common.settings import environment_flags
from r2d2_burnin.diagnostics.forgetting import Forgetting
from r2d2_burnin.runtime.formatting import listed, number

COLUMNS: tuple[tuple[str, str, Callable[[list[float]], Any]], ...] = (
    ("ΔQ first: mean", "delta_q_first", np.mean),
    ("first: bound", "delta_q_first_upper", np.max),
    ("first: quantile", "delta_q_first_q95", np.max),
    ("ΔQ last: mean", "delta_q_last", np.mean),
    ("last: bound", "delta_q_last_upper", np.max),
    ("last: quantile", "delta_q_last_q95", np.max),
    ("all: bound", "delta_q_all_upper", np.max),
    ("all: quantile", "delta_q_all_q95", np.max),
    ("failed episodes", "failed_episodes", np.max),
    ("state error", "state_error", np.mean),
    ("loss", "loss", np.mean),
    ("loss, exact state", "loss_exact", np.mean),
    ("changed actions", "changed_actions", np.mean),
)
"""Header, name of the measure, and what stands for all seeds."""

TABLE_NOTE = (
    "ΔQ is against the exact state. Means are over episodes, and over seeds. Of bounds, of quantiles and of the number"
    " of failed episodes, the largest of all seeds is shown. All burn-ins are measured on the same late fragments, and"
    " on all fragments that do not begin an episode."
)

NOTE_OF_FILES = (
    "ΔQ is against the exact state. Means are over episodes. Bounds are one-sided 95 % upper bounds of the mean over"
    " episodes, quantiles are 95 % quantiles over fragments. Failed episodes have a fragment above the tolerance. All"
    " burn-ins are measured on the same late fragments, and on all fragments that do not begin an episode."
)
"""The same of recorded episodes, which have no seeds."""

WORDS = {
    "zero+K, stored+K": "K steps of burn-in, from the network's initial state or from a stored one, before the trained"
    " steps.",
    "ΔQ": "The norm of the difference between the outputs from the state tried and from the exact one, in relation to"
    " the size of the outputs (Kapturowski et al., ICLR 2019, section 3).",
    "exact state": "The state from the episode's first step with today's parameters.",
    "bound": "One-sided 95 % upper bound of ΔQ's mean over episodes.",
    "quantile": "95 % quantile of ΔQ over fragments.",
    "tolerance": "What bounds and quantiles have to be within, at the first and the last trained step (--tolerance).",
    "failed episodes": "Episodes with a judged fragment whose ΔQ is above the tolerance.",
    "forgetting time": "Steps in which the error of a wrong state falls to 1/e.",
}
"""What the words of the report mean."""


def report(results: AdviceResults, out: Path) -> Report:
    """The report of all seeds; draws its pictures in the directory `out`."""
    by_seed, settings = results.by_seed, results.settings
    environment = settings.source
    if not by_seed:
        unfinished = "nothing could be measured" if settings.files else "no seed has finished"
        return Report(f"{environment}: {unfinished}", [])
    seeds = list(by_seed.values())
    sentence = results.overall.sentence
    title = f"{environment}: {sentence[0].lower()}{sentence[1:]}"
    picture = plots.draw(results, title, out / "advice.png")
    behind = plots.draw_evidence(seeds, settings.tolerance, out / "advice_evidence.png")
    sentences, note = evidence(results), NOTE_OF_FILES if settings.files else TABLE_NOTE
    return Report(
        title,
        [
            Section("What was found", sentences),
            Section("The evidence", pictures=[behind]),
            Section("Every burn-in that was measured", table=result_table(seeds), note=note),
        ],
        conclusions=sentences,
        picture=picture,
        words=WORDS,
        table=deciding_table(seeds, results.overall.burn_in),
        next_step=_next_step(results),
    )


def _next_step(results: AdviceResults) -> NextStep | None:
    """A comparison with what was advised, where there is an environment to train in."""
    settings, burn_in = results.settings, results.overall.burn_in
    if settings.files or settings.training.network.network is not None:
        return None
    advised = ["zero", "stored", "full"] if not burn_in else ["zero", f"zero+{burn_in}", "stored", "full"]
    flags = (*environment_flags(settings.training.environment), "--strategies", *advised)
    return NextStep("to see what it costs in training", flags, module="experiments.burnin_compare")


def deciding_table(seeds: list[SeedAdvice], advised: int | None) -> Table:
    """The rows that decide: no burn-in, the longest that fails before the advised one, this one, and a stored state."""
    burn_ins = burn_ins_of_all(seeds, "zero")
    chosen = burn_ins[-1] if advised is None else min((k for k in burn_ins if k >= advised), default=burn_ins[-1])
    shorter = [k for k in burn_ins if k < chosen][-1:]
    role = "the longest tried" if advised is None else "advised"
    rows: list[tuple[Literal["zero", "stored"], int, str]] = [("zero", 0, "no burn-in")]
    rows += [("zero", k, "the next shorter one") for k in shorter if k]
    rows = [*rows, ("zero", chosen, role)] if chosen else [("zero", 0, f"no burn-in: {role}")]
    headers = ["initialization", "which is", "largest bound or quantile", "ΔQ first", "ΔQ last", "failed episodes"]
    headers += ["ms an update", "bytes a fragment"]
    cells = []
    for start, k, text in [*rows, ("stored", 0, "stored states")]:
        measured = [seed.measures(start)[k] for seed in seeds]
        worst = max(m.worst for m in measured)
        cells.append(
            [
                *(_name(start, k), text, number(worst) if np.isfinite(worst) else "-"),
                *(_text([getattr(m, name) for m in measured], np.mean) for name in ("delta_q_first", "delta_q_last")),
                f"{max(m.failed_episodes for m in measured)} of {max(m.episodes for m in measured)}",
                *_cost_texts(seeds, k),
            ]
        )
    meanings = {
        "initialization": "The start state, and behind the + the steps of burn-in.",
        "which is": "Why this row decides.",
        "largest bound or quantile": "What has to be within the tolerance; the largest of all seeds.",
        "ΔQ first": "Mean at the first trained step, against the exact state.",
        "ΔQ last": "Mean at the last trained step, against the exact state.",
        "failed episodes": "With a judged fragment whose ΔQ is above the tolerance; the most of all seeds.",
        "ms an update": "Milliseconds of a learner update with this burn-in.",
        "bytes a fragment": "That the burn-in adds to each fragment in a batch.",
    }
    return Table(headers, cells, meanings)


def result_table(seeds: list[SeedAdvice]) -> Table:
    """One row for each burn-in that all seeds measured."""
    rows = []
    for start in plots.STARTS:
        for k in burn_ins_of_all(seeds, start):
            measured = [seed.measures(start)[k] for seed in seeds]
            texts = [_text([getattr(m, name) for m in measured], over) for _, name, over in COLUMNS]
            rows.append([_name(start, k), *texts, *_cost_texts(seeds, k)])
    headers = ["initialization", *(header for header, _, _ in COLUMNS), "ms an update", "bytes a fragment"]
    return Table(headers, rows)


def _name(start: str, burn_in: int) -> str:
    return start if burn_in == 0 else f"{start}+{burn_in}"


def _text(values: list[float], over: Callable[[list[float]], Any]) -> str:
    """What stands for all seeds; without those that measured nothing."""
    finite = [value for value in values if np.isfinite(value)]
    return number(float(over(finite))) if finite else "-"


def _cost_texts(seeds: list[SeedAdvice], burn_in: int) -> tuple[str, str]:
    """Milliseconds of an update and bytes of a fragment, means over seeds."""
    costs = [cost for seed in seeds for cost in seed.costs if cost.burn_in == burn_in]
    if not costs:
        return "-", "-"
    milliseconds = 1e3 * np.mean([cost.update_seconds for cost in costs])
    return number(float(milliseconds)), number(float(np.mean([cost.burn_in_bytes for cost in costs])))


def evidence(results: AdviceResults) -> list[str]:
    """Sentences: the verdict over seeds, each seed's, the forgetting times, and what the networks and states are."""
    total, by_seed, settings = results.overall, results.by_seed, results.settings
    each = ", ".join(f"{k}" if k is not None else "none" for k in total.burn_in_by_seed)
    by_seeds = "" if settings.files else f"; seed by seed: {each}"
    sentences = [f"{total.sentence} (tolerance {settings.tolerance:g}{by_seeds})."]
    for describe in (lambda advice: advice.sentence, lambda advice: _forgetting_sentence(advice.forgetting)):
        for seed, result in by_seed.items():
            text = describe(result.advice)
            sentences.append(text[0].upper() + text[1:] if settings.files else f"Seed {seed}: {text}")
    laws = {seed: result.advice.closed_form for seed, result in by_seed.items()}
    texts_of_laws = {seed: law.sentence for seed, law in laws.items() if law is not None}
    sentences += [text if settings.files else f"Seed {seed}: {text}" for seed, text in texts_of_laws.items()]
    losses = [result.advice.measures[0].loss_exact for result in by_seed.values()]
    texts = ", ".join(f"{loss:.3g}" if np.isfinite(loss) else "-" for loss in losses)
    known = f": their loss from the exact state is {texts}" if np.isfinite(losses).any() else ""
    sentences.append(
        f"The advice holds for the networks as they are{known}. A network that has not learned its task may need a"
        " shorter or a longer burn-in than one that has."
    )
    return [*sentences, *_origin_of_states(list(by_seed.values()), settings)]


def _origin_of_states(results: list[SeedAdvice], settings: Settings) -> list[str]:
    """Which parameters the stored states come from."""
    if all(result.staleness is not None for result in results):
        ages = listed(list(dict.fromkeys(f"{result.stored_age}" for result in results)))
        means = listed([f"{result.staleness:.3g}" for result in results])
        return [
            f"The stored states measured here were computed by parameters {ages} updates old. In training they were"
            f" {means} updates old on average. The actor takes new parameters every"
            f" {settings.training.updates_between} updates."
        ]
    if any(result.stored_age is None for result in results):
        return ["Stored states are those that the files hold."] if settings.files else []
    if settings.files:
        how = "the files hold none"
    elif settings.checkpoint is None:
        how = "give episodes with older ones as --episodes FILE to see what their age costs"
    else:
        how = "give --stored-checkpoint to see what their age costs"
    return [f"Stored states were computed by the same parameters, so they are exact; {how}."]


def _forgetting_sentence(forgetting: Forgetting) -> str:
    """A forgetting time, or why there is none."""
    if forgetting.steps is None:
        return f"no forgetting time: {forgetting.reason}."
    bounds = (forgetting.low, forgetting.high)
    low, high = ("no bound" if bound is None or not np.isfinite(bound) else f"{bound:.3g}" for bound in bounds)
    return (
        f"forgetting time {forgetting.steps:.3g} steps [{low}, {high}]: the error of the whole state falls to 1/e in so"
        f" many, whatever part of it the outputs depend on (R² of its logarithm {forgetting.r_squared:.3f})."
    )
