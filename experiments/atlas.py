"""The page a practitioner prints: tasks x initializations, with floors, outcome, ΔQ, memory and time of an update.

Every cell is a comparison as burnin_compare makes it, with the same files in a directory of its own. Runs resume, and
finished cells are not run again: a killed atlas, or one with a task or a seed more, goes on from what is there.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import tyro

from experiments import burnin_compare
from experiments.common import report
from experiments.common.command import run_experiment
from experiments.common.comparison import Comparison, error_floor, summary
from experiments.common.metrics import LiveMetrics
from experiments.common.results import versions, write_csv, write_json
from experiments.common.runs import RunSettings, finish, finished
from experiments.common.statistics import Estimate, estimate
from experiments.common.verdict import verdict
from r2d2_burnin.command_line import from_command_line
from r2d2_burnin.initialization import parse

TASKS: dict[str, list[str]] = {
    "count": ["--env", "BitStream/Count-v0"],
    "window-count": ["--env", "BitStream/WindowCount-v0"],
    "recall": ["--env", "BitStream/Recall-v0"],
    "parity": ["--env", "BitStream/Parity-v0"],
    "count-for-reward": [
        *("--env", "BitStream/Count-v0", "--env-kwargs", "modulo=4"),
        *("--objective", "q-learning", "--preset", "guess"),
    ],
    "position-only-cart-pole": ["--env", "popgym:popgym-PositionOnlyCartPoleEasy-v0"],
    "repeat-previous": ["--env", "popgym:popgym-RepeatPreviousEasy-v0", "--discount", "0.9"],
}
"""Flags of burnin_compare for every task."""

NEEDS = {"position-only-cart-pole": "popgym", "repeat-previous": "popgym"}
"""Packages of the extra envs-extra that tasks need."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """The flags of the command line."""

    tasks: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = (
        "count",
        "window-count",
        "recall",
        "count-for-reward",
        "position-only-cart-pole",
    )
    """Tasks: count, window-count, recall, parity, count-for-reward, position-only-cart-pole, repeat-previous."""
    strategies: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = (
        "zero",
        "zero+20",
        "learned",
        "learned+20",
        "stored",
        "stored+20",
        "refreshed",
        "refreshed+20",
        "full",
    )
    """Initializations: zero, stored, refreshed, learned, each also with +K steps of burn-in, and full."""
    flags: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE ...")] = ()
    """Further settings of burnin_compare for all tasks, for example updates=1000 units=64."""
    runs: RunSettings = dataclasses.field(default_factory=lambda: RunSettings(seeds=5))
    quick: bool = False
    """A rough answer: fewer updates, 1 seed."""

    def __post_init__(self) -> None:
        for name in ("tasks", "strategies"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name}: got {' '.join(values) or 'none'}, expected at least one, each once")
        for task in self.tasks:
            if task not in TASKS:
                raise ValueError(f"tasks: got {task!r}, expected some of {', '.join(TASKS)}")
            if task in NEEDS and find_spec(NEEDS[task]) is None:
                raise ValueError(f"tasks: {task} needs the package {NEEDS[task]}: pip install -e '.[envs-extra]'")
        for strategy in self.strategies:
            parse(strategy)
        for flag in self.flags:
            if "=" not in flag:
                raise ValueError(f"flags: got {flag!r}, expected NAME=VALUE, for example updates=1000")

    @property
    def directory(self) -> Path:
        """Of the results, with one for each task in it."""
        return self.runs.out or Path("results", "atlas-quick" if self.quick else "atlas")


def settings_of(task: str, settings: Settings) -> burnin_compare.Settings:
    """The comparison of a task."""
    more = [part for flag in settings.flags for part in (f"--{flag.partition('=')[0]}", flag.partition("=")[2])]
    seeds = [] if settings.quick else ["--seeds", str(settings.runs.seeds)]
    return burnin_compare.read_settings(
        [
            *TASKS[task],
            *("--strategies", *settings.strategies, "--out", str(settings.directory / task)),
            *(["--quick"] if settings.quick else []),
            *(["--fresh"] if settings.runs.fresh else []),
            *("--checkpoint-every", str(settings.runs.checkpoint_every)),
            *seeds,
            *more,
        ]
    )


HEADER = ("task", *burnin_compare.HEADER)
"""Columns of `metrics.csv`."""


def chart(settings: Settings) -> tuple[dict[str, Comparison], list[str], Path]:
    """Make all runs that are not finished yet; returns the comparisons by task, the errors, and the directory."""
    prepared = {task: burnin_compare.prepare(settings_of(task, settings)) for task in settings.tasks}
    named = {
        f"{task} {job.name}": ((task, *run), job)
        for task, (_, jobs, _) in prepared.items()
        for run, job in jobs.items()
    }
    jobs = [dataclasses.replace(job, name=name) for name, (_, job) in named.items()]
    before = finished(jobs)
    for comparison, runs, _ in prepared.values():
        burnin_compare.fill(comparison, runs, before)
    rows = [(task, *row) for task, (comparison, _, _) in prepared.items() for row in comparison.rows()]
    names = {name: columns for name, (columns, _) in named.items()}
    out = settings.directory
    with LiveMetrics(out / "metrics.csv", HEADER, rows, names, settings.runs.tensorboard) as listen:
        contents, errors = finish(jobs, burnin_compare.train, settings.runs, title="atlas", listen=listen)
    for task, (comparison, runs, directory) in prepared.items():
        burnin_compare.fill(comparison, runs, contents)
        burnin_compare.write_results(comparison, [], settings_of(task, settings), directory, show=False)
    return {task: comparison for task, (comparison, _, _) in prepared.items()}, errors, out


def outcome(comparison: Comparison, strategy: str) -> Estimate | None:
    """The outcome of a cell."""
    return comparison.estimate(strategy, comparison.outcome.metric)


def cost(comparison: Comparison, strategy: str, name: str) -> Estimate | None:
    """A cost of a cell: `update_seconds`, `replay_bytes` or `batch_bytes`."""
    return estimate([float(getattr(run, name)) for run in comparison.of(strategy).values()])


def tables(comparisons: dict[str, Comparison], strategies: Sequence[str]) -> dict[str, list[list[str]]]:
    """Tables tasks x initializations by title."""

    def rows(tell: Any) -> list[list[str]]:
        return [
            [task, *(_told(tell(comparison, strategy)) for strategy in strategies)]
            for task, comparison in comparisons.items()
        ]

    def scaled(name: str, factor: float) -> Any:
        def tell(comparison: Comparison, strategy: str) -> float | None:
            found = cost(comparison, strategy, name)
            return None if found is None else found.mean * factor

        return tell

    return {
        "Outcome over whole fresh episodes (mean, 95 % bootstrap interval)": rows(outcome),
        "Error floor of the training loss": rows(lambda comparison, name: error_floor(comparison.settings, name)),
        "Training loss": rows(lambda comparison, name: comparison.estimate(name, "train_loss")),
        "ΔQ at the first trained step, against the exact state": rows(
            lambda comparison, name: comparison.estimate(name, "delta_q_first_exact")
        ),
        "Milliseconds of an update": rows(scaled("update_seconds", 1e3)),
        "Memory of replay (MB)": rows(scaled("replay_bytes", 1e-6)),
        "Memory of a batch (kB)": rows(scaled("batch_bytes", 1e-3)),
    }


def _told(value: Estimate | float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def write_results(comparisons: dict[str, Comparison], errors: Sequence[str], settings: Settings, out: Path) -> Path:
    """Write the page and its files and print the tables; returns the path of the page."""
    from experiments.common import atlas_plots  # draws with Matplotlib, which no command line waits for

    strategies = settings.strategies
    write_json(
        out / "config.json",
        {
            "experiment": "atlas",
            "settings": json.loads(json.dumps(dataclasses.asdict(settings), default=str)),
            "versions": versions(),
        },
    )
    write_json(out / "summary.json", {"tasks": {task: _summary(c) for task, c in comparisons.items()}})
    write_csv(
        out / "metrics.csv",
        HEADER,
        ((task, *row) for task, comparison in comparisons.items() for row in comparison.rows()),
    )
    title = "What each initialization reaches on each task"
    parts = [report.paragraph(text, alarm=True) for text in errors]
    if any(comparison.runs for comparison in comparisons.values()):
        caption = atlas_plots.draw(comparisons, strategies, out / "atlas.png")
        parts.append(report.picture(out / "atlas.png", caption))
    headers = ["task", *strategies]
    for name, rows in tables(comparisons, strategies).items():
        print(f"\n{name}\n{report.table(rows, headers)}")
        parts += [report.heading(name), report.html_table(rows, headers)]
    for task, comparison in comparisons.items():
        sentences = verdict(comparison)
        parts += [report.heading(f"{task}: {comparison.outcome.name}"), report.bullets(sentences)]
        for sentence in sentences:
            if "LEAK" in sentence:
                print(f"- {task}: {sentence}")
    for error in errors:
        print(f"- {error}")
    report.write_page(out / "report.html", title, parts)
    return out / "report.html"


def _summary(comparison: Comparison) -> dict[str, Any]:
    content = summary(comparison)
    for name, entry in content["strategies"].items():
        for key in ("update_seconds", "replay_bytes", "batch_bytes"):
            found = cost(comparison, name, key)
            entry[key] = None if found is None else found.as_json()
    return content


def read_settings(arguments: Sequence[str]) -> Settings:
    """Settings from the command line."""
    return from_command_line(Settings, "experiments.atlas", __doc__ or "", arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the atlas; returns 0, or 1 if a run failed or was stopped."""
    return run_experiment(read_settings, chart, write_results, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
