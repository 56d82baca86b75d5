"""The advice of all seeds, and its result files."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.burnin_advisor.advice import Task, advise_seed, check_task
from experiments.burnin_advisor.settings import Settings
from experiments.common import report
from experiments.common.jobs import Job
from experiments.common.presets import inputs_of
from experiments.common.results import versions, write_json
from experiments.common.runs import default_directory, finish, open_directory

CRITERION = "bound of the mean and quantile"
"""In `config.json`: an earlier version judged by the mean alone, and its results are not mixed with these."""


def make_runs(settings: Settings) -> tuple[dict[int, Any], list[str], Path]:
    """Advise for every seed that is not finished yet; returns contents by seed, the errors, and the directory.

    Raises:
        ValueError: before anything is trained, for what cannot be advised on.
    """
    task = Task(**{field.name: getattr(settings, field.name) for field in dataclasses.fields(Task)})
    check_task(task)
    out = settings.runs.out or default_directory("burnin_advisor", settings.training.environment.env, task)
    config = {
        "experiment": "burnin_advisor",
        "settings": json.loads(json.dumps(dataclasses.asdict(task), default=str)) | {"criterion": CRITERION},
        "seeds": list(range(settings.runs.seeds)),
        "inputs": inputs_of(settings.training),
        "versions": versions(),
    }
    open_directory(out, config, fresh=settings.runs.fresh)
    steps = 1 if settings.checkpoint is not None else settings.training.updates
    jobs = [
        Job(f"seed {seed}", steps, (task, seed, path := out / "runs" / f"seed{seed}.json"), path)
        for seed in range(settings.runs.seeds)
    ]
    contents, errors = finish(jobs, advise_seed, settings.runs, title="burn-in advice")
    return {i: contents[job.path] for i, job in enumerate(jobs) if job.path in contents}, errors, out


def overall(by_seed: dict[int, Any]) -> dict[str, Any]:
    """The verdict over seeds: a burn-in that is good enough for every seed, or none up to the longest that failed."""
    found = [one["burn_in"] for one in by_seed.values()]
    failed = [one["longest"] for one in by_seed.values() if one["burn_in"] is None]
    if failed:
        # A seed for which nothing up to its longest burn-in is enough rules these out for all seeds together.
        verdict, burn_in = f"none up to {max(failed)} steps", None
        words = f"No burn-in from the zero state is enough for {_all(by_seed)}: {verdict}"
    elif burn_in := max(found):
        verdict = "burn-in suffices"
        words = f"A burn-in of {burn_in} steps from the zero state suffices for {_all(by_seed)}"
    else:
        verdict = "zero state is enough"
        words = f"The zero state is enough for {_all(by_seed)}, without burn-in"
    return {"verdict": verdict, "burn_in": burn_in, "burn_in_by_seed": found, "sentence": words}


def _all(by_seed: dict[int, Any]) -> str:
    return "the only seed" if len(by_seed) == 1 else f"every one of {len(by_seed)} seeds"


def summary(by_seed: dict[int, Any], settings: Settings) -> dict[str, Any]:
    """The content of `summary.json`."""
    return {
        "env": settings.training.environment.env,
        "objective": settings.training.objective,
        "tolerance": settings.tolerance,
        **(overall(by_seed) if by_seed else {}),
        "seeds": {str(seed): content for seed, content in by_seed.items()},
    }


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


def result_table(by_seed: dict[int, Any]) -> tuple[list[str], list[list[str]]]:
    """One row for each burn-in that all seeds measured."""
    ones = list(by_seed.values())
    costs = [{c["burn_in"]: c for c in one["costs"]} for one in ones]
    rows = []
    for start in ("zero", "stored"):
        measured = [{m["burn_in"]: m for m in one["measures"] if m["start"] == start} for one in ones]
        for k in sorted(set.intersection(*(set(m) for m in measured))):
            found = [[m[k][name] for m in measured if m[k][name] is not None] for _, name, _ in COLUMNS]
            cost = [c[k] for c in costs if k in c]
            rows.append(
                [
                    start if k == 0 else f"{start}+{k}",
                    *(f"{over(v):.3g}" if v else "-" for v, (_, _, over) in zip(found, COLUMNS, strict=True)),
                    f"{1e3 * np.mean([c['update_seconds'] for c in cost]):.3g}" if cost else "-",
                    f"{np.mean([c['burn_in_bytes'] for c in cost]):.0f}" if cost else "-",
                ]
            )
    headers = ["initialization", *(header for header, _, _ in COLUMNS), "ms an update", "burn-in bytes a fragment"]
    return headers, rows


def evidence(by_seed: dict[int, Any], settings: Settings) -> list[str]:
    """Sentences: the verdict over seeds, each seed's, the forgetting times, and what the networks and states are."""
    total = overall(by_seed)
    each = [f"{k}" if k is not None else "none" for k in total["burn_in_by_seed"]]
    sentences = [f"{total['sentence']} (tolerance {settings.tolerance:g}; seed by seed: {', '.join(each)})."]
    sentences += [f"Seed {seed}: {one['sentence']}" for seed, one in by_seed.items()]
    sentences += [f"Seed {seed}: {_forgetting_words(one['forgetting'])}" for seed, one in by_seed.items()]
    losses = [next(m["loss_exact"] for m in one["measures"]) for one in by_seed.values()]
    told = ", ".join("-" if loss is None else f"{loss:.3g}" for loss in losses)
    sentences.append(
        f"This is about the networks as they are: their loss from the exact state is {told}. One that has not learned"
        " its task needs no memory, or keeps what it does not need."
    )
    if settings.checkpoint is None:
        ages = ", ".join(f"{one['stored_age']}" for one in by_seed.values())
        means = ", ".join(f"{one['staleness']:.4g}" for one in by_seed.values())
        sentences.append(
            f"Stored states are those of the parameters of {ages} updates ago; in training they were {means} updates"
            f" old on average. (The actor takes new parameters every {settings.training.updates_between} updates only.)"
        )
    elif settings.stored_checkpoint is None:
        sentences.append(
            "Stored states were computed by the same parameters, so they are exact; give --stored-checkpoint to see"
            " what their age costs."
        )
    return sentences


def _forgetting_words(found: dict[str, Any]) -> str:
    """A forgetting time in words, or why there is none."""
    if found["steps"] is None:
        return f"no forgetting time: {found['reason']}."
    low, high = (f"{found[name]:.3g}" if found[name] is not None else "no bound" for name in ("low", "high"))
    return (
        f"forgetting time {found['steps']:.3g} steps [{low}, {high}]: the error of the whole state falls to 1/e in so"
        f" many, whatever part of it the outputs depend on (R² of its logarithm {found['r_squared']:.3f})."
    )


def write_results(by_seed: dict[int, Any], errors: Sequence[str], settings: Settings, out: Path) -> Path:
    """Write every result file and print table and verdict; returns the path of the report."""
    from experiments.burnin_advisor import plots  # draws with Matplotlib, which no command line waits for

    write_json(out / "summary.json", summary(by_seed, settings))
    parts = [report.paragraph(text, alarm=True) for text in errors]
    sentences: list[str] = []
    title = f"{settings.training.environment.env}: no seed has finished"
    if by_seed:
        sentences = evidence(by_seed, settings)
        headers, rows = result_table(by_seed)
        words = overall(by_seed)["sentence"]
        title = f"{settings.training.environment.env}: {words[0].lower()}{words[1:]}"
        print(f"\n{report.table(rows, headers)}\n")
        caption = plots.draw(list(by_seed.values()), settings.tolerance, title, out / "advice.png")
        parts += [
            report.bullets(sentences),
            report.picture(out / "advice.png", caption),
            report.html_table(rows, headers),
            report.paragraph(TABLE_NOTE),
        ]
    for sentence in [*sentences, *errors]:
        print(f"- {sentence}")
    parts += [report.heading("To run it again"), report.preformatted((out / "config.json").read_text(encoding="utf-8"))]
    report.write_page(out / "report.html", title, parts)
    return out / "report.html"
