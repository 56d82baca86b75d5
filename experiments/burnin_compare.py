"""Compare initializations: from which recurrent state should replayed experience start, and what does a wrong one cost?

Every strategy trains the same network on the same streams from replayed fragments; they differ only in the recurrent
state that a fragment starts from. Strategies: `zero` (the network's initial state), `stored` (the state that the actor
had there), `refreshed` (stored, but overwritten whenever a replayed fragment passes over it), `learned` (one trained
state for all fragments), each also with `+K` steps of burn-in, and `full` (everything since the episode's first step:
the reference).

Runs (strategy x seed) go over the machine's cores. Results are kept run by run: the same command again takes up where
the last one stopped, and Ctrl-C reports what is finished.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from experiments.common import report
from experiments.common.command import run_experiment
from experiments.common.comparison import Comparison, content_of, error_floor, result_of, summary
from experiments.common.jobs import Job, Report
from experiments.common.metrics import LiveMetrics
from experiments.common.presets import inputs_of, read_with_preset
from experiments.common.results import versions, write_csv, write_json, write_sealed
from experiments.common.runs import RunSettings, default_directory, fingerprint, finish, finished, open_directory
from experiments.common.trainers import trainer_for
from experiments.common.verdict import finding, verdict
from r2d2_burnin.initialization import parse
from r2d2_burnin.settings import TrainingSettings


@dataclasses.dataclass(frozen=True)
class Settings:
    """The flags of the command line."""

    training: TrainingSettings = dataclasses.field(default_factory=TrainingSettings)
    strategies: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = (
        "zero",
        "stored",
        "zero+20",
        "stored+20",
        "full",
    )
    """Initializations to compare: zero, stored, refreshed, learned, each also with +K steps of burn-in, and full."""
    runs: RunSettings = dataclasses.field(default_factory=RunSettings)
    preset: str = "small"
    """Values for all that is not set otherwise. small: minutes on 2 cores; the defaults shown here are those for
    targets, q-learning has its own. guess: q-learning on bit streams, where a reward follows from the last guess alone.
    r2d2: the paper's agent (T 80, burn-in 40, period 40, 512 units, batch 64)."""
    quick: bool = False
    """A rough answer in half a minute, for what is not set otherwise: fewer updates, 1 seed."""

    def __post_init__(self) -> None:
        if not self.strategies:
            raise ValueError("strategies: got none, expected at least one, for example zero stored full")
        for name in self.strategies:
            parse(name)
        if len(set(self.strategies)) < len(self.strategies):
            raise ValueError(f"strategies: got {' '.join(self.strategies)}, expected each once")


def compare(settings: Settings) -> tuple[Comparison, list[str], Path]:
    """Make all runs that are not finished yet; returns the comparison, the errors of failed runs, and the directory."""
    comparison, jobs, out = prepare(settings)
    fill(comparison, jobs, finished(list(jobs.values())))
    names = {job.name: run for run, job in jobs.items()}
    with LiveMetrics(out / "metrics.csv", HEADER, comparison.rows(), names, settings.runs.tensorboard) as listen:
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
        "seeds": list(range(settings.runs.seeds)),
        "inputs": inputs_of(training),
        "versions": versions(),
    }
    open_directory(out, config, fresh=settings.runs.fresh)
    comparison = Comparison(training, settings.strategies, tuple(range(settings.runs.seeds)))
    every = settings.runs.checkpoint_every
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
    kind = initialization.start if initialization.start in ("refreshed", "learned") else ""
    return f"{kind}+{initialization.burn_in}"


def train(payload: tuple[TrainingSettings, str, int, Path, int], report: Report) -> None:
    """One run, in a worker process; its result is written before the worker reports it."""
    from r2d2_burnin import checkpoint

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
    write_sealed(path, content_of(result))
    checkpoints.remove()


def write_results(
    comparison: Comparison, errors: Sequence[str], settings: Settings, out: Path, *, show: bool = True
) -> Path:
    """Write every result file of a comparison and `show` its table and verdict; returns the path of the report."""
    from experiments.common import comparison_plots  # draws with Matplotlib, which no command line waits for

    write_csv(out / "metrics.csv", HEADER, comparison.rows())
    write_json(out / "summary.json", summary(comparison))
    sentences = verdict(comparison)
    headers, rows = result_table(comparison)
    if show:
        print(f"\n{report.table(rows, headers)}\n")
        for sentence in [*sentences, *errors]:
            print(f"- {sentence}")

    parts = [report.paragraph(text, alarm=True) for text in (*sentences, *errors) if text in errors or "LEAK" in text]
    parts += [report.bullets([text for text in sentences if "LEAK" not in text]), report.html_table(rows, headers)]
    if comparison.runs:
        for name, caption in comparison_plots.draw(comparison, out).items():
            parts.append(report.picture(out / name, caption))
    parts += [
        report.heading("How to read it"),
        report.bullets(HOW_TO_READ),
        report.heading("To run it again"),
        report.preformatted((out / "config.json").read_text(encoding="utf-8")),
    ]
    report.write_page(out / "report.html", finding(comparison), parts)
    return out / "report.html"


HOW_TO_READ = (
    "zero: fragments start from the network's initial state. stored: from the state the actor had there, which older"
    " parameters produced. +K: K steps before the trained ones are processed first, without gradient (burn-in). full:"
    " from the episode's first step with today's parameters, the exact state.",
    "The error floor is the smallest loss that any predictor could reach from what the initialization lets it see; it"
    " is computed from the environment, not measured.",
    "Training loss: mean over the last tenth of updates. Error and return: whole fresh episodes, acted from their first"
    " step with carried state and without exploration, the same for every strategy.",
    "ΔQ (Kapturowski et al., ICLR 2019, section 3): norm of the difference"
    " between the outputs from the state tried and from the reference, over the largest absolute output in the"
    " fragment. Staleness: learner updates between storing a state and replaying it.",
)


def result_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Headers and rows of the table, one row a strategy."""
    has_targets = comparison.settings.objective != "q-learning"
    columns = {
        **({f"whole-episode {comparison.outcome.name}": "eval_error"} if has_targets else {}),
        "episode return": "episode_return",
        "training loss": "train_loss",
        **({"error floor": None} if has_targets else {"return of random actions": "random_return"}),
        "ΔQ first (stored)": "delta_q_first",
        "ΔQ last (stored)": "delta_q_last",
        "ΔQ first (exact)": "delta_q_first_exact",
        "ΔQ last (exact)": "delta_q_last_exact",
    }
    rows = []
    for name in comparison.strategies:
        row = [name]
        for metric in columns.values():
            value = error_floor(comparison.settings, name) if metric is None else comparison.estimate(name, metric)
            row.append("-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value))
        seconds = [run.seconds for run in comparison.of(name).values()]
        row.append(f"{sum(seconds) / len(seconds):.1f}" if seconds else "-")
        rows.append(row)
    return ["strategy", *columns, "seconds a run"], rows


def read_settings(arguments: Sequence[str]) -> Settings:
    """Settings from the command line.

    Raises:
        ValueError: for settings that cannot work.
    """
    return read_with_preset(Settings, "experiments.burnin_compare", __doc__ or "", arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; returns the exit status: 0, or 1 if a run failed or was stopped."""
    return run_experiment(read_settings, compare, write_results, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
