"""What happens to long jobs: killed processes, full disks, damaged files, other commands, broken environments."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import burnin_compare
from experiments.burnin_compare.settings import RunSpecification
from experiments.burnin_compare.training import train
from experiments.common.jobs import Job, Rows
from experiments.common.jobs import Stopped as JobStopped
from experiments.common.metrics import LiveMetrics
from experiments.common.results import read_sealed
from r2d2_burnin.initialization import parse
from r2d2_burnin.settings import TrainingSettings
from r2d2_burnin.training.trainer import Trainer
from tests.common.commands import ROOT, run_command
from tests.common.disk import remount, small_disk
from tests.common.in_process import WORKER

USER = "tests.common.user_networks"
USERS_ENVIRONMENTS = "tests.common.user_environments"
COMMON = [
    *("--strategies", "stored", "zero+3", "--env-kwargs", "length=15", "--units", "4", "--batch-size", "4"),
    *("--num-envs", "4", "--initial-steps", "200", "--new-steps", "60", "--updates-between", "10"),
    *("--measured-fragments", "8", "--evaluation-episodes", "4", "--sequence-length", "5", "--period", "3"),
    *("--replay-capacity", "1000"),
]
SHORT = [*COMMON, "--seeds", "1", "--updates", "60", "--measure-every", "30", "--checkpoint-every", "20"]
WITHOUT_STRATEGIES = SHORT[SHORT.index("--env-kwargs") :]
LONG = [*COMMON, "--seeds", "1", "--updates", "6000", "--measure-every", "500", "--checkpoint-every", "50"]


KILLS = 6
"""Random moments at which a worker process is killed: one while it starts, the others while it runs."""

KILLS_OF_PARENT = 4
"""The same of a command's own process. Fewer, as the whole command begins anew each time."""


def command(out: Path, *flags: str) -> list[str]:
    return [sys.executable, "-m", "experiments.burnin_compare", *flags, "--out", str(out)]


def begin(out: Path, *flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(command(out, *flags), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def figures(out: Path) -> dict[str, Any]:
    """Everything measured in finished runs: without seconds."""
    result = {path.name: json.loads(path.read_text()) for path in sorted((out / "runs").glob("*_seed?.json"))}
    return {name: content["measurements"] for name, content in result.items()}


def workers_of(parent: int) -> list[int]:
    """Worker processes of a command."""
    result = []
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            text = (directory / "stat").read_text()
            mine = int(text.rpartition(")")[2].split()[1]) == parent
            if mine and b"spawn_main" in (directory / "cmdline").read_bytes():
                result.append(int(directory.name))
    return result


def gone(process: int) -> bool:
    try:
        return (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a job that nothing happened to."""
    out = tmp_path_factory.mktemp("undisturbed")
    assert burnin_compare.main([*LONG, "--out", str(out)]) == 0
    return out


linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux, to find the worker processes")


def wait_for_a_moment(process: subprocess.Popen[str], out: Path, kills: int, generator: np.random.Generator) -> bool:
    """Wait for a random moment, the first one soon after a command has begun; returns whether it runs on."""
    if kills == 0:
        while not workers_of(process.pid) and process.poll() is None:
            time.sleep(0.05)
        time.sleep(float(generator.uniform(0.0, 3.0)))
    else:
        before = set(out.glob("checkpoints/*/*.npz"))
        while set(out.glob("checkpoints/*/*.npz")) <= before and process.poll() is None:
            time.sleep(0.02)
        time.sleep(float(generator.uniform(0.0, 0.2)))
    return process.poll() is None


@linux
@pytest.mark.long
def test_the_parent_killed_at_random_moments(undisturbed: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    whole, kills = figures(undisturbed), 0
    while kills < KILLS_OF_PARENT:
        process = begin(tmp_path, *LONG, "--resume")
        if not wait_for_a_moment(process, tmp_path, kills, generator):
            process.communicate()
            break
        workers = workers_of(process.pid)
        process.kill()
        process.communicate()
        kills += 1
        deadline = time.monotonic() + 20
        while not all(map(gone, workers)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert all(map(gone, workers))  # nobody writes on
        assert figures(tmp_path).items() <= whole.items()
    assert kills > 2
    assert (
        subprocess.run(command(tmp_path, *LONG, "--resume"), cwd=ROOT, capture_output=True, check=False).returncode == 0
    )
    assert figures(tmp_path) == whole
    assert list((tmp_path / "checkpoints").iterdir()) == []


@linux
@pytest.mark.long
def test_workers_killed_at_random_moments(undisturbed: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    kills = 0
    while kills < KILLS:
        process = begin(tmp_path, *LONG, "--resume")
        while kills < KILLS and wait_for_a_moment(process, tmp_path, kills, generator):
            if workers := workers_of(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(generator.choice(workers)), signal.SIGKILL)
                    kills += 1
        printed = process.communicate()[0]
        assert process.returncode in (0, 1)
        if process.returncode == 1:
            assert "its worker process died (out of memory, or killed)" in printed
        if process.returncode == 0:
            break
    assert kills > 5
    assert (
        subprocess.run(command(tmp_path, *LONG, "--resume"), cwd=ROOT, capture_output=True, check=False).returncode == 0
    )
    assert figures(tmp_path) == figures(undisturbed)


@dataclasses.dataclass(frozen=True)
class Stopped:
    """What was seen of a command while it ran, until SIGTERM ended it."""

    out: Path
    process: int
    second: subprocess.CompletedProcess[str]
    """Another command in the same directory."""
    metrics: str
    """`metrics.csv` while runs were going on."""
    finished_before: list[Path]
    """Files of finished runs by then."""
    printed: str
    returncode: int


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Stopped:
    out = tmp_path_factory.mktemp("stopped") / "out"
    process = begin(out, *LONG, "--workers", "1")
    assert process.stdout is not None
    try:
        while not (out / ".lock.json").exists():
            time.sleep(0.05)
        second = run_command(burnin_compare.main, [*LONG, "--out", str(out)])
        printed, metrics = "", ""
        while " of 6000 updates, loss " not in printed:
            line = process.stdout.readline()
            assert line, printed
            printed += line
        deadline = time.monotonic() + 60
        while metrics.count("\n") <= 50 and time.monotonic() < deadline:
            metrics = (out / "metrics.csv").read_text() if (out / "metrics.csv").exists() else ""
            time.sleep(0.1)
        finished_before = list((out / "runs").glob("*_seed?.json"))
        process.send_signal(signal.SIGTERM)
        printed += process.communicate(timeout=60)[0]
    finally:
        process.kill()
        process.communicate()
    return Stopped(out, process.pid, second, metrics, finished_before, printed, process.returncode)


def test_a_second_command_in_the_same_directory_is_refused(stopped: Stopped) -> None:
    assert stopped.second.returncode == 2
    assert f"is in use by process {stopped.process} on " in stopped.second.stderr
    assert f"since {time.strftime('%Y-')}" in stopped.second.stderr


def test_the_log_shows_progress_without_a_terminal_and_sigterm_ends_with_a_report(stopped: Stopped) -> None:
    assert "stored seed 0: " in stopped.printed or "zero+3 seed 0: " in stopped.printed
    assert stopped.returncode == 1
    assert "Stopped after 0 finished runs" in stopped.printed
    assert "Traceback" not in stopped.printed
    content = json.loads((stopped.out / "summary.json").read_text())
    assert content["status"] == "incomplete"
    assert content["errors"] == [text for text in content["errors"] if "--resume" in text]
    assert content["command"].startswith("python -m experiments.burnin_compare --strategies stored zero+3")
    assert (stopped.out / "report.html").exists()


def test_measurements_can_be_read_while_the_job_runs(stopped: Stopped) -> None:
    lines = stopped.metrics.splitlines()
    assert len(lines) > 50
    assert lines[0] == "strategy,seed,update,metric,value"
    assert all(line.count(",") == 4 for line in lines[:-1])
    assert not stopped.finished_before


@pytest.mark.usefixtures("jobs_in_process")
def test_a_start_that_failed_does_not_occupy_the_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [*SHORT, "--out", str(tmp_path)]
    assert burnin_compare.main([*flags, "--network", f"{USER}:wrong_outputs"]) == 1
    assert "failed: " in capsys.readouterr().out
    assert burnin_compare.main(flags) == 0
    assert json.loads((tmp_path / "summary.json").read_text())["status"] == "complete"
    with pytest.raises(SystemExit):  # now there is something to keep
        burnin_compare.main([*flags, "--units", "5"])
    assert "units is 4 there and 5 here" in capsys.readouterr().err


@pytest.mark.usefixtures("jobs_in_process")
def test_damaged_and_foreign_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert burnin_compare.main([*SHORT, "--out", str(out)]) == 0
    whole, runs = figures(out), out / "runs"
    (out / "notes.txt").write_text("mine")

    truncated = runs / "stored_seed0.json"
    truncated.write_text(truncated.read_text()[:-50])
    flipped = runs / "zero+3_seed0.json"
    flipped.write_text(flipped.read_text().replace("1", "2", 1))
    assert burnin_compare.main([*SHORT, "--out", str(out)]) == 0
    warnings = capsys.readouterr().err
    assert "stored_seed0.json is damaged" in warnings
    assert "does not fit its checksum" in warnings
    assert (runs / "stored_seed0.damaged").exists()
    assert figures(out) == whole

    foreign = runs / "stored_seed0.json"
    foreign.write_text('{"measurements": "none of yours"}')
    assert burnin_compare.main([*SHORT, "--out", str(out)]) == 0
    assert figures(out) == whole

    for content in ("", "{", "[]", '{"settings": 3}', "\x00"):
        (out / "config.json").write_text(content)
        with pytest.raises(SystemExit) as stopped:
            burnin_compare.main([*SHORT, "--out", str(out)])
        assert stopped.value.code == 2
        assert "config.json" in capsys.readouterr().err
    assert burnin_compare.main([*SHORT, "--fresh", "--out", str(out)]) == 0
    assert figures(out) == whole
    assert (out / "notes.txt").read_text() == "mine"  # --fresh throws away what is ours alone


@pytest.mark.parametrize("processes", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_full_disk(processes: bool, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if not processes:
        request.getfixturevalue("jobs_in_process")
    with small_disk(tmp_path / "disk", "100k") as disk:
        flags = [*SHORT, "--out", str(disk / "out")]
        finished = run_command(burnin_compare.main, flags)
        assert finished.returncode != 0
        assert "No space left on device" in finished.stdout + finished.stderr
        assert "Traceback" not in finished.stderr
        for path in (disk / "out" / "runs").glob("*_seed?.json"):
            json.loads(path.read_text())
        assert not list(disk.rglob("*.partial"))
        remount(disk, "size=20m")
        again = run_command(burnin_compare.main, [*flags, "--resume"])
        assert again.returncode == 0, again.stderr
        assert set(figures(disk / "out")) == {"stored_seed0.json", "zero+3_seed0.json"}


@pytest.mark.usefixtures("jobs_in_process")
def test_a_read_only_directory(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "20m") as disk:
        assert run_command(burnin_compare.main, [*SHORT, "--out", str(tmp_path / "out")]).returncode == 0
        # A lock that this process holds would keep the disk busy.
        shutil.copytree(tmp_path / "out", disk / "out", ignore=shutil.ignore_patterns(".lock*"))
        whole = figures(disk / "out")
        remount(disk, "ro")
        for out in (disk / "out", disk / "new"):
            finished = run_command(burnin_compare.main, [*SHORT, "--out", str(out)])
            assert finished.returncode == 2
            assert f"out: {out} cannot be written" in finished.stderr
            assert "Read-only file system" in finished.stderr
            assert "Traceback" not in finished.stderr
        assert figures(disk / "out") == whole


@pytest.mark.usefixtures("jobs_in_process")
@pytest.mark.parametrize(
    ("env", "flags", "message"),
    [
        pytest.param(
            *("Overflowing", ["--no-value-rescaling", "--no-reward-scaling", "--learning-rate", "0.1"]),
            "TrainingDiverged: the loss of update",
            marks=pytest.mark.long,
        ),
        ("Hangs", ["--env-timeout", "2"], "took longer than 2 s"),
        ("Scripted", ["--objective", "q-learning"], "<script>alert('raised')</script>"),  # else a first look finds it
    ],
)
def test_an_environment_that_is_no_good_ends_its_run_marked(
    env: str, flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = SHORT.index("length=15")
    base = [
        *SHORT[: place - 1],
        *SHORT[place + 1 :],
        "--env",
        f"{USERS_ENVIRONMENTS}:Test/{env}-v0",
        "--vectorization",
        "sync",
    ]
    assert burnin_compare.main([*base, *flags, "--out", str(tmp_path)]) == 1
    assert message in capsys.readouterr().out
    marked = json.loads((tmp_path / "runs" / "stored_seed0.failed.json").read_text())
    assert message in marked["error"]
    page = (tmp_path / "report.html").read_text()
    assert "failed" in page
    assert "<script>" not in page
    if env == "Overflowing":
        assert any((tmp_path / "checkpoints" / "stored_seed0").iterdir())  # the last good ones


@pytest.mark.long
@pytest.mark.usefixtures("jobs_in_process")
def test_tensorboard_shows_the_measurements(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    import tensorflow as tf
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = tmp_path / "board"
    assert burnin_compare.main([*SHORT, "--out", str(tmp_path / "out"), "--tensorboard", str(board)]) == 0
    events = EventAccumulator(str(board / "stored_0"), size_guidance={"tensors": 0})  # all of them
    events.Reload()
    shown = events.PluginTagToContent("scalars")
    expected = figures(tmp_path / "out")["stored_seed0.json"]
    for metric in ("train_loss", "eval_error", "delta_q_first"):
        got = [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in events.Tensors(metric)]
        wanted = [(m["update"], float(np.float32(m["value"]))) for m in expected if m["metric"] == metric]
        assert got == wanted
        assert metric in shown
    assert not [tag for tag in shown if "_at_step_" in tag]


def test_scalars_that_cannot_be_written_cost_no_more_than_themselves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    (tmp_path / "board").write_text("a file where a directory should be")
    job = Job("stored seed 0", 2, None)
    header = ("strategy", "seed", "update", "metric", "value")
    with LiveMetrics(tmp_path / "metrics.csv", header, [], {job.name: ("stored", 0)}, tmp_path / "board") as listen:
        listen(job, [(1, "train_loss", 0.5)])
        listen(job, [(2, "train_loss", 0.25)])
    assert capsys.readouterr().err.count(f"{tmp_path / 'board'} is not a directory\n") == 1
    assert (tmp_path / "metrics.csv").read_text().splitlines()[1] == "stored,0,1,train_loss,0.5"


def test_tensorboard_that_is_not_installed_is_named_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ValueError, match=r"tensorboard: the package is not installed, expected it"):
        LiveMetrics(tmp_path / "metrics.csv", (), [], {}, tmp_path / "board")


def test_names_do_not_leave_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("../zero", "/zero", "zero/../../x", "stored+1/.."):
        with pytest.raises(SystemExit):
            burnin_compare.main([*WITHOUT_STRATEGIES, "--strategies", name])
        assert "strategies: got" in " ".join(capsys.readouterr().err.replace("│", " ").split())
    from experiments.common.results import default_directory

    for name in ("..", "../..", "/etc", "a/b:c", "x\x00y", "~"):
        place = default_directory("burnin_compare", name, TrainingSettings())
        assert place.parent == Path("results/burnin_compare")
        assert ".." not in place.parts
    capsys.readouterr()
    assert list(tmp_path.iterdir()) == []


def test_without_ray_the_message_names_the_flag_that_asks_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # what an import finds that fails
    with pytest.raises(SystemExit):
        burnin_compare.main([*SHORT, "--engine", "ray", "--out", str(tmp_path)])
    assert "engine: got ray, but Ray is not installed" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(ValueError, match="actors: got 2, but Ray is not installed"):
        Trainer(TrainingSettings(actors=2)).run(parse("zero"), 0)


@linux
@pytest.mark.long
@pytest.mark.usefixtures("ray_at_our_priority")
def test_a_ray_cluster_whose_worker_is_killed_gives_the_same_files_and_figures(
    undisturbed: Path, tmp_path: Path
) -> None:
    """The worker is begun again from its checkpoint."""
    process = begin(tmp_path, *LONG, "--engine", "ray")
    killed = False
    while process.poll() is None and not killed:
        time.sleep(0.2)
        if list((tmp_path / "checkpoints").glob("*/*.npz")):
            for directory in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    if (directory / "cmdline").read_bytes().startswith(b"ray::_do"):
                        os.kill(int(directory.name), signal.SIGKILL)
                        killed = True
                        break
    printed = process.communicate()[0]
    assert killed
    assert process.returncode == 0, printed
    assert figures(tmp_path) == figures(undisturbed)
    for name in ("metrics.csv", "report.html", "runs/stored_seed0.npz"):
        assert (tmp_path / name).stat().st_size > 0
    assert (tmp_path / "metrics.csv").read_text() == (undisturbed / "metrics.csv").read_text()


@pytest.mark.long
@pytest.mark.usefixtures("ray_at_our_priority")
def test_ray_actors_act_with_old_parameters(tmp_path: Path) -> None:
    flags = [*WITHOUT_STRATEGIES, "--strategies", "stored", "--actors", "2", "--workers", "1"]
    finished = subprocess.run(command(tmp_path, *flags), cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    measured = figures(tmp_path)["stored_seed0.json"]
    lags = {
        name: [m["value"] for m in measured if m["metric"] == name]
        for name in ("parameter_lag", "parameter_lag_seconds", "eval_error")
    }
    assert lags["parameter_lag"][0] == 0
    assert max(lags["parameter_lag"]) >= 10  # they went on while the learner updated
    assert min(lags["parameter_lag_seconds"]) > 0
    assert lags["eval_error"]


def test_without_ray_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SystemExit):
        burnin_compare.main([*SHORT, "--engine", "ray", "--out", str(tmp_path)])
    assert "pip install -e '.[ray]'" in capsys.readouterr().err


@pytest.mark.usefixtures("jobs_in_process")
def test_the_lock_is_left_with_its_process(tmp_path: Path) -> None:
    process = begin(tmp_path, *LONG)
    while not (tmp_path / ".lock.json").exists():
        time.sleep(0.05)
    process.kill()
    process.communicate()
    assert burnin_compare.main([*SHORT, "--fresh", "--out", str(tmp_path)]) == 0
    shutil.rmtree(tmp_path / "runs")


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs os.openpty, which Windows does not have")
@pytest.mark.parametrize(("answer", "goes_on"), [("n\n", False), ("y\n", True)])
@pytest.mark.usefixtures("jobs_in_process")
def test_at_a_terminal_it_asks_before_it_goes_on(answer: str, goes_on: bool, tmp_path: Path) -> None:
    done, out = tmp_path / "done", tmp_path / "out"
    assert run_command(burnin_compare.main, [*SHORT, "--out", str(done)]).returncode == 0
    shutil.copytree(done, out, ignore=shutil.ignore_patterns(".lock*"))  # this process holds the first one
    lost = out / "runs" / "stored_seed0.json"
    lost.unlink()
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        command(out, *SHORT), cwd=ROOT, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, text=True
    )
    os.close(theirs)
    os.write(ours, answer.encode())
    printed = process.communicate(timeout=120)[0]
    os.close(ours)
    assert "1 of 2 runs are finished, and 0 begun. Go on from there? [Y/n]" in printed
    assert process.returncode == (0 if goes_on else 1)
    assert lost.exists() == goes_on
    if not goes_on:
        assert "give --resume to go on, or --fresh to begin anew" in printed


@dataclasses.dataclass
class AskedToStop:
    """A worker's report of a run that is asked to stop after its last update."""

    updates: int
    statuses: list[str] = dataclasses.field(default_factory=list)

    def __call__(self, done: int, status: str) -> None:
        self.statuses.append(status)
        if done == self.updates and not status.startswith("loss"):
            raise JobStopped

    def measured(self, rows: Rows) -> None: ...


@pytest.mark.usefixtures("jobs_in_process")
def test_a_run_that_is_asked_to_stop_after_its_last_update_ends(tmp_path: Path) -> None:
    flags = [*SHORT, "--env", "BitStream/Recall-v0", "--objective", "q-learning", "--out", str(tmp_path)]
    several = ["--evaluation-episodes", "16"]  # enough to measure memory
    training = burnin_compare.read_settings([*flags, *several]).training
    report, path = AskedToStop(training.updates), tmp_path / "runs" / "stored_seed0.json"
    train(RunSpecification(training, "stored", 0, path, 10), report, WORKER)
    said = [status for status in report.statuses if not status.startswith("loss")]
    assert said[0] == "evaluating constant actions"
    assert said[1:]
    assert all(status.startswith("measuring with ") for status in said[1:])
    assert read_sealed(path) is not None
