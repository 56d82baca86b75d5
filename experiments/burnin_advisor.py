"""How long must burn-in be, for your environment and your network? A measured answer instead of a copied 40.

For burn-ins of 0, 1, 2, 4, 8, .. steps it measures, on recorded episodes: ΔQ at the first and last trained step against
the exact state, from the zero state and from stored states; how fast a wrong state is forgotten; loss; how many best
actions change; and what the burn-in costs in time and memory. The verdict is the smallest burn-in within --tolerance,
or 'zero state is enough', or 'no burn-in suffices: store states'.

Without --checkpoint it trains an agent first, with the same flags as burnin_compare. Results are kept seed by seed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.common import report
from experiments.common.advice import Task, advise_seed
from experiments.common.command import run_experiment
from experiments.common.jobs import Job
from experiments.common.presets import inputs_of, read_with_preset
from experiments.common.results import versions, write_json
from experiments.common.runs import RunSettings, default_directory, finish, open_directory
from r2d2_burnin.initialization import parse
from r2d2_burnin.settings import TrainingSettings


@dataclasses.dataclass(frozen=True)
class Settings:
    """The flags of the command line."""

    training: TrainingSettings = dataclasses.field(default_factory=TrainingSettings)
    checkpoint: Path | None = None
    """A network's parameters, as burnin_compare leaves them in runs/; give the flags that it was trained with."""
    stored_checkpoint: Path | None = None
    """Older parameters of the same network, to compute the stored states with; by default --checkpoint itself. Without
    --checkpoint they are those of as many updates ago as stored states were old in training."""
    trained_with: str = "stored"
    """The initialization to train with where there is no --checkpoint."""
    tolerance: float = 0.05
    """Largest mean ΔQ, at the first and at the last trained step, that is good enough."""
    longest: int | None = None
    """Longest burn-in to try; by default the longest one that the episodes can judge (half their length)."""
    episodes: int = 64
    """Episodes to record."""
    runs: RunSettings = dataclasses.field(default_factory=lambda: RunSettings(seeds=3))
    preset: str = "small"
    """Values for all that is not set otherwise, as burnin_compare has them: small, guess or r2d2."""

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise ValueError(f"episodes: got {self.episodes}, expected at least 1")
        if not self.tolerance > 0:
            raise ValueError(f"tolerance: got {self.tolerance}, expected a number above 0, for example 0.05")
        if self.longest is not None and self.longest < 0:
            raise ValueError(f"longest: got {self.longest}, expected at least 0 steps")
        parse(self.trained_with)
        for name in ("checkpoint", "stored_checkpoint"):
            path = getattr(self, name)
            if path is not None and not path.exists():
                raise ValueError(f"{name}: there is no file {path}, expected one that burnin_compare wrote in runs/")
        if self.stored_checkpoint is not None and self.checkpoint is None:
            raise ValueError("stored_checkpoint: got one without a checkpoint, expected both")


def advise_all(settings: Settings) -> tuple[dict[int, Any], list[str], Path]:
    """Advise for every seed that is not finished yet; returns contents by seed, the errors, and the directory."""
    task = Task(**{field.name: getattr(settings, field.name) for field in dataclasses.fields(Task)})
    out = settings.runs.out or default_directory("burnin_advisor", settings.training.environment.env, task)
    config = {
        "experiment": "burnin_advisor",
        "settings": json.loads(json.dumps(dataclasses.asdict(task), default=str)),
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
    """The verdict over seeds: a burn-in that suffices for every seed, or none."""
    found = [one["burn_in"] for one in by_seed.values()]
    known = [k for k in found if k is not None]
    if len(known) < len(found):
        verdict, burn_in = "no burn-in suffices: store states", None
    else:
        burn_in = max(known)
        verdict = "burn-in suffices" if burn_in else "zero state is enough"
    words = {
        "no burn-in suffices: store states": "No burn-in from the zero state suffices: store states",
        "burn-in suffices": f"A burn-in of {burn_in} steps from the zero state suffices",
        "zero state is enough": "The zero state is enough, without burn-in",
    }[verdict]
    return {"verdict": verdict, "burn_in": burn_in, "burn_in_by_seed": found, "sentence": words}


def summary(by_seed: dict[int, Any], settings: Settings) -> dict[str, Any]:
    """The content of `summary.json`."""
    return {
        "env": settings.training.environment.env,
        "objective": settings.training.objective,
        "tolerance": settings.tolerance,
        **(overall(by_seed) if by_seed else {}),
        "seeds": {str(seed): content for seed, content in by_seed.items()},
    }


def result_table(by_seed: dict[int, Any]) -> tuple[list[str], list[list[str]]]:
    """Means over seeds, one row for each burn-in that all seeds measured."""
    ones = list(by_seed.values())
    costs = [{c["burn_in"]: c for c in one["costs"]} for one in ones]
    rows = []
    for start in ("zero", "stored"):
        measured = [{m["burn_in"]: m for m in one["measures"] if m["start"] == start} for one in ones]
        for k in sorted(set.intersection(*(set(m) for m in measured))):

            def mean(name: str, k: int = k, measured: Any = measured) -> str:
                values = [m[k][name] for m in measured if m[k][name] is not None]
                return f"{np.mean(values):.3g}" if values else "-"

            cost = [c[k] for c in costs if k in c]
            rows.append(
                [
                    start if k == 0 else f"{start}+{k}",
                    *(mean(name) for name in ("delta_q_first", "delta_q_last", "state_error", "loss", "loss_exact")),
                    mean("changed_actions"),
                    f"{1e3 * np.mean([c['update_seconds'] for c in cost]):.3g}" if cost else "-",
                    f"{np.mean([c['burn_in_bytes'] for c in cost]):.0f}" if cost else "-",
                ]
            )
    headers = ["initialization", "ΔQ first (exact)", "ΔQ last (exact)", "state error", "loss", "loss, exact state"]
    return [*headers, "changed actions", "ms an update", "burn-in bytes a fragment"], rows


def evidence(by_seed: dict[int, Any], settings: Settings) -> list[str]:
    """Sentences: the verdict over seeds, each seed's, and the forgetting time."""
    total = overall(by_seed)
    each = [f"{k}" if k is not None else "none" for k in total["burn_in_by_seed"]]
    sentences = [f"{total['sentence']} (smallest within ΔQ {settings.tolerance:g}, seed by seed: {', '.join(each)})."]
    sentences += [f"Seed {seed}: {one['sentence']}" for seed, one in by_seed.items()]
    for seed, one in by_seed.items():
        time = one["forgetting"]
        if time["steps"] is None:
            sentences.append(f"Seed {seed}: a wrong start state is not forgotten.")
        else:
            high = "no bound" if time["high"] is None else f"{time['high']:.3g}"
            low = "no bound" if time["low"] is None else f"{time['low']:.3g}"
            sentences.append(
                f"Seed {seed}: forgetting time {time['steps']:.3g} steps [{low}, {high}] (state error falls to 1/e)."
            )
    losses = [next(m["loss_exact"] for m in one["measures"]) for one in by_seed.values()]
    told = ", ".join("-" if loss is None else f"{loss:.3g}" for loss in losses)
    sentences.append(
        f"This is about the networks as they are: their loss from the exact state is {told}. One that has not learned"
        " its task needs no memory, or keeps what it does not need."
    )
    if settings.checkpoint is None:
        ages = ", ".join(str(one["stored_age"]) for one in by_seed.values())
        sentences.append(
            f"Stored states were computed by parameters of {ages} updates ago, their mean age in training."
        )
    elif settings.stored_checkpoint is None:
        sentences.append(
            "Stored states were computed by the same parameters, so they are exact; give --stored-checkpoint to see"
            " what their age costs."
        )
    return sentences


def write_results(by_seed: dict[int, Any], errors: Sequence[str], settings: Settings, out: Path) -> Path:
    """Write every result file and print table and verdict; returns the path of the report."""
    from experiments.common import advice_plots  # draws with Matplotlib, which no command line waits for

    write_json(out / "summary.json", summary(by_seed, settings))
    parts = [report.paragraph(text, alarm=True) for text in errors]
    sentences: list[str] = []
    title = f"{settings.training.environment.env}: no seed has finished"
    if by_seed:
        sentences = evidence(by_seed, settings)
        headers, rows = result_table(by_seed)
        title = f"{settings.training.environment.env}: {overall(by_seed)['sentence'].lower()}"
        print(f"\n{report.table(rows, headers)}\n")
        caption = advice_plots.draw(list(by_seed.values()), settings.tolerance, title, out / "advice.png")
        parts += [
            report.bullets(sentences),
            report.picture(out / "advice.png", caption),
            report.html_table(rows, headers),
        ]
    for sentence in [*sentences, *errors]:
        print(f"- {sentence}")
    parts += [report.heading("To run it again"), report.preformatted((out / "config.json").read_text(encoding="utf-8"))]
    report.write_page(out / "report.html", title, parts)
    return out / "report.html"


def read_settings(arguments: Sequence[str]) -> Settings:
    """Settings from the command line."""
    return read_with_preset(Settings, "experiments.burnin_advisor", __doc__ or "", arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Give the advice; returns 0, or 1 if a seed failed or was stopped."""
    return run_experiment(read_settings, advise_all, write_results, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
