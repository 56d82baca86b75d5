"""The report of an advice: the verdict in sentences, one picture, one table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.burnin_advisor import plots
from experiments.burnin_advisor.results import AdviceResults, SeedAdvice
from experiments.burnin_advisor.settings import Settings
from experiments.common.experiment import Report, Section, Table
from r2d2_burnin.diagnostics.forgetting import Forgetting

COLUMNS: tuple[tuple[str, str, Callable[[list[float]], Any]], ...] = (
    ("ΔQ first: mean", "delta_q_first", np.mean),
    ("bound", "delta_q_first_upper", np.max),
    ("quantile", "delta_q_first_q95", np.max),
    ("ΔQ last: mean", "delta_q_last", np.mean),
    ("bound", "delta_q_last_upper", np.max),
    ("quantile", "delta_q_last_q95", np.max),
    ("all fragments: bound", "delta_q_all_upper", np.max),
    ("quantile", "delta_q_all_q95", np.max),
    ("failed episodes", "failed_episodes", np.max),
    ("state error", "state_error", np.mean),
    ("loss", "loss", np.mean),
    ("loss, exact state", "loss_exact", np.mean),
    ("changed actions", "changed_actions", np.mean),
)
"""Header, name of the measure, and what stands for all seeds."""

TABLE_NOTE = (
    "ΔQ is against the exact state. Means are over episodes, and over seeds. Bounds are one-sided 95 % upper bounds of"
    " the mean over episodes, quantiles are 95 % quantiles over fragments. Of bounds, of quantiles and of the number of"
    " failed episodes (with a fragment above the tolerance), the largest of all seeds is shown. All burn-ins are"
    " measured on the same late fragments, and on all fragments that do not begin an episode."
)

NOTE_OF_FILES = (
    "ΔQ is against the exact state. Means are over episodes. Bounds are one-sided 95 % upper bounds of the mean over"
    " episodes, quantiles are 95 % quantiles over fragments. Failed episodes have a fragment above the tolerance. All"
    " burn-ins are measured on the same late fragments, and on all fragments that do not begin an episode."
)
"""The same of recorded episodes, which have no seeds."""


def report(results: AdviceResults, out: Path) -> Report:
    """The report of all seeds; draws its picture in the directory `out`."""
    by_seed, settings = results.by_seed, results.settings
    environment = settings.source
    if not by_seed:
        return Report(f"{environment}: no seed has finished", [])
    sentence = results.overall.sentence
    title, path = f"{environment}: {sentence[0].lower()}{sentence[1:]}", out / "advice.png"
    caption = plots.draw(list(by_seed.values()), settings.tolerance, title, path)
    sentences = evidence(results)
    note = NOTE_OF_FILES if settings.files else TABLE_NOTE
    section = Section("", sentences, {path: caption}, result_table(list(by_seed.values())), note)
    return Report(title, [section], conclusions=sentences)


def result_table(seeds: list[SeedAdvice]) -> Table:
    """One row for each burn-in that all seeds measured."""
    rows = []
    for start in plots.STARTS:
        measured = [seed.measures(start) for seed in seeds]
        for k in sorted(set.intersection(*(set(m) for m in measured))):
            values = [[getattr(m[k], name) for m in measured] for _, name, _ in COLUMNS]
            texts = [_text(column, over) for column, (_, _, over) in zip(values, COLUMNS, strict=True)]
            rows.append([start if k == 0 else f"{start}+{k}", *texts, *_cost_texts(seeds, k)])
    headers = ["initialization", *(header for header, _, _ in COLUMNS), "ms an update", "burn-in bytes a fragment"]
    return Table(headers, rows)


def _text(values: list[float], over: Callable[[list[float]], Any]) -> str:
    """What stands for all seeds; without those that measured nothing."""
    finite = [value for value in values if np.isfinite(value)]
    return f"{over(finite):.3g}" if finite else "-"


def _cost_texts(seeds: list[SeedAdvice], burn_in: int) -> tuple[str, str]:
    """Milliseconds of an update and bytes of a fragment, means over seeds."""
    costs = [cost for seed in seeds for cost in seed.costs if cost.burn_in == burn_in]
    if not costs:
        return "-", "-"
    milliseconds = 1e3 * np.mean([cost.update_seconds for cost in costs])
    return f"{milliseconds:.3g}", f"{np.mean([cost.burn_in_bytes for cost in costs]):.0f}"


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
        f"This is about the networks as they are{known}. One that has not learned its task needs no memory, or keeps"
        " what it does not need."
    )
    return [*sentences, *_origin_of_states(list(by_seed.values()), settings)]


def _origin_of_states(results: list[SeedAdvice], settings: Settings) -> list[str]:
    """Which parameters the stored states come from."""
    if all(result.staleness is not None for result in results):
        ages = ", ".join(f"{result.stored_age}" for result in results)
        means = ", ".join(f"{result.staleness:.4g}" for result in results)
        return [
            f"Stored states are those of the parameters of {ages} updates ago; in training they were {means} updates"
            f" old on average. (The actor takes new parameters every {settings.training.updates_between} updates only.)"
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
