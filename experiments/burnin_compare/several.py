"""Several comparisons as one experiment: each with the files of a comparison, in a directory of its own."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from experiments.burnin_compare import experiment as comparing
from experiments.burnin_compare.comparison import Comparison
from experiments.burnin_compare.settings import Settings, Shared, read_settings
from experiments.common.experiment import Experiment, ImportedFunction
from r2d2_burnin.data import TrainingResult

Results = TypeVar("Results")


def comparison_settings(
    name: str, strategies: Sequence[str], flags: Sequence[str], shared: Shared, more: Sequence[str] = ()
) -> Settings:
    """The settings of one comparison.

    Args:
        name: of its directory.
        strategies: initializations.
        flags: its own, as the command line has them.
        shared: what it has in common with the others; its flags come after its own.
        more: flags that come last.
    """
    common = [part for flag in shared.flags for part in (f"--{flag.partition('=')[0]}", flag.partition("=")[2])]
    arguments = [
        *flags,
        *("--strategies", *strategies, "--out", str(shared.directory / name)),
        *(["--quick"] if shared.quick else []),
        *(["--fresh"] if shared.runs.fresh else []),
        *("--checkpoint-every", str(shared.checkpoint_every)),
    ]
    try:
        return read_settings([*arguments, *common, *more])
    except SystemExit as ended:
        if ended.code and shared.flags:
            print(
                f"error: flags: got {' '.join(shared.flags)}, expected settings of burnin_compare as NAME=VALUE; what"
                f" it says of {shlex.join(common)} is above (python -m experiments.burnin_compare --help)",
                file=sys.stderr,
            )
        raise


def describe(
    name: str,
    config: dict[str, Any],
    settings: Mapping[str, Settings],
    shared: Shared,
    *,
    collect: Callable[[dict[str, Comparison]], Results],
    summary: Callable[[Results, Sequence[str]], dict[str, Any]],
    report: ImportedFunction,
    rows: Callable[[Results], Any],
    first_column: str,
) -> Experiment[TrainingResult, Results]:
    """One experiment of these comparisons, by name.

    Args:
        name: of the experiment.
        config: content of its `config.json`.
        settings: of the comparisons.
        shared: what they have in common.
        collect: results, from the comparisons with their finished runs.
        summary: content of `summary.json`, from results and errors.
        report: the report, from the results and the directory of pictures.
        rows: of `metrics.csv`, with the name of the comparison first.
        first_column: what `metrics.csv` calls that name.
    """
    parts = {key: comparing.describe(of_part) for key, of_part in settings.items()}
    jobs = [(key, part, job) for key, part in parts.items() for job in part.jobs]
    return Experiment(
        name=name,
        directory=shared.directory,
        config=config,
        runs=shared.runs,
        jobs=[dataclasses.replace(job, name=f"{key} {job.name}") for key, _, job in jobs],
        work=ImportedFunction("experiments.burnin_compare.training:train"),
        record=TrainingResult,
        collect=lambda contents: collect({key: part.collect(contents) for key, part in parts.items()}),
        summary=summary,
        report=report,
        header=(first_column, *comparing.HEADER),
        rows=rows,
        columns={f"{key} {job.name}": (key, *part.columns[job.name]) for key, part, job in jobs},
        tensorboard=shared.tensorboard,
        parts=list(parts.values()),
    )


def rows_of(comparisons: Mapping[str, Comparison]) -> Any:
    """All measurements, as `metrics.csv` has them."""
    for name, comparison in comparisons.items():
        for row in comparison.rows():
            yield name, *row
