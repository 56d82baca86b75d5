"""The runs of the staleness experiment, and their result files."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.common import report
from experiments.common.jobs import Job, Report
from experiments.common.presets import inputs_of
from experiments.common.results import versions, write_csv, write_json, write_sealed
from experiments.common.runs import default_directory, finish, open_directory
from experiments.common.statistics import Estimate, estimate
from experiments.common.trainers import trainer_for
from experiments.staleness.settings import Settings
from r2d2_burnin.initialization import parse
from r2d2_burnin.settings import TrainingSettings

MEASURES = ("delta_q_first_exact", "delta_q_last_exact", "state_error")
FRAGMENTS = 1024
"""Fragments drawn at each measurement."""


@dataclasses.dataclass(frozen=True)
class Case:
    """One combination of what is tried."""

    strategy: str
    learning_rate: float
    replay_ratio: float

    @property
    def name(self) -> str:
        """Of its runs' files."""
        return f"{self.strategy}_lr{self.learning_rate:g}_ratio{self.replay_ratio:g}"


def training_of(settings: TrainingSettings, case: Case) -> TrainingSettings:
    """The training settings of a case."""
    learner = dataclasses.replace(
        settings.learner, learning_rate=case.learning_rate, final_learning_rate=case.learning_rate
    )
    trained = settings.batch_size * settings.replay.sequence_length * settings.updates_between
    return dataclasses.replace(settings, learner=learner, new_steps=max(round(trained / case.replay_ratio), 1))


def make_runs(settings: Settings) -> tuple[dict[Case, dict[int, Any]], list[str], Path]:
    """Make all runs that are not finished; returns contents by case and seed, the errors, and the directory."""
    out = settings.runs.out or default_directory("staleness", settings.training.environment.env, settings.training)
    config = {
        "experiment": "staleness",
        "settings": json.loads(json.dumps(dataclasses.asdict(settings.training))),
        "learning_rates": settings.learning_rates,
        "replay_ratios": settings.replay_ratios,
        "strategies": settings.strategies,
        "seeds": list(range(settings.runs.seeds)),
        "inputs": inputs_of(settings.training),
        "versions": versions(),
    }
    open_directory(out, config, fresh=settings.runs.fresh)
    combinations = itertools.product(settings.replay_ratios, settings.learning_rates, settings.strategies)
    cases = [Case(strategy, rate, ratio) for ratio, rate, strategy in combinations]
    jobs = {}
    for case, seed in itertools.product(cases, range(settings.runs.seeds)):
        path = out / "runs" / f"{case.name}_seed{seed}.json"
        payload = (training_of(settings.training, case), case.strategy, seed, path)
        group = f"{case.strategy} {case.learning_rate}"
        jobs[case, seed] = Job(f"{case.name} seed {seed}", settings.training.updates, payload, path, group)
    contents, errors = finish(list(jobs.values()), measure_ages, settings.runs, title="staleness")
    found: dict[Case, dict[int, Any]] = {case: {} for case in cases}
    for (case, seed), job in jobs.items():
        if job.path in contents:
            found[case][seed] = contents[job.path]
    return found, errors, out


def measure_ages(payload: tuple[TrainingSettings, str, int, Path], progress: Report) -> None:
    """One run, in a worker process; its result is written before the worker reports it."""
    settings, strategy, seed, path = payload
    trainer, initialization = trainer_for(settings), parse(strategy)
    generator = np.random.default_rng(seed)
    ages: list[np.ndarray] = []
    values: dict[str, list[np.ndarray]] = {name: [] for name in MEASURES}

    def observe(update: int, replay: Any, learner: Any) -> None:
        if update < settings.updates / 2:
            return
        rows = replay.all_rows()
        rows = generator.choice(rows[replay.starts(rows) > 0], FRAGMENTS)
        discrepancies, _ = trainer.parts.measure(parse(strategy))(
            replay.batch(rows), replay.references(rows), learner.learned_state
        )
        ages.append(replay.staleness(rows, update))
        for name in MEASURES:
            values[name].append(getattr(discrepancies, name))

    trainer.run(initialization, seed, progress, observe)
    age = np.concatenate(ages)
    edges = age_edges(int(age.max()), settings.updates_between)
    bins = np.digitize(age, edges) - 1
    content: dict[str, Any] = {"oldest": int(age.max()), "age": [], "fragments": [], **{name: [] for name in MEASURES}}
    for index in np.unique(bins):
        mine = bins == index
        content["age"].append(float(age[mine].mean()))
        content["fragments"].append(int(mine.sum()))
        for name in MEASURES:
            content[name].append(float(np.concatenate(values[name])[mine].mean()))
    from scipy import stats

    slope = stats.linregress(age / 100, np.concatenate(values["delta_q_first_exact"])).slope
    content["delta_q_first_exact_per_100_updates"] = float(slope) if np.ptp(age) else None
    write_sealed(path, content)


def age_edges(oldest: int, updates_between: int) -> np.ndarray:
    """Edges of the age bins: the youngest fragments alone, then one more round of acting, then doubling."""
    edges = [0, 1]
    while edges[-1] <= oldest:
        edges.append(max(2 * edges[-1], updates_between + 1))
    return np.array(edges)


def summary(found: dict[Case, dict[int, Any]], settings: Settings) -> dict[str, Any]:
    """The content of `summary.json`."""
    cases = []
    for case, by_seed in found.items():
        slope = _estimate(by_seed, lambda one: one["delta_q_first_exact_per_100_updates"])
        cases.append(
            {
                **dataclasses.asdict(case),
                "delta_q_first_exact_per_100_updates": None if slope is None else slope.as_json(),
                "runs": {str(seed): one for seed, one in by_seed.items()},
            }
        )
    return {"env": settings.training.environment.env, "objective": settings.training.objective, "cases": cases}


def _estimate(by_seed: dict[int, Any], value_of: Any) -> Estimate | None:
    values = [value_of(one) for one in by_seed.values()]
    return estimate([value for value in values if value is not None])


def result_table(found: dict[Case, dict[int, Any]]) -> tuple[list[str], list[list[str]]]:
    """Headers and rows of the table, one row a case."""
    rows = []
    for case, by_seed in found.items():
        columns = [
            _estimate(by_seed, lambda one: one["delta_q_first_exact"][0]),
            _estimate(by_seed, lambda one: one["delta_q_first_exact"][-1]),
            _estimate(by_seed, lambda one: one["age"][-1]),
            _estimate(by_seed, lambda one: one["delta_q_first_exact_per_100_updates"]),
            _estimate(by_seed, lambda one: one["state_error"][-1]),
        ]
        told = ["-" if value is None else str(value) for value in columns]
        rows.append([case.strategy, f"{case.learning_rate:g}", f"{case.replay_ratio:g}", *told])
    headers = ["initialization", "learning rate", "replay ratio", "ΔQ first, youngest", "ΔQ first, oldest"]
    return [*headers, "age of the oldest (updates)", "ΔQ first, each 100 updates", "state error, oldest"], rows


def finding(found: dict[Case, dict[int, Any]]) -> str:
    """One sentence: from the youngest to the oldest states, where the most is asked of them."""
    finished = {case: by_seed for case, by_seed in found.items() if by_seed}
    if not finished:
        return "how fast stored states rot"
    rate = max(case.learning_rate for case in finished)
    ratio = max(case.replay_ratio for case in finished)
    told = []
    for case, by_seed in finished.items():
        if (case.learning_rate, case.replay_ratio) == (rate, ratio):
            ends = [np.mean([one["delta_q_first_exact"][end] for one in by_seed.values()]) for end in (0, -1)]
            told.append(f"{case.strategy} {ends[0]:.2g} to {ends[1]:.2g}")
    where = f"learning rate {rate:g}, replay ratio {ratio:g}"
    return f"ΔQ from the youngest to the oldest states at {where}: {'; '.join(told)}"


def write_results(found: dict[Case, dict[int, Any]], errors: Sequence[str], settings: Settings, out: Path) -> Path:
    """Write every result file and print the table; returns the path of the report."""
    from experiments.staleness import plots  # draws with Matplotlib, which no command line waits for

    write_json(out / "summary.json", summary(found, settings))
    write_csv(
        out / "metrics.csv",
        ("strategy", "learning_rate", "replay_ratio", "seed", "age", "fragments", *MEASURES),
        (
            (case.strategy, case.learning_rate, case.replay_ratio, seed, *row)
            for case, by_seed in found.items()
            for seed, one in by_seed.items()
            for row in zip(one["age"], one["fragments"], *(one[name] for name in MEASURES), strict=True)
        ),
    )
    headers, rows = result_table(found)
    title = f"{settings.training.environment.env}: {finding(found)}"
    print(f"\n{report.table(rows, headers)}\n\n- {title}")
    for error in errors:
        print(f"- {error}")
    parts = [report.paragraph(text, alarm=True) for text in errors]
    if any(found.values()):
        caption = plots.draw(found, title, out / "staleness.png")
        parts.append(report.picture(out / "staleness.png", caption))
    parts += [
        report.html_table(rows, headers),
        report.heading("To run it again"),
        report.preformatted((out / "config.json").read_text(encoding="utf-8")),
    ]
    report.write_page(out / "report.html", title, parts)
    return out / "report.html"
