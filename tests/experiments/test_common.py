"""Statistics, engine, settings and result files."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.common.engine import next_job, run_jobs
from experiments.common.jobs import Job, Log, RunsLeft, duration
from experiments.common.results import (
    DamagedFile,
    check_same_config,
    code_of,
    from_json,
    lock_directory,
    open_directory,
    read_json,
    read_sealed,
    to_json,
    without_nan,
    write_json,
    write_sealed,
)
from r2d2_burnin.data import Measurement, TrainingResult
from r2d2_burnin.runtime.command_line import parse_pairs
from tests.common.work import do


def test_a_failing_job_and_a_dying_process_cost_nothing_but_themselves() -> None:
    jobs = [Job(str(payload), 1, payload, group=str(i)) for i, payload in enumerate([1, "raise", 2, "die", 3, 4])]
    outcomes = {outcome.job.payload: outcome for outcome in run_jobs(jobs, do, workers=2, title="test")}
    assert {payload: outcomes[payload].result for payload in (1, 2, 3, 4)} == {1: 2, 2: 4, 3: 6, 4: 8}
    assert outcomes["raise"].error == "ValueError: expected trouble"
    assert "died" in (outcomes["die"].error or "")


def test_the_jobs_of_a_worker_share_what_is_made_of_equal_settings() -> None:
    jobs = [Job(str(i), 1, payload) for i, payload in enumerate(["count"] * 5 + ["count from 10"] * 2)]
    counts: dict[int, list[int]] = {}
    for outcome in run_jobs(jobs, do, workers=2, title="test"):
        process, count = outcome.result
        counts.setdefault(process, []).append(count)
    for of_a_process in counts.values():
        assert [n for n in of_a_process if n < 10] == list(range(sum(n < 10 for n in of_a_process)))
        assert [n - 10 for n in of_a_process if n >= 10] == list(range(sum(n >= 10 for n in of_a_process)))
    assert sum(map(len, counts.values())) == len(jobs)
    assert max(map(len, counts.values())) > 1


def test_workers_stay_with_their_group_then_take_one_that_nobody_has() -> None:
    waiting = [(Job(str(i), 1, None, group=group), 1) for i, group in enumerate("aabbc")]
    assert next_job(waiting, "", set()) == 0  # the longest jobs come first
    assert next_job(waiting, "", {"a"}) == 2
    assert next_job(waiting, "b", {"a"}) == 2
    assert next_job(waiting, "d", {"a", "b"}) == 4
    assert next_job(waiting[:4], "c", {"a", "b"}) == 0  # nothing is left to itself: help with the first


@pytest.mark.skipif(
    not Path("/proc/sys/vm/max_map_count").exists(), reason="needs Linux, which limits the memory mappings of a process"
)
def test_a_worker_that_has_used_its_memory_mappings_is_replaced() -> None:
    jobs = [Job(str(i), 1, payload) for i, payload in enumerate(["process", "process", "use up mappings", "process"])]
    first, same, worn, fresh = (outcome.result for outcome in run_jobs(jobs, do, workers=1, title="test"))
    assert first == same == worn != fresh


def test_ctrl_c_stops_running_jobs_and_keeps_finished_results() -> None:
    program = """
import signal
from experiments.common.engine import run_jobs
from experiments.common.jobs import Job, Log, duration
from tests.common.work import do
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where pytest runs in a shell's background
    jobs = [Job("quick", 1, 4), Job("slow", 1, "sleep"), Job("slow too", 1, "sleep")]
    try:
        for outcome in run_jobs(jobs, do, workers=2, title="test"):
            print("finished", outcome.result, flush=True)
    except KeyboardInterrupt:
        print("stopped", flush=True)
"""
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "finished 8\n"
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert out == "stopped\n"
    assert "Traceback" not in err


def test_env_kwargs_are_python_literals() -> None:
    pairs = ["length=80", "p=0.5", "modulo=None", "name=abc", "flags=[1, 2]", "text=a=b"]
    assert parse_pairs(pairs) == {
        "length": 80,
        "p": 0.5,
        "modulo": None,
        "name": "abc",
        "flags": [1, 2],
        "text": "a=b",
    }
    for wrong in ("length", "=3", "a b=3"):
        with pytest.raises(ValueError, match=r"env_kwargs: got .* expected KEY=VALUE"):
            parse_pairs([wrong])


def test_results_of_other_settings_are_not_mixed(tmp_path: Path) -> None:
    config = {"settings": {"updates": 10, "units": 4}}
    check_same_config(tmp_path, config)
    write_json(tmp_path / "config.json", config)
    assert read_json(tmp_path / "config.json") == config
    check_same_config(tmp_path, config)
    with pytest.raises(ValueError, match=r"updates is 10 there and 20 here.*--fresh"):
        check_same_config(tmp_path, {"settings": {"updates": 20, "units": 4}})


def test_results_of_code_that_was_edited_are_not_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "module_that_is_edited.py"
    module.write_text("class Mine: ...")
    out, named = tmp_path / "out", {"settings": {"units": 4}, "strategies": ["module_that_is_edited:Mine+3", "zero"]}
    other = {"settings": {"units": 4}, "strategies": ["zero"]}
    for config in (named, other, named):  # a command that does not name it forgets nothing
        with open_directory(out, config, fresh=False):
            (out / "runs").mkdir(exist_ok=True)
            (out / "runs" / "a.json").write_text("{}")
    module.write_text("class Mine: changed = True")
    with open_directory(out, other, fresh=False):
        pass
    with pytest.raises(ValueError, match=r"out: .* module_that_is_edited before it was edited.*--fresh"):
        open_directory(out, named, fresh=False)
    with open_directory(out, named, fresh=True):
        pass
    assert (
        code_of([named, "os:path", "numpy.linalg:norm", "no_such:Thing", "module_that_is_edited.more:Thing"])
        == (json.loads((out / "config.json").read_text())["code"])
    )
    module.unlink()
    assert code_of(named) == {}
    (out / "runs").mkdir()
    (out / "runs" / "a.json").write_text("{}")
    (out / "config.json").write_text(json.dumps(named | {"code": None}))
    with pytest.raises(DamagedFile, match=r"config.json is no settings"):
        open_directory(out, named, fresh=False)


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ValueError, match=r"out: .* is a file, expected a directory"):
        open_directory(tmp_path / "out", {"settings": {}}, fresh=False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(content=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_in_a_file_the_reader_says_so(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match=r"config\.json"):
        read_sealed(path)
    with pytest.raises(ValueError, match=r"config\.json|holds results of other settings"):
        check_same_config(tmp_path, {"settings": {"updates": 3}})


@given(content=st.dictionaries(st.text(max_size=5), JSON, max_size=4), data=st.data())
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_sealed_file_is_read_as_written_and_a_change_is_noticed(
    content: dict[str, Any], data: st.DataObject, tmp_path: Path
) -> None:
    path = tmp_path / "run.json"
    try:
        write_sealed(path, content)
    except ValueError:  # JSON has no infinities
        return
    expected = json.loads(json.dumps(content))
    expected.pop("sha256", None)
    if "sha256" not in content:
        assert read_sealed(path) == expected
    text = path.read_bytes()
    cut = data.draw(st.integers(0, len(text) - 3))
    path.write_bytes(text[:cut])
    with pytest.raises(DamagedFile):
        read_sealed(path)


def test_two_commands_of_one_process_share_a_directory(tmp_path: Path) -> None:
    elsewhere = [
        sys.executable,
        "-c",
        f"from experiments.common.results import *; lock_directory(Path({str(tmp_path)!r}))",
    ]
    with lock_directory(tmp_path):
        with lock_directory(tmp_path / ".." / tmp_path.name):  # the same one
            assert json.loads((tmp_path / ".lock.json").read_text())["process"] == os.getpid()
        refused = subprocess.run(elsewhere, capture_output=True, text=True, check=False)
        assert f"is in use by process {os.getpid()} on" in refused.stderr
    subprocess.run(elsewhere, check=True)  # free again


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
MEASUREMENTS = st.builds(Measurement, st.integers(0, 9), st.text(max_size=5), FLOATS, st.none() | st.integers(0, 99))
RESULTS = st.builds(
    TrainingResult,
    st.lists(MEASUREMENTS, max_size=3),
    FLOATS,
    longest_start=st.none() | st.integers(0, 9),
    streams=st.none() | st.text(max_size=5),
    outcomes=st.lists(FLOATS, max_size=3),
    baselines=st.dictionaries(st.text(max_size=5), st.lists(FLOATS, max_size=3), max_size=2),
)


@given(RESULTS)
def test_a_record_is_read_back_with_its_types(result: TrainingResult) -> None:
    read = from_json(TrainingResult, json.loads(json.dumps(to_json(result), allow_nan=False)))
    assert read == result
    assert repr(read) == repr(result)  # 1 and 1.0 are told apart


@pytest.mark.parametrize(
    "change",
    [
        {"measurements": [[1, "train_loss", 0.5]]},  # rows without names, as an earlier version wrote
        {"measurements": None},
        {"seconds": "1.0"},
        {"seconds": True},
        {"processed_steps": 1.5},
        {"outcomes": {"0": 1.0}},
        {"more": 1},
    ],
)
def test_content_of_another_record_is_refused(change: dict[str, Any]) -> None:
    content = to_json(TrainingResult([Measurement(1, "train_loss", 0.5)], 1.0))
    assert from_json(TrainingResult, content).measurements[0].value == 0.5
    with pytest.raises(DamagedFile, match="no TrainingResult of this version"):
        from_json(TrainingResult, {**content, **change})
    with pytest.raises(DamagedFile, match="no TrainingResult of this version"):
        from_json(TrainingResult, {name: value for name, value in content.items() if name != "seconds"})


def test_numbers_that_json_does_not_have_come_back_as_nan() -> None:
    @dataclasses.dataclass
    class Numbers:
        single: float
        several: list[float]

    content = without_nan(to_json(Numbers(math.nan, [1.0, math.inf])))
    assert json.dumps(content, allow_nan=False) == '{"single": null, "several": [1.0, null]}'
    read = from_json(Numbers, content)
    assert math.isnan(read.single)
    assert math.isnan(read.several[1])


def test_a_log_says_how_far_jobs_are_and_what_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("experiments.common.jobs.time.monotonic", lambda: now[0])
    jobs = [Job(f"number {i}", steps, None) for i, steps in enumerate((1000, 1000, 1000, 4000))]
    log, job, runs_left = Log("squares", 4), jobs[1], RunsLeft(jobs, workers=1)
    for at, done in ((0.0, 100), (5.0, 150), (20.0, 300), (29.0, 390)):  # a job that goes on from update 100
        now[0] = at
        log.running(job, done, "loss 2")
    for at, done_job in zip((100.0, 115.0, 130.0, 250.0), jobs, strict=True):
        now[0] = at
        log.finished(runs_left.after(done_job))
    log.running(Job("network", 1, None), 0, "measuring")
    assert capsys.readouterr().err.splitlines() == [
        "number 1: 100 of 1000 updates, loss 2",
        "number 1: 300 of 1000 updates, loss 2, about 70 s left",
        "squares: 1 of 4 runs finished",  # it paid for starting and compiling
        "squares: 2 of 4 runs finished, about 5 min left",
        "squares: 3 of 4 runs finished, about 3 min left",  # the last run is four times as long
        "squares: 4 of 4 runs finished",
        "network: measuring",  # a job of one step is no update
    ]
    shown = [duration(seconds) for seconds in (89, 91, 5399, 5401, 9000)]
    assert shown == ["89 s", "2 min", "1 h 30 min", "1 h 30 min", "2 h 30 min"]
