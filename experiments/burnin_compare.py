"""Compare initializations: from which recurrent state should replayed experience start, and what does a wrong one cost?

Every strategy trains the same network on the same streams from replayed fragments; they differ only in the recurrent
state that a fragment starts from. Strategies: `zero` (the network's initial state), `stored` (the state that the actor
had there), either with `+K` steps of burn-in, and `full` (everything since the episode's first step: the reference).

Runs (strategy x seed) go over the machine's cores. Results are kept run by run: the same command again takes up where
the last one stopped, and Ctrl-C reports what is finished.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import tyro

from experiments.common import comparison_plots, report
from experiments.common.comparison import (
    ERROR_NAMES,
    Comparison,
    content_of,
    error_floor,
    result_of,
    summary,
)
from experiments.common.engine import Job, Report, default_workers
from experiments.common.results import versions, write_csv, write_json
from experiments.common.runs import default_directory, finish, open_directory
from experiments.common.settings import fail, from_command_line, parse_env_kwargs
from experiments.common.verdict import finding, verdict
from r2d2_burnin import spaces
from r2d2_burnin.initialization import parse
from r2d2_burnin.settings import LearnerSettings, NetworkSettings, TrainingSettings

QUICK = {"updates": 400, "seeds": 1, "measure_every": 50, "evaluation_episodes": 128}


@dataclasses.dataclass(frozen=True)
class Settings:
    """The flags of the command line."""

    env: str = "BitStream/Count-v0"
    """Environment id, as gymnasium.make takes it (`module:Id` too)."""
    env_kwargs: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE ...")] = ()
    """Settings of the environment, for example length=80 window=15."""
    strategies: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = (
        "zero",
        "stored",
        "zero+20",
        "stored+20",
        "full",
    )
    """Initializations to compare: zero, stored, zero+K, stored+K (K: steps of burn-in), full."""
    objective: str = "auto"
    """regression, classification, or auto: what the environment's targets ask for."""
    sequence_length: int = 20
    """Trained steps of a fragment, T."""
    period: int = 10
    """Steps between the starts of fragments."""
    updates: int = 2000
    """Learner updates."""
    batch_size: int = 64
    """Fragments in an update."""
    units: int = 32
    """Units of the dense layer and of every recurrent layer."""
    cell: str = "lstm"
    """Recurrent cell: lstm or gru."""
    layers: int = 1
    """Recurrent layers, stacked."""
    learning_rate: float = 6e-3
    """Adam's step size at the first update."""
    final_learning_rate: float = 2e-4
    """Adam's step size at the last update, reached along half a cosine."""
    gradient_clip: float = 10.0
    """Largest norm of the gradient."""
    replay_capacity: int = 163_840
    """Steps that replay keeps."""
    initial_episodes: int = 256
    """Episodes before the first update."""
    new_episodes: int = 128
    """New episodes after every --updates-between updates."""
    updates_between: int = 40
    """Updates between two rounds of acting."""
    measure_every: int = 100
    """Updates between two measurements of ΔQ and evaluations."""
    evaluation_episodes: int = 256
    """Fresh whole episodes in an evaluation."""
    seeds: int = 3
    """Number of seeds; strategy by strategy they see the same streams."""
    workers: int = dataclasses.field(default_factory=default_workers)
    """Worker processes; by default one a core."""
    out: Path | None = None
    """Directory of the results; by default one named after the settings, under results/."""
    quick: bool = False
    """A rough answer in half a minute: 400 updates, 1 seed, for what is not set otherwise."""
    fresh: bool = False
    """Throw away what an earlier run with this --out has left, instead of taking it up."""


def check(settings: Settings) -> None:
    """Raise a ValueError that explains the first setting that cannot work, as far as this module decides it."""
    for name in ("seeds", "workers"):
        if getattr(settings, name) < 1:
            raise ValueError(f"{name}: got {getattr(settings, name)}, expected at least 1")
    if not settings.strategies:
        raise ValueError("strategies: got none, expected at least one, for example zero stored full")
    for name in settings.strategies:
        parse(name)
    if len(set(settings.strategies)) < len(settings.strategies):
        raise ValueError(f"strategies: got {' '.join(settings.strategies)}, expected each once")


def training_settings(settings: Settings) -> TrainingSettings:
    """The settings of every single run.

    Raises:
        ValueError: for settings that cannot work, an unknown environment or an unsuitable one among them.
    """
    check(settings)
    network = NetworkSettings(settings.units, settings.cell, settings.layers)
    learner = LearnerSettings(settings.learning_rate, settings.final_learning_rate, settings.gradient_clip)
    shared = {field.name for field in dataclasses.fields(TrainingSettings)} & {
        field.name for field in dataclasses.fields(Settings)
    }
    values: dict[str, Any] = {name: getattr(settings, name) for name in shared}
    values["env_kwargs"] = parse_env_kwargs(settings.env_kwargs)
    training = TrainingSettings(network=network, learner=learner, **values)
    try:
        env = gym.make(training.env, **training.env_kwargs)
    except gym.error.Error as error:
        raise ValueError(f"env: got {training.env!r}, expected an id that gymnasium.make knows ({error})") from None
    except (TypeError, ImportError) as error:
        raise ValueError(f"env: {training.env!r} could not be made: {error}") from None
    spaces.features(env.observation_space)
    spaces.actions(env.action_space)
    training = dataclasses.replace(training, objective=spaces.choose_objective(training.objective, env))
    env.close()
    return training


def compare(settings: Settings) -> tuple[Comparison, list[str], Path]:
    """Make all runs that are not finished yet; returns the comparison, the errors of failed runs, and the directory."""
    training = training_settings(settings)
    out = settings.out or default_directory("burnin_compare", training.env, training)
    config = {
        "experiment": "burnin_compare",
        "settings": json.loads(json.dumps(dataclasses.asdict(training))),
        "strategies": list(settings.strategies),
        "seeds": list(range(settings.seeds)),
        "versions": versions(),
    }
    open_directory(out, config, fresh=settings.fresh)
    comparison = Comparison(training, settings.strategies, tuple(range(settings.seeds)))
    runs = {
        (name, seed): Job(
            name=f"{name} seed {seed}",
            steps=training.updates,
            payload=(training, name, seed, path := out / "runs" / f"{name}_seed{seed}.json"),
            path=path,
            group=str(parse(name).burn_in),
        )
        for name in comparison.strategies
        for seed in comparison.seeds
    }
    contents, errors = finish(list(runs.values()), train, workers=settings.workers, title="burn-in comparison")
    comparison.runs = {run: result_of(contents[job.name]) for run, job in runs.items() if job.name in contents}
    return comparison, errors, out


def train(payload: tuple[TrainingSettings, str, int, Path], progress: Report) -> None:
    """One run, in a worker process; its result is written before the worker reports it."""
    # TensorFlow is imported by the workers alone: the command line answers at once.
    from r2d2_burnin import checkpoint
    from r2d2_burnin.quiet_tensorflow import use_one_thread
    from r2d2_burnin.training import Trainer

    settings, name, seed, path = payload
    key = repr(settings)
    if key not in _trainers:
        if not _trainers:
            use_one_thread()
        _trainers[key] = Trainer(settings)
    trainer = _trainers[key]
    result = trainer.run(parse(name), seed, progress)
    checkpoint.save(path.with_suffix(".npz"), trainer.network)
    write_json(path, content_of(result))


_trainers: dict[str, Any] = {}
"""The trainers of this worker process, with their compiled programs, by settings."""


def write_results(comparison: Comparison, errors: Sequence[str], out: Path) -> Path:
    """Write every result file of a comparison and print its table and verdict; returns the path of the report."""
    write_csv(out / "metrics.csv", ("strategy", "seed", "update", "metric", "value"), comparison.rows())
    write_json(out / "summary.json", summary(comparison))
    sentences = verdict(comparison)
    headers, rows = result_table(comparison)
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
    "Training loss: mean over the last tenth of updates. Error: whole fresh episodes, acted from their first step with"
    " carried state, the same for every strategy. ΔQ (Kapturowski et al., ICLR 2019, section 3): norm of the difference"
    " between the outputs from the state tried and from the reference, over the largest absolute output in the"
    " fragment. Staleness: learner updates between storing a state and replaying it.",
)


def result_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Headers and rows of the table, one row a strategy."""
    error = ERROR_NAMES[comparison.settings.objective]
    columns = {
        f"whole-episode {error}": "eval_error",
        "training loss": "train_loss",
        "error floor": None,
        "episode return": "episode_return",
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; returns the exit status: 0, or 1 if a run failed or was stopped."""
    quick = tuple(item for name, value in QUICK.items() for item in (f"--{name.replace('_', '-')}", str(value)))
    given = list(sys.argv[1:] if arguments is None else arguments)
    if "--quick" in given:
        given = [*quick, *given]  # what is given later wins
    settings = from_command_line(Settings, "burnin_compare", __doc__ or "", given)
    try:
        comparison, errors, out = compare(settings)
    except ValueError as error:
        fail(str(error))
    page = write_results(comparison, errors, out)
    print(f"\nreport: {page}")
    return 1 if errors else 0


if __name__ == "__main__":
    raise SystemExit(main())
