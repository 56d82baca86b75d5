"""The runs of a comparison, and its result files."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from experiments.burnin_compare.comparison import Comparison, content_of, default_reference, result_of, summary
from experiments.burnin_compare.settings import Settings
from experiments.burnin_compare.tables import COST_HEADERS, HOW_TO_READ, cost_rows, result_table
from experiments.burnin_compare.verdict import ALARMS, finding, verdict
from experiments.common import report
from experiments.common.jobs import Job, Report
from experiments.common.metrics import LiveMetrics
from experiments.common.presets import inputs_of
from experiments.common.results import DamagedFile, read_sealed, versions, write_csv, write_json, write_sealed
from experiments.common.runs import default_directory, fingerprint, finish, finished, open_directory
from experiments.common.trainers import trainer_for
from r2d2_burnin.initialization import parse
from r2d2_burnin.settings import TrainingSettings


def make_runs(settings: Settings) -> tuple[Comparison, list[str], Path]:
    """Make all runs that are not finished yet; returns the comparison, the errors of failed runs, and the directory."""
    comparison, jobs, out = prepare(settings)
    fill(comparison, jobs, finished(list(jobs.values())))
    names = {job.name: run for run, job in jobs.items()}
    with LiveMetrics(out / "metrics.csv", HEADER, comparison.rows(), names, settings.tensorboard) as listen:
        contents, errors = finish(list(jobs.values()), train, settings.runs, title="burn-in comparison", listen=listen)
    fill(comparison, jobs, contents)
    return comparison, errors, out


HEADER = ("strategy", "seed", "update", "metric", "value")
"""Columns of `metrics.csv`."""

Jobs = dict[tuple[str, int], Job]
"""The runs of a comparison, by strategy and seed."""


def prepare(settings: Settings) -> tuple[Comparison, Jobs, Path]:
    """Open the directory of a comparison; returns it without any run, its runs as jobs, and the directory.

    Raises:
        ValueError: if the directory holds results of other settings.
    """
    training = settings.training
    out = settings.runs.out or default_directory("burnin_compare", training.environment.env, training)
    config = {
        "experiment": "burnin_compare",
        "settings": json.loads(json.dumps(dataclasses.asdict(training))),
        "strategies": list(settings.strategies),
        "reference": settings.reference or default_reference(settings.strategies),
        "seeds": list(range(settings.runs.seeds)),
        "inputs": inputs_of(training),
        "versions": versions(),
    }
    open_directory(out, config, fresh=settings.runs.fresh)
    seeds = tuple(range(settings.runs.seeds))
    comparison = Comparison(training, settings.strategies, seeds, reference=settings.reference)
    every = settings.checkpoint_every
    jobs = {
        (name, seed): Job(
            name=f"{name} seed {seed}",
            steps=training.updates,
            payload=(training, name, seed, path := out / "runs" / f"{name}_seed{seed}.json", every),
            path=path,
            group=f"{training.environment} {program_of(name)}",
        )
        for name in sorted(comparison.strategies, key=cost_of, reverse=True)
        for seed in comparison.seeds
    }
    return comparison, jobs, out


def fill(comparison: Comparison, jobs: Jobs, contents: dict[Path, Any]) -> None:
    """Give a comparison those of its runs that are finished."""
    comparison.runs = {run: result_of(contents[job.path]) for run, job in jobs.items() if job.path in contents}


def cost_of(strategy: str) -> float:
    """Processed steps before the trained ones: the longest runs are begun first, so that all workers end together."""
    burn_in = parse(strategy).burn_in
    return math.inf if burn_in is None else burn_in


def program_of(strategy: str) -> str:
    """Runs with the same answer share their compiled programs."""
    initialization = parse(strategy)
    return f"{initialization.programs}+{initialization.burn_in}"


def train(payload: tuple[TrainingSettings, str, int, Path, int], report: Report) -> None:
    """One run, in a worker process; its result is written before the worker reports it."""
    from r2d2_burnin.training import checkpoint

    settings, name, seed, path, every = payload
    neutral = dataclasses.replace(settings, environment=dataclasses.replace(settings.environment, env_timeout=1.0))
    checkpoints = checkpoint.Checkpoints(
        path.parent.parent / "checkpoints" / path.stem,
        every=every,
        identity={"settings": fingerprint(neutral), "strategy": name, "seed": seed},
        warn=lambda message: print(f"{name} seed {seed}: {message}", file=sys.stderr),
    )
    trainer = trainer_for(settings)
    result = trainer.run(
        parse(name),
        seed,
        report,
        checkpoints=checkpoints,
        on_measurements=lambda found: report.measured([(m.update, m.metric, m.value) for m in found]),
    )
    checkpoint.save(path.with_suffix(".npz"), trainer.network)
    if not trainer.objective.reads_targets:
        returns = constant_returns(
            lambda: trainer.constant_returns(seed), path.parent / f"constant-returns-{seed}.json"
        )
        if returns:
            result = dataclasses.replace(result, baselines={**result.baselines, "best constant action": returns})
    write_sealed(path, content_of(result))
    checkpoints.remove()


def constant_returns(measure: Callable[[], list[float]], path: Path) -> list[float]:
    """What the best constant action earns, the same for all strategies of a seed: measured once, then kept at `path`.

    Nothing where the environment fails, which costs the run nothing.
    """
    from r2d2_burnin.environments.guard import EnvironmentFault

    with contextlib.suppress(DamagedFile):
        if (content := read_sealed(path)) is not None:
            return [float(value) for value in content["returns"]]
    try:
        found = measure()
    except EnvironmentFault as error:
        print(f"constant actions were not evaluated: {error}", file=sys.stderr)
        return []
    write_sealed(path, {"returns": found})
    return found


def write_results(
    comparison: Comparison, errors: Sequence[str], settings: Settings, out: Path, *, show: bool = True
) -> Path:
    """Write every result file of a comparison and `show` its table and verdict; returns the path of the report."""
    from experiments.burnin_compare import plots  # draws with Matplotlib, which no command line waits for

    write_csv(out / "metrics.csv", HEADER, comparison.rows())
    sentences = verdict(comparison)
    missing = len(comparison.strategies) * len(comparison.seeds) - len(comparison.runs)
    status = {
        "status": "incomplete" if missing or errors else "complete",
        "errors": list(errors),
        "verdict": sentences,
        "command": settings.command,
    }
    write_json(out / "summary.json", summary(comparison) | status)
    headers, rows = result_table(comparison)
    cost_headers, costs = ["strategy", *COST_HEADERS], cost_rows(comparison)
    if show:
        print(f"\n{report.table(rows, headers)}\n\n{report.table(costs, cost_headers)}\n")
        for sentence in [*sentences, *errors]:
            print(f"- {sentence}")

    loud = [text for text in (*sentences, *errors) if text in errors or text.startswith(ALARMS)]
    parts = [report.paragraph(text, alarm=True) for text in loud]
    parts += [report.bullets([text for text in sentences if text not in loud]), report.html_table(rows, headers)]
    if comparison.runs:
        for name, caption in plots.draw(comparison, out).items():
            parts.append(report.picture(out / name, caption))
    parts += [
        report.heading("At equal cost"),
        report.html_table(costs, cost_headers),
        report.heading("How to read it"),
        report.bullets([*HOW_TO_READ, f"ΔQ here is relative to {plots.delta_q_scale(comparison)}."]),
        report.heading("To run it again"),
        report.preformatted((out / "config.json").read_text(encoding="utf-8")),
    ]
    report.write_page(out / "report.html", finding(comparison), parts)
    return out / "report.html"
