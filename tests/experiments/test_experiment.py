"""The skeleton that all experiments share, with an experiment of its own."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from experiments.common.experiment import Experiment, ImportedFunction, run_experiment
from experiments.common.jobs import Job, Worker
from experiments.common.jobs import Report as JobReport
from experiments.common.report import NextStep, Report, Section, Table
from experiments.common.results import to_json, write_sealed
from experiments.common.settings import RunSettings

HERE = "tests.experiments.test_experiment"
COMMANDS = ("burnin_compare", "counting", "burnin_advisor", "staleness", "atlas", "memory_use", "claims")


@dataclasses.dataclass(frozen=True)
class Square:
    """The result of a run."""

    number: int
    square: float


@dataclasses.dataclass(frozen=True)
class Number:
    """What a worker needs to know of a run."""

    number: int
    path: Path
    fails: bool
    stops_command: bool


def work(run: Number, report: JobReport, worker: Worker) -> None:
    if run.fails:
        raise ValueError("expected trouble")
    report(1, "squared")
    if run.stops_command:
        os.kill(os.getppid(), signal.SIGTERM)
        time.sleep(1.0)
    write_sealed(run.path, to_json(Square(run.number, run.number**2.0)))


@dataclasses.dataclass(frozen=True)
class Settings:
    runs: RunSettings
    failing: tuple[int, ...] = ()
    stopping: tuple[int, ...] = ()
    most: float = 100.0


def describe(settings: Settings) -> Experiment[Square, list[Square]]:
    out = settings.runs.out
    assert out is not None
    paths = [out / "runs" / f"{seed}.json" for seed in range(settings.runs.seeds)]

    def collect(contents: Mapping[Path, Square]) -> list[Square]:
        return [contents[path] for path in paths if path in contents]

    return Experiment(
        name="squares",
        directory=out,
        config={"settings": {"most": settings.most}},
        runs=settings.runs,
        jobs=[
            Job(f"number {i}", 1, Number(i, path, i in settings.failing, i in settings.stopping), path)
            for i, path in enumerate(paths)
        ],
        work=ImportedFunction(f"{HERE}:work"),
        record=Square,
        collect=collect,
        summary=lambda results, errors: {"squares": [result.square for result in results], "errors": list(errors)},
        report=ImportedFunction(f"{HERE}:page"),
        header=("number", "square"),
        rows=lambda results: [(result.number, result.square) for result in results],
        accepts=lambda results: all(result.square < settings.most for result in results),
    )


def page(results: list[Square], out: Path) -> Report:
    table = Table(["number", "square"], [[str(result.number), f"{result.square:g}"] for result in results])
    sections = [Section("Squares", ["Numbers & their squares."], table=table, note="Of whole numbers.")]
    step = NextStep("for more", ("--most", "7"), elsewhere=True)
    return Report("Squares of numbers", sections, conclusions=["They grow."], alarms=["LOUD"], next_step=step)


def run(settings: Settings, *arguments: str) -> int:
    def read(arguments: Sequence[str]) -> Settings:
        return settings

    return run_experiment(read, ImportedFunction(f"{HERE}:describe"), arguments)


def test_an_experiment_from_settings_to_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(RunSettings(seeds=3, workers=1, out=tmp_path), failing=(1,))
    assert run(settings, "--out", str(tmp_path), "--fresh", "--quick") == 1
    printed = capsys.readouterr().out
    assert "number 1 failed: ValueError: expected trouble" in printed
    assert printed.index("Squares") < printed.index("They grow.")
    assert printed.splitlines()[-3:] == [
        "answer: Squares of numbers",
        f"report: {tmp_path / 'report.html'}",
        "next, for more: python -m tests.experiments --most 7",  # what it makes is not put into this directory
    ]
    assert (tmp_path / "metrics.csv").read_text().split() == ["number,square", "0,0.0", "2,4.0"]
    content = json.loads((tmp_path / "summary.json").read_text())
    assert content == {"squares": [0.0, 4.0], "errors": ["number 1 failed: ValueError: expected trouble"]}
    assert json.loads((tmp_path / "runs" / "1.failed.json").read_text())["error"] == "ValueError: expected trouble"
    text = (tmp_path / "report.html").read_text()
    parts = ["LOUD", "number 1 failed", "Numbers &amp; their squares.", "<td ", "Of whole numbers."]
    places = [text.index(part) for part in (*parts, f"python -m tests.experiments --out {tmp_path} --quick")]
    assert places == sorted(places)

    # The run that failed is done again, a damaged one and one of another version too, the others are left alone.
    again = dataclasses.replace(settings, failing=())
    before = (tmp_path / "runs" / "0.json").stat().st_mtime_ns
    write_sealed(tmp_path / "runs" / "2.json", {"number": 2, "square": [4.0]})
    assert run(again) == 0
    captured = capsys.readouterr()
    assert "no Square of this version" in captured.err
    assert (tmp_path / "runs" / "2.damaged").exists()
    assert not (tmp_path / "runs" / "1.failed.json").exists()
    assert (tmp_path / "runs" / "0.json").stat().st_mtime_ns == before
    assert (tmp_path / "metrics.csv").read_text().split()[1:] == ["0,0.0", "1,1.0", "2,4.0"]

    with pytest.raises(SystemExit) as ended:
        run(dataclasses.replace(again, most=3.0))
    assert ended.value.code == 2
    assert "most is 100.0 there and 3.0 here" in capsys.readouterr().err
    rejected = dataclasses.replace(again, most=3.0, runs=RunSettings(seeds=3, workers=1, out=tmp_path, fresh=True))
    assert run(rejected) == 1  # results that are not accepted


def test_a_run_that_ends_while_the_command_is_stopped_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(RunSettings(seeds=3, workers=1, out=tmp_path), stopping=(1,))
    assert run(settings, "--out", str(tmp_path)) == 1
    captured = capsys.readouterr()
    assert "stopping: running jobs have 20 s to end" in captured.err
    assert "Stopped after 2 finished runs" in captured.out
    assert json.loads((tmp_path / "summary.json").read_text())["squares"] == [0.0, 1.0]

    # Where the last run ended so, nothing is missing.
    whole = Settings(RunSettings(seeds=2, workers=1, out=tmp_path / "whole"), stopping=(1,))
    assert run(whole, "--out", str(tmp_path / "whole")) == 0
    assert "Stopped" not in capsys.readouterr().out


@pytest.mark.usefixtures("jobs_in_process")
def test_no_report_is_written_while_modules_are_imported_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported: list[str] = []
    whole_page = page

    def import_slowly(module: str) -> None:
        time.sleep(0.3)
        imported.append(module)

    def checked_page(results: list[Square], out: Path) -> Report:
        assert imported == [HERE]
        return whole_page(results, out)

    monkeypatch.setattr("experiments.common.experiment._import_for_report", import_slowly)
    monkeypatch.setattr(f"{HERE}.page", checked_page)
    assert run(Settings(RunSettings(seeds=2, workers=1, out=tmp_path))) == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_answer_without_what_is_heavy(command: str) -> None:
    """Neither TensorFlow nor Matplotlib nor SciPy is imported by what reads a command line."""
    program = f"""
import sys
import experiments.{command}
assert not {{"tensorflow", "matplotlib", "scipy", "keras"}} & set(sys.modules), set(sys.modules)
assert experiments.{command}.main
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


def test_describing_a_comparison_imports_nothing_heavy(tmp_path: Path) -> None:
    """Workers begin at once: what they import, the command's own process does not wait for."""
    program = f"""
import sys
from experiments.burnin_compare import read_settings
from experiments.burnin_compare.experiment import describe
experiment = describe(read_settings(["--out", {str(tmp_path)!r}]))
assert len(experiment.jobs) == 25
assert not {{"tensorflow", "matplotlib"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])
